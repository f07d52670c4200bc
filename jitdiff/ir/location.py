"""Finding the user's line: the innermost frame that is neither jitdiff's nor a library's under it."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

import numpy as np

from jitdiff.ir.nodes import Location

_PACKAGE = str(Path(__file__).parents[1])
_NUMPY = str(Path(np.__file__).parent)


def _is_inner(filename: str) -> bool:
    if filename.startswith((_PACKAGE, _NUMPY, "<frozen", "<__array_function__")):
        return True
    return "/optree/" in filename or filename.endswith(("functools.py", "contextlib.py"))


def caller() -> Location | None:
    """Return the line of the user's code that is running now, or None if there is none."""
    frame = sys._getframe(1)
    while frame is not None and _is_inner(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return None
    return Location(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def describe(loc: Location | None) -> str | None:
    """Return ``file:line in function:  source text`` for an error message."""
    if loc is None:
        return None
    text = linecache.getline(loc.file, loc.line).strip()
    where = f"{loc} in {loc.function}"
    return f"{where}:  {text}" if text else where
