"""The folder of compiled functions.

The folder is the user's alone. Where it cannot be written to, entries are still loaded, and what is compiled is kept in
memory only.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jitdiff.config import settings
from jitdiff.errors import CacheError, CacheWarning
from jitdiff.ir.location import warn
from jitdiff.native.entry import Entry, remove_left_overs
from jitdiff.threads import Lock

T = TypeVar("T")
_NAME = re.compile(r"\w+_[0-9a-f]{32}")
_counts_lock = Lock()
_hits = _misses = 0
_warned: set[Path] = set()
"""Folders that a warning has been given of."""


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
    """Remove all compiled functions from the folder and set the counts to zero. Loaded functions go on working.

    Raises
    ------
    CacheError
        If the folder cannot be written to.
    """
    global _hits, _misses  # noqa: PLW0603
    folder = settings().cache_dir
    try:
        for entry in _entries(folder):
            entry.remove()
    except OSError as error:
        raise CacheError(f"the cache folder {folder} cannot be cleared: {error.strerror}") from error
    with _counts_lock:
        _hits = _misses = 0


def through(entry: Entry, source: str, make: Callable[[Path | None], tuple[T, bool]]) -> tuple[T, bool]:
    """Return what is made of an entry, or anew and kept as an entry, and whether it was loaded.

    Parameters
    ----------
    entry : Entry
        Of the function.
    source : str
        The text that it must be of.
    make : callable
        Given a folder, it loads from Numba's files there, or compiles and leaves such files; given None, it compiles.
        It says whether it loaded.

    Raises
    ------
    CacheError
        If another user could have written the entry, or the cache cannot be a folder.

    Warns
    -----
    CacheWarning
        Once, if the folder of the cache cannot be written to or locked.
    """
    files = entry.read(source)
    if files is not None:
        made, loaded = _made(entry, source, files, make)
    else:
        with entry.locked() as trouble:
            if trouble is not None:
                _warn(entry, "processes may compile the same: it cannot be locked", trouble)
            # Another process may have compiled it meanwhile.
            made, loaded = _made(entry, source, entry.read(source) or {}, make)
    _count(loaded)
    return made, loaded


def _made(
    entry: Entry, source: str, files: Mapping[str, bytes], make: Callable[[Path | None], tuple[T, bool]]
) -> tuple[T, bool]:
    # Loaded from a copy: the entry may be removed at any time.
    with _copied(files) as folder:
        made, loaded = make(folder or (entry.of_numba if files else None))
        if not loaded:
            try:
                if files:
                    entry.remove()
                _keep(entry, source, folder)
            except CacheError:
                raise
            except OSError as error:
                _warn(entry, "what is compiled is kept in memory only: it cannot be written to", error)
    return made, loaded


@contextmanager
def _copied(files: Mapping[str, bytes]) -> Iterator[Path | None]:
    """Give a folder with these files to work in, None if none can be made."""
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="jitdiff-"))
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            folder = None
    try:
        yield folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _keep(entry: Entry, source: str, folder: Path | None) -> None:
    made = {path.name: path.read_bytes() for path in folder.iterdir()} if folder is not None else {}
    if not any(name.endswith(".nbc") for name in made):
        raise OSError(None, "there is no room for temporary files", tempfile.gettempdir())
    entry.write(source, made)
    _trim(entry)


def _warn(entry: Entry, what: str, error: OSError | NotImplementedError) -> None:
    """Say once for each folder why it is not used as it should be."""
    folder = entry.folder.parent
    if folder not in _warned:
        _warned.add(folder)
        warn(
            f"the cache folder {folder}: {what}: {getattr(error, 'strerror', None) or error}\n"
            "  hint: set JITDIFF_CACHE_DIR to a folder that can, or compile with cache=False",
            CacheWarning,
        )


def _count(hit: bool) -> None:
    """Count a function that was loaded, or one that was compiled."""
    global _hits, _misses
    with _counts_lock:
        _hits, _misses = _hits + hit, _misses + (not hit)


def _entries(folder: Path) -> list[Entry]:
    try:
        return [Entry(folder, path.name) for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    except OSError:
        return []


def _trim(newest: Entry) -> None:
    """Remove the entries that went unused for longest until the folder is small enough."""
    folder = newest.folder.parent
    remove_left_overs(folder)
    entries = sorted(_entries(folder), key=Entry.last_used)
    excess = sum(entry.size() for entry in entries) - settings().cache_bytes
    for entry in entries:
        if excess <= 0:
            break
        if entry.folder != newest.folder:
            excess -= entry.size()
            entry.remove()
