"""Values that would leave for plain numbers: which function of a library took them, at which line of the user's."""

from __future__ import annotations

import difflib
import sys
from types import CodeType

from jitdiff.ir.location import describe, is_inner, is_own, location_from
from jitdiff.ops.naming import full_name, public_name

_calls: set[CodeType] = set()
"""Functions that call, for converted code, their first argument `function`."""


def calls_for_users(code: CodeType) -> None:
    """Declare code that calls its argument `function` in place of the user's code."""
    _calls.add(code)


def departure() -> tuple[str, str | None]:
    """Return the function that takes a value away, empty if the user's own code does, and the user's line."""
    frame = sys._getframe(1)
    library = None
    while frame is not None:
        code = frame.f_code
        if code in _calls:
            return full_name(frame.f_locals["function"]), describe(location_from(frame))
        if not is_inner(code.co_filename):
            break
        if not is_own(code.co_filename):
            library = frame
        frame = frame.f_back  # type: ignore[assignment]
    # A thread that no code of the user's runs in belongs to none of the functions in it.
    if library is None or frame is None:
        return "", describe(location_from(frame))
    code = library.f_code
    return public_name(str(library.f_globals.get("__name__", "")), code.co_qualname), describe(location_from(frame))


WAYS_OUT = "give it a rule with jd.custom_vjp, or pass it jd.stop_gradient(x) if that is a constant here"


def ways_out(name: str) -> str:
    """Return what to write instead of a function that takes plain numbers, what is near and supported first."""
    from jitdiff.ops.table import FUNCTIONS, UFUNCS

    known: dict[str, object] = {f.name: f.numpy for f in FUNCTIONS.values()}
    known |= {ufunc.__name__: ufunc for ufunc in UFUNCS}
    near = difflib.get_close_matches(name.rpartition(".")[2], sorted(known), 3, cutoff=0.8)
    if not near:
        return WAYS_OUT
    return f"supported and near: {', '.join(full_name(known[n]) for n in near)}; or {WAYS_OUT}"
