"""The user's functions, as transforms and traces run them.

The front end converts them, and says so here; whatever keeps a function of the user's to call it later (a transform, a
custom rule) asks here for what to call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import BuiltinFunctionType, BuiltinMethodType
from typing import Any

import numpy as np

from jitdiff.errors import JitdiffError

Caller = Callable[..., Any]


def _as_it_is(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


_caller: list[Caller] = [_as_it_is]


def called_by(caller: Caller) -> None:
    """Let ``caller(function, *args, **kwargs)`` call the user's functions."""
    _caller[0] = caller


def in_conversion(function: Any) -> Any:
    """Return a function of the user's that runs converted wherever a trace or a tape follows what it computes."""
    if isinstance(function, BuiltinFunctionType | BuiltinMethodType | np.ufunc | type) or not callable(function):
        return function
    if hasattr(function, "transformed"):
        return function

    @functools.wraps(function, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return _caller[0](function, *args, **kwargs)
        except ValueError as error:
            # NumPy hides an error of ours in one of its own.
            if "setting an array element" in str(error) and isinstance(error.__cause__, JitdiffError):
                raise error.__cause__ from error
            raise

    if not hasattr(function, "__name__"):
        run.__name__ = type(function).__name__
    return run
