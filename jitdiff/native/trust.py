"""Files that hold machine code: they are used only if nobody else could have written them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from jitdiff.errors import CacheError

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter, or make sure that nobody else can write to it.

    Raises
    ------
    CacheError
        If it belongs to someone else, others may write to it, or something else than a folder is in its place.
    OSError
        If it cannot be made: the disk is full, or the user may not write there.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP):
            raise
        raise CacheError(
            f"the cache folder {folder} cannot be made: {error.strerror}",
            hint="set JITDIFF_CACHE_DIR to a folder of yours, or compile with cache=False",
        ) from error
    # The folder of the cache may be a link to one elsewhere.
    refuse_foreign(Path(os.path.realpath(folder)))


def refuse_foreign(path: Path) -> None:
    """Raise CacheError if another user could have written a file or folder: it holds machine code that will run.

    The superuser, who could do anything, may have filled the cache, as in the image of a container.
    """
    if not hasattr(os, "geteuid"):
        return
    status, remedy = path.lstat(), f"chmod -R go-w {path}, "
    if status.st_uid not in (os.geteuid(), 0):
        what = f"belongs to the user with id {status.st_uid}"
    elif stat.S_ISLNK(status.st_mode):
        what, remedy = "is a link", ""
    elif status.st_mode & 0o022:
        what = "can be written by others"
    else:
        return
    raise CacheError(
        f"the cache is not used: {path} {what}, and it holds code that would run as you",
        hint=f"{remedy}remove it, or set JITDIFF_CACHE_DIR to a folder of yours",
    )


def read_private(path: Path) -> bytes:
    """Return the contents of a file that nobody else could have written.

    Raises
    ------
    CacheError
        If another user could have written it.
    OSError
        If it cannot be read, or is no ordinary file: a pipe, for one, would never end.
    """
    refuse_foreign(path)
    # Opening a device does something, and opening a pipe waits.
    if stat.S_ISREG(path.lstat().st_mode):
        with os.fdopen(os.open(path, _FLAGS), "rb") as file:
            return file.read()
    raise OSError(errno.EINVAL, "no ordinary file", str(path))


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
