"""Finding the user's line: the innermost frame that is neither jitdiff's nor a library's under it."""

from __future__ import annotations

import dis
import importlib.util
import linecache
import os
import sys
import sysconfig
import warnings
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType

from jitdiff.ir.nodes import Location

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = tuple(
    str(Path(spec.origin).parent) + os.sep
    for name in ("numpy", "scipy", "optree", "numba")
    if (spec := importlib.util.find_spec(name)) is not None and spec.origin
)
_STANDARD = sysconfig.get_path("stdlib") + os.sep
_INSTALLED = ("site-packages", "dist-packages")


@lru_cache(maxsize=4096)
def is_inner(filename: str) -> bool:
    """Say whether a file is jitdiff's, Python's own, or one of a library that user's code calls."""
    if filename.startswith((_PACKAGE, *_LIBRARIES, "<frozen", "<__array_function__")):
        return True
    return filename.startswith(_STANDARD) and not any(folder in filename for folder in _INSTALLED)


def is_own(filename: str) -> bool:
    """Say whether a file is jitdiff's own."""
    return filename.startswith((_PACKAGE, "<__array_function__"))


def location_from(frame: FrameType | None) -> Location | None:
    """Return the user's line that is running in a frame or, if that is an inner one, in the nearest around it."""
    while frame is not None and is_inner(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else Location(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def caller() -> Location | None:
    """Return the line of the user's code that is running now, or None if there is none."""
    return caller_and_target()[0]


def caller_and_target() -> tuple[Location | None, str]:
    """Return the running line of the user's code, and the local variable that its running operation is assigned to.

    The name is empty where the result goes elsewhere than straight into a variable.
    """
    frame = sys._getframe(1)
    while frame is not None and is_inner(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return None, ""
    code = frame.f_code
    return Location(code.co_filename, frame.f_lineno, code.co_name), _targets(code).get(frame.f_lasti, "")


def warn(text: str, category: type[Warning]) -> None:
    """Give a warning that points at the user's line, so that it is shown once for each such line."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and is_inner(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


def is_assigning_to_item() -> bool:
    """Say whether the line of the user's code that is running now does ``a[i] = x``."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_inner(frame.f_code.co_filename):
        if frame.f_code.co_name == "setitem":
            # The support of converted code assigns in its place.
            return True
        frame = frame.f_back
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] == "STORE_SUBSCR"


def raised_at(error: BaseException) -> Location | None:
    """Return the innermost line of the user's code that an exception came through."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        # Methods that dataclass writes have no file, but the globals of their module.
        module = trace.tb_frame.f_globals.get("__name__", "")
        if not is_inner(code.co_filename) and not module.startswith("jitdiff."):
            found = Location(code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next
    return found


@lru_cache(maxsize=256)
def _targets(code: CodeType) -> dict[int, str]:
    """Return, for each instruction that a store into a local variable follows, the variable."""
    found: dict[int, str] = {}
    previous = None
    for instruction in dis.get_instructions(code):
        if previous is not None and instruction.opname.startswith(("STORE_FAST", "STORE_DEREF")):
            target = instruction.argval
            found[previous] = target[0] if isinstance(target, tuple) else target
        # What is unpacked into several variables has none of their names.
        previous = None if instruction.opname.startswith("UNPACK") else instruction.offset
    return found


def describe(loc: Location | None) -> str | None:
    """Return ``file:line in function:  source text`` for an error message."""
    if loc is None:
        return None
    text = linecache.getline(loc.file, loc.line).strip()
    where = f"{loc} in {loc.function}"
    return f"{where}:  {text}" if text else where
