"""Settings. The environment is read once, here, when jitdiff is imported."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Parameters
    ----------
    default_float : numpy.dtype
        Dtype of Tensors made of Python floats.
    cache_dir : Path or None
        Folder of compiled functions (``JITDIFF_CACHE_DIR``); None is the user's cache folder.
    cache_bytes : int
        Size that the folder is kept under (``JITDIFF_CACHE_BYTES``).
    dump : str
        What is printed while compiling (``JITDIFF_DUMP``): ``all`` is the program after each pass, the name of a pass
        is the program after that one, and ``source`` the emitted text; several are separated by commas.
    """

    default_float: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))
    cache_dir: Path | None = None
    cache_bytes: int = 1 << 30
    dump: str = ""


def _from_environment() -> Settings:
    folder = os.environ.get("JITDIFF_CACHE_DIR")
    size = os.environ.get("JITDIFF_CACHE_BYTES", "")
    return Settings(
        cache_dir=Path(folder) if folder else None,
        cache_bytes=int(size) if size.isdecimal() else Settings().cache_bytes,
        dump=os.environ.get("JITDIFF_DUMP", ""),
    )


_current = _from_environment()


def settings() -> Settings:
    """Return the settings in force."""
    return _current


class config:  # noqa: N801
    """Change settings, for good or for the length of a ``with`` block.

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
        known = {f.name for f in fields(Settings)}
        for name in changes:
            if name not in known:
                raise ArgumentError(
                    f"config: there is no setting {name!r}", hint=f"there are {', '.join(sorted(known))}"
                )
        if "default_float" in changes:
            changes["default_float"] = _float_dtype(changes["default_float"])
        if changes.get("cache_dir") is not None:
            changes["cache_dir"] = Path(changes["cache_dir"])
        self._before = _current
        _current = replace(_current, **changes)

    def __enter__(self) -> Settings:
        return _current

    def __exit__(self, *_: object) -> None:
        global _current  # noqa: PLW0603
        _current = self._before


def _float_dtype(value: Any) -> np.dtype[Any]:
    dtype = np.dtype(value)
    if dtype not in (np.float32, np.float64):
        raise ArgumentError(f"config: default_float is float32 or float64, not {dtype}")
    return dtype
