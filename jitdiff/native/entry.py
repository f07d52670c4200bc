"""One compiled function in the folder of the cache.

An entry is a folder that holds the emitted module as a file, what Numba keeps for it in ``__pycache__``, and a seal:
the digests of both. Its name contains a hash of everything that the machine code depends on, so an entry is never
changed. It is put in its place whole, by renaming, and taken away in the same way; it is read into memory and compared
with its seal before anything is made of it. So no process meets half an entry, whether locks work or not.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from jitdiff.errors import CacheError
from jitdiff.native.trust import make_private, read_private, refuse_foreign, write_private

PATIENCE = 300.0
"""Seconds to wait for a process that compiles the same; it may have been stopped."""

LEFT_OVER = 3600.0
"""Seconds after which the files of a process at work on an entry are those of one that was killed."""

_SEAL = "seal.json"
_OF_NUMBA = "__pycache__"
_UNWRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOENT})
_log = logging.getLogger("jitdiff")


class Entry:
    """One compiled function in the folder.

    Parameters
    ----------
    folder : Path
        The folder of the cache.
    name : str
        Name of the entry, of its module and of the module's file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.module = self.folder / f"{name}.py"

    @property
    def of_numba(self) -> Path:
        """The folder of Numba's files."""
        return self.folder / _OF_NUMBA

    def read(self, source: str) -> dict[str, bytes] | None:
        """Return Numba's files by name, None if there is no entry or it is not as it was sealed.

        Raises
        ------
        CacheError
            If another user could have written any of it.
        """
        try:
            for folder in (os.path.realpath(self.folder.parent), self.folder, self.of_numba):
                refuse_foreign(Path(folder))
            seal = json.loads(read_private(self.folder / _SEAL))
            paths = [*self.folder.iterdir(), *self.of_numba.iterdir()]
            paths = [path for path in paths if path not in (self.folder / _SEAL, self.of_numba)]
            files = {path.relative_to(self.folder).as_posix(): read_private(path) for path in paths}
        except CacheError:
            raise
        except (OSError, ValueError, RecursionError):
            return None
        if seal != _digests(files) or files.pop(self.module.name, None) != source.encode():
            return None
        with suppress(OSError):
            os.utime(self.folder / _SEAL)
        return {name.removeprefix(f"{_OF_NUMBA}/"): data for name, data in files.items()}

    def write(self, source: str, of_numba: Mapping[str, bytes]) -> None:
        """Put the entry in its place, unless another process has been faster.

        Raises
        ------
        CacheError
            If the folder of the cache is not the user's.
        OSError
            If it cannot be written to.
        """
        make_private(self.folder.parent)
        files = {self.module.name: source.encode(), **{f"{_OF_NUMBA}/{name}": of_numba[name] for name in of_numba}}
        partial = Path(tempfile.mkdtemp(".partial", f"{self.folder.name}.", self.folder.parent))
        try:
            (partial / _OF_NUMBA).mkdir(mode=0o700)
            for name, data in files.items():
                write_private(partial / name, data)
            write_private(partial / _SEAL, json.dumps(_digests(files), indent=0, sort_keys=True).encode())
            try:
                partial.rename(self.folder)
            except OSError:
                # There is one, or something else.
                if self.read(source) is None:
                    if os.path.lexists(self.folder / _SEAL):
                        _log.warning("the cached function %s is damaged and has been compiled again", self.folder)
                    self.remove()
                    partial.rename(self.folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[OSError | NotImplementedError | None]:
        """Keep other processes from compiling the same: one does, the others wait and load.

        Nothing but time depends on it. Gives the reason where the folder could be written to, and cannot be locked.
        """
        from filelock import FileLock, Timeout

        lock, trouble = FileLock(f"{self.folder}.lock", PATIENCE, 0o600), None
        try:
            make_private(self.folder.parent)
            lock.acquire()
        except CacheError:
            raise
        except Timeout:
            _log.warning("another process has been compiling %s for %g s", self.folder.name, PATIENCE)
        except (OSError, NotImplementedError) as error:
            trouble = None if getattr(error, "errno", None) in _UNWRITABLE else error
        try:
            yield trouble
        finally:
            if lock.is_locked:
                lock.release()
                with suppress(OSError):
                    Path(lock.lock_file).unlink()

    def size(self) -> int:
        """Return the bytes of its files."""
        total = 0
        for path in self.folder.rglob("*"):
            with suppress(OSError):
                total += path.lstat().st_size
        return total

    def last_used(self) -> float:
        """Return when it was last loaded, 0 if it is damaged."""
        try:
            return (self.folder / _SEAL).lstat().st_mtime
        except OSError:
            return 0.0

    def remove(self) -> None:
        """Remove it, or whatever is in its place."""
        doomed = self.folder.with_name(f"{self.folder.name}.{secrets.token_hex(8)}.removed")
        with suppress(FileNotFoundError):
            self.folder.rename(doomed)
            _discard(doomed)


def remove_left_overs(folder: Path) -> None:
    """Remove from the folder of the cache what processes left that were killed."""
    for pattern, age in (("*.removed", 0.0), ("*.partial", LEFT_OVER), ("*.lock", LEFT_OVER)):
        for path in folder.glob(pattern):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime >= age:
                    _discard(path)


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
        return
    with suppress(OSError):
        # What has been made unreadable can still be removed.
        path.chmod(0o700)
        (path / _OF_NUMBA).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
