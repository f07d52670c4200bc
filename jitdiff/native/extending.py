"""Numba's extension decorators, with types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba.core import types
from numba.extending import lower_builtin, type_callable
from numba.extending import overload as numba_overload
from numba.extending import register_jitable as numba_register_jitable

F = TypeVar("F", bound=Callable[..., Any])

FLOATS = (types.float32, types.float64)


def jitable(function: F) -> F:
    """Let compiled code call a plain Python function."""
    return cast(F, numba_register_jitable(function))


def jitable_exact(function: F) -> F:
    """Let compiled code call a plain Python function whose floating-point operations must not be reordered."""
    return cast(F, numba_register_jitable(fastmath=False)(function))


def overload(function: Callable[..., Any]) -> Callable[[F], F]:
    """Give compiled code its own version of `function`, chosen by the types of the arguments."""
    return cast(Callable[[F], F], numba_overload(function))


def typed(function: Callable[..., Any]) -> Callable[[F], F]:
    """Say which types `function` maps to which, as ``typed(f)(lambda context: lambda *types: result)``."""
    return cast(Callable[[F], F], type_callable(function))


def lowered(function: Callable[..., Any], *args: Any) -> Callable[[F], F]:
    """Say how a call of `function` becomes LLVM instructions."""
    return cast(Callable[[F], F], lower_builtin(function, *args))
