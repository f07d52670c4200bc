"""Where Numba keeps what it compiles of one module: in a folder of ours, whatever its settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba.core import (
    caching,  # noqa: TID251  for the names of Numba's own locators
    config,
)

_SETTING = "CACHE_LOCATOR_CLASSES"


class Locator:
    """Names a folder for the functions of one file; Numba asks it for them and for nothing else.

    Numba's own locators refuse a folder that cannot be written to, even where there is something to load.
    """

    path = ""
    folder = ""

    @classmethod
    def from_function(cls, _: Any, path: str) -> Locator | None:
        """Return the locator of a function in the file `path`, None for files of others."""
        return cls() if path == cls.path else None

    def ensure_cache_path(self) -> None:
        """Do nothing: the folder is there, and need not be written to."""

    def get_cache_path(self) -> str:
        """Return the folder of the files."""
        return self.folder

    def get_source_stamp(self) -> str:
        """Return what the source is compared by; names of entries contain its hash."""
        return ""

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart; they are alone in their folder."""
        return ""


@contextmanager
def numba_files(folder: Path, path: str) -> Iterator[None]:
    """Have Numba look up and write in `folder` what it compiles of the file `path` meanwhile."""
    before: str = getattr(config, _SETTING)
    # Functions of the user's, compiled in another thread meanwhile, go where they always go.
    others = before or ",".join(f"{cls.__module__}.{cls.__name__}" for cls in caching.CacheImpl._locator_classes)
    Locator.path, Locator.folder = path, str(folder)
    setattr(config, _SETTING, f"{Locator.__module__}.{Locator.__name__},{others}")
    try:
        yield
    finally:
        setattr(config, _SETTING, before)
