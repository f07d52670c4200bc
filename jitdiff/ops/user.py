"""The user's functions, as a trace runs them.

The front end converts their control flow, and says so here; whatever keeps a function of the user's to call it later
(a transform, a custom rule) asks here for what to call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from jitdiff.ir.builder import current_builder

Caller = Callable[..., Any]


def _as_it_is(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


_caller: list[Caller] = [_as_it_is]


def called_by(caller: Caller) -> None:
    """Let ``caller(function, *args, **kwargs)`` call the user's functions in traces."""
    _caller[0] = caller


def in_traces(function: Any) -> Any:
    """Return a function that a trace runs with its control flow converted, and anything else runs as it is."""
    if not isinstance(function, FunctionType | MethodType | functools.partial):
        return function

    @functools.wraps(function, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        if current_builder() is None:
            return function(*args, **kwargs)
        return _caller[0](function, *args, **kwargs)

    return run
