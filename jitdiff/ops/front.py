"""A front door for SciPy's plain functions, which unlike NumPy's do not look at what they are called with.

``scipy.special.logsumexp`` turns its argument into an array before anything else, so a tracer or Tensor cannot answer
for itself. Such a function keeps its identity, name and documentation, and gets code that hands handles to jitdiff and
everything else to the code that it had.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

_DOORS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}


def enter(key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call jitdiff's version of a function if there is a handle among the arguments, else the function as it was."""
    original, ours = _DOORS[key]
    return (ours if _handles(args) or _handles(kwargs.values()) else original)(*args, **kwargs)


def _handles(values: Iterable[Any]) -> bool:
    from jitdiff.ops.table import Handle

    return any(
        isinstance(x, Handle) or (isinstance(x, list | tuple) and any(isinstance(y, Handle) for y in x)) for x in values
    )


def _door(*args: Any, **kwargs: Any) -> Any:
    from jitdiff.ops.front import enter

    return enter("", args, kwargs)


def give_door(function: Callable[..., Any], ours: Callable[..., Any]) -> bool:
    """Let `function` send handles to `ours`, in place; return whether it needed that.

    NumPy's functions and all ufuncs dispatch by themselves, and are left alone.

    Examples
    --------
    >>> import numpy as np
    >>> give_door(np.sum, print)
    False
    """
    if not isinstance(function, FunctionType) or function.__closure__ is not None:
        return False
    key = f"{function.__module__}.{function.__qualname__}"
    if key in _DOORS:
        return True
    original = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    _DOORS[key] = (original, ours)
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    code = _door.__code__
    constants = tuple(key if c == "" else c for c in code.co_consts)
    function.__code__ = code.replace(co_consts=constants, co_name=function.__name__)
    function.__defaults__ = None
    function.__kwdefaults__ = None
    return True
