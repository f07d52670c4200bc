"""Settings. The environment is read once, here, when jitdiff is imported."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError
from jitdiff.threads import Lock


def _user_cache() -> Path:
    """Return the folder where this platform keeps a user's caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base or Path.home() / "AppData" / "Local") / "jitdiff" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "jitdiff"
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "jitdiff"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Parameters
    ----------
    default_float : numpy.dtype
        Dtype of Tensors made of Python floats.
    cache_dir : Path
        Folder of compiled functions (``JITDIFF_CACHE_DIR``), else one among the user's caches.
    cache_bytes : int
        Size that the folder is kept under (``JITDIFF_CACHE_BYTES``), else 1 GiB.
    dump : str
        What is printed while compiling (``JITDIFF_DUMP``): ``all`` is the program after each pass, the name of a pass
        is the program after that one, and ``source`` the emitted text; several are separated by commas.
    leaks : {"error", "warn", "ignore"}, optional
        What happens where a value that is differentiated becomes plain numbers (``JITDIFF_LEAKS``). By default
        transforms raise, since their result would be wrong, and tapes warn when a gradient is taken, since there plain
        numbers are constants.

    Examples
    --------
    >>> settings().default_float
    dtype('float64')
    """

    default_float: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))
    cache_dir: Path = field(default_factory=_user_cache)
    cache_bytes: int = 1 << 30
    dump: str = ""
    leaks: str | None = None

    def __post_init__(self) -> None:
        dtype = np.dtype(self.default_float)
        if dtype not in (np.float32, np.float64):
            raise ArgumentError(f"config: default_float is float32 or float64, not {dtype}")
        try:
            size = int(self.cache_bytes)
        except ValueError:
            size = -1
        if size < 0:
            raise ArgumentError(f"config: cache_bytes is a number of bytes, not {self.cache_bytes!r}")
        if self.leaks not in (None, "error", "warn", "ignore"):
            raise ArgumentError(f"config: leaks is 'error', 'warn' or 'ignore', not {self.leaks!r}")
        object.__setattr__(self, "default_float", dtype)
        object.__setattr__(self, "cache_bytes", size)
        object.__setattr__(self, "cache_dir", Path(self.cache_dir).expanduser().absolute())


def _from_environment() -> Settings:
    given = {name: os.environ.get(f"JITDIFF_{name.upper()}") for name in ("cache_dir", "cache_bytes", "dump", "leaks")}
    return Settings(**{name: value for name, value in given.items() if value})  # type: ignore[arg-type]


_lock = Lock()
_current = _from_environment()


def settings() -> Settings:
    """Return the settings in force.

    Examples
    --------
    >>> settings().dump
    ''
    """
    return _current


class config:  # noqa: N801
    """Change settings, for good or for the length of a ``with`` block, in all threads.

    Parameters
    ----------
    **changes : object
        Fields of `Settings`.

    Raises
    ------
    ArgumentError
        For a setting that does not exist, or a value that it cannot have.

    Examples
    --------
    >>> with config(default_float="float32"):
    ...     settings().default_float
    dtype('float32')
    >>> settings().default_float
    dtype('float64')
    """

    def __init__(self, **changes: Any) -> None:
        global _current  # noqa: PLW0603
        known = [f.name for f in fields(Settings)]
        for name in changes:
            if name not in known:
                raise ArgumentError(
                    f"config: there is no setting {name!r}", hint=f"there are {', '.join(sorted(known))}"
                )
        with _lock:
            self._before = {name: getattr(_current, name) for name in changes}
            _current = replace(_current, **changes)

    def __enter__(self) -> Settings:
        return _current

    def __exit__(self, *_: object) -> None:
        global _current  # noqa: PLW0603
        with _lock:
            _current = replace(_current, **self._before)
