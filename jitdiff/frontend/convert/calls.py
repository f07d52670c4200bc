"""Calls in converted code: a function called there is converted too, and builtins take traced values.

What belongs to a library runs as it is; NumPy arrays that it makes become arrays that can be changed in place with
traced values.
"""

from __future__ import annotations

import builtins
from collections import deque
from typing import Any

import numpy as np

from jitdiff.errors import TracingError
from jitdiff.frontend.convert.functions import converted_callable, module_of
from jitdiff.frontend.convert.jitted import unjitted
from jitdiff.frontend.convert.operators import born, check_own, warn
from jitdiff.frontend.convert.special import SPECIAL, argument, fresh
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import FUNCTIONS, Tracer, lift
from jitdiff.ops.table import OF_SIZES
from jitdiff.ops.tracer import has_size


def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Return ``function(*args, **kwargs)``, with its control flow converted if it is the user's."""
    if current_builder() is None:
        return function(*args, **kwargs)
    function = unjitted(function)
    try:
        special = SPECIAL.get(function)
        if (function in OF_SIZES or function in FUNCTIONS) and has_size((*args, *kwargs.values())):
            special = OF_SIZES.get(function, special)
            # NumPy knows no symbolic sizes: that of an array from outside too is a matter of the program.
            args = tuple(Tracer(lift(a)) if isinstance(a, np.ndarray) else a for a in args)
    except TypeError:
        special = None
    if special is not None:
        return special(*args, **kwargs)
    if isinstance(function, type):
        return born(function(*args, **kwargs))
    target = converted_callable(function)
    if target is not None:
        return target(*args, **kwargs)
    _check_once(function, args)
    args = tuple(map(argument, args))
    kwargs = {name: argument(value) for name, value in kwargs.items()}
    module = module_of(function)
    if module == "jitdiff":
        args = tuple(converted_callable(a) or a for a in args)
        return function(*args, **kwargs)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ndarray) or module in ("numpy", "scipy"):
        return fresh(function(*args, **kwargs), (owner, *args, *kwargs.values()))
    return function(*args, **kwargs)


def _check_once(function: Any, args: tuple[Any, ...]) -> None:
    """Refuse calls that do something else each time, where they would be made once for all iterations."""
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None) or type(owner).__module__
    if module.startswith(("numpy.random", "random")) or isinstance(owner, np.random.Generator | np.random.RandomState):
        builder = current_builder()
        if builder is not None and builder.parent is not None:
            raise TracingError(
                "random numbers are drawn in a traced branch or loop: the same ones every time",
                where=describe(caller()),
                hint="draw them before, and pass them as an argument",
            )
        warn("random numbers are drawn once, while tracing", "draw them outside, and pass them as an argument")
    elif isinstance(owner, list | dict | set | deque) and function.__name__ in _CHANGING:
        check_own(owner)
    elif function is builtins.next:
        check_own(args[0])


_CHANGING = frozenset(
    {
        "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert",
        "intersection_update", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort",
        "symmetric_difference_update", "update",
    }
)  # fmt: skip
"""Methods that change a list, dict, set or deque."""
