"""The folder of compiled functions.

An entry is a folder that holds the emitted module as a real file, what Numba keeps for it in ``__pycache__``, and a
seal: the digests of both. Its name contains a hash of everything that the machine code depends on, so an entry is never
changed, only added, used or removed. The folder is the user's alone; an entry whose seal does not fit is built anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jitdiff.config import settings
from jitdiff.errors import CacheError
from jitdiff.threads import Lock

try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
except ImportError:  # Windows: two processes may compile the same thing, and the later one's entry stands
    flock = None  # type: ignore[assignment]

_log = logging.getLogger("jitdiff")
_NAME = re.compile(r"\w+_[0-9a-f]{32}")
_SEAL = "seal.json"
_counts_lock = Lock()
_hits = _misses = 0


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What the cache holds and what it did for this process.

    Parameters
    ----------
    hits : int
        Functions that this process loaded.
    misses : int
        Functions that this process compiled.
    entries : int
        Functions in the folder.
    bytes : int
        Size of the folder.
    folder : Path
        Where it is.
    """

    hits: int
    misses: int
    entries: int
    bytes: int
    folder: Path


def info() -> CacheInfo:
    """Return counts, size and place of the cache.

    Examples
    --------
    >>> info().folder.name != ""
    True
    """
    folder = settings().cache_dir
    entries = _entries(folder)
    return CacheInfo(_hits, _misses, len(entries), sum(entry.size() for entry in entries), folder)


def clear() -> None:
    """Remove all compiled functions from the folder and set the counts to zero. Loaded functions go on working."""
    global _hits, _misses  # noqa: PLW0603
    for entry in _entries(settings().cache_dir):
        entry.remove()
    with _counts_lock:
        _hits = _misses = 0


def count(hit: bool) -> None:
    """Count a function that was loaded, or one that was compiled."""
    global _hits, _misses
    with _counts_lock:
        _hits, _misses = _hits + hit, _misses + (not hit)


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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the entry's folder, and keep other processes from it: one compiles, the others wait and load."""
        make_private(self.folder.parent)
        if flock is None:
            make_private(self.folder)
            yield
            return
        while True:
            make_private(self.folder)
            try:
                descriptor = os.open(self.folder, os.O_RDONLY)
            except FileNotFoundError:
                continue  # removed in between
            try:
                flock(descriptor, LOCK_EX)
                if self._is(descriptor):
                    yield
                    return
            finally:
                # Said rather than left to closing: a child forked meanwhile holds the descriptor open.
                flock(descriptor, LOCK_UN)
                os.close(descriptor)

    def _is(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.folder.stat())
        except FileNotFoundError:
            return False

    def prepare(self, source: str) -> None:
        """Leave the entry as it was sealed, or, if it was not or was damaged since, with its source alone."""
        seal = self._read_seal()
        if seal is not None and seal == self._digests() and seal.get(self.module.name) == _digest(source.encode()):
            os.utime(self.folder / _SEAL)
            return
        if (self.folder / _SEAL).exists():
            _log.warning("the cached function %s is damaged and will be compiled again", self.folder)
        for item in self.folder.iterdir():
            if item.is_dir():
                shutil.rmtree(item)
            else:
                item.unlink()
        _write(self.module, source.encode())
        # Numba's files go in here, and Numba would make the folder as the umask says.
        make_private(self.folder / "__pycache__")

    def seal(self) -> None:
        """Vouch for the files that are there now, and keep the cache within its size."""
        for path in self.folder.rglob("*"):
            if not path.is_dir():
                path.chmod(0o600)  # Numba writes as the umask says
        _write(self.folder / _SEAL, json.dumps(self._digests(), indent=0, sort_keys=True).encode())
        _trim(self)

    def size(self) -> int:
        """Return the bytes of its files."""
        total = 0
        for path in self.folder.rglob("*"):
            with suppress(FileNotFoundError):
                total += path.lstat().st_size
        return total

    def last_used(self) -> float:
        """Return when it was last loaded, 0 if it was never finished."""
        try:
            return (self.folder / _SEAL).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self, *, wait: bool = True) -> None:
        """Remove it, unless a process that is not waited for is at work on it."""
        try:
            descriptor = os.open(self.folder, os.O_RDONLY)
        except OSError:
            descriptor = None
        try:
            if flock is not None and descriptor is not None:
                flock(descriptor, LOCK_EX if wait else LOCK_EX | LOCK_NB)
            # Out of sight at once: nobody meets it half removed.
            doomed = self.folder.with_name(f"{self.folder.name}.{os.getpid()}.removed")
            self.folder.rename(doomed)
            shutil.rmtree(doomed)
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _files(self) -> list[Path]:
        """Return its files but the seal, and refuse those that another user could have written."""
        paths = [path for path in self.folder.rglob("*") if path.name != _SEAL]
        for path in paths:
            refuse_foreign(path)
        return sorted(path for path in paths if not path.is_dir())

    def _digests(self) -> dict[str, str]:
        return {path.relative_to(self.folder).as_posix(): _digest(path.read_bytes()) for path in self._files()}

    def _read_seal(self) -> dict[str, str] | None:
        path = self.folder / _SEAL
        try:
            refuse_foreign(path)
            seal = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return seal if isinstance(seal, dict) else None


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter, or make sure that nobody else can write to it.

    Raises
    ------
    CacheError
        If it belongs to someone else, others may write to it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CacheError(
            f"the cache folder {folder} cannot be made: {error.strerror}",
            hint="set JITDIFF_CACHE_DIR to a folder of yours, or compile with cache=False",
        ) from error
    refuse_foreign(folder)


def refuse_foreign(path: Path) -> None:
    """Raise CacheError if another user could have written a file or folder: it holds machine code that will run."""
    if not hasattr(os, "geteuid"):
        return
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) and path.is_dir():
        status = path.stat()
    if status.st_uid != os.geteuid():
        what = f"belongs to the user with id {status.st_uid}"
    elif stat.S_ISLNK(status.st_mode) or status.st_mode & 0o022:
        what = "can be written by others"
    else:
        return
    raise CacheError(
        f"the cache is not used: {path} {what}, and it holds code that would run as you",
        hint=f"chmod -R go-w {path}, remove it, or set JITDIFF_CACHE_DIR to a folder of yours",
    )


def _entries(folder: Path) -> list[Entry]:
    if not folder.is_dir():
        return []
    return [Entry(folder, path.name) for path in folder.iterdir() if _NAME.fullmatch(path.name)]


def _trim(newest: Entry) -> None:
    """Remove the entries that went unused for longest until the folder is small enough."""
    for left_over in newest.folder.parent.glob("*.removed"):
        shutil.rmtree(left_over, ignore_errors=True)
    entries = sorted(_entries(newest.folder.parent), key=Entry.last_used)
    excess = sum(entry.size() for entry in entries) - settings().cache_bytes
    for entry in entries:
        if excess <= 0:
            break
        if entry.folder != newest.folder:
            excess -= entry.size()
            entry.remove(wait=False)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
