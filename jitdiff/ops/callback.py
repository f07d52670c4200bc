"""Calls from a program back into Python, of functions that cannot be traced and have a rule for their derivative."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from jitdiff.errors import DifferentiationError
from jitdiff.ir import ArrayType
from jitdiff.ops.axes import shape_of
from jitdiff.ops.emission import Call
from jitdiff.ops.table import Op

Array = np.ndarray[Any, Any]
Flat = Callable[[Array, Array], Array]
"""A function of two vectors of float64 that gives a third, and is linear in the second."""

_functions: dict[int, Flat] = {}
_numbers = itertools.count()


def numbered(function: Flat) -> Array:
    """Return a number for a function, in an array: as long as that lives, programs call the function by it."""
    number = next(_numbers)
    _functions[number] = function
    held = np.array(number)
    weakref.finalize(held, _functions.pop, number, None)
    return held


def called(number: Any, x: Array, linear: Array, size: int, transposed: bool) -> Array:
    """Return the vector of `size` elements that the function of a number gives.

    The transpose of the linear map at `x` takes a vector of what the function gives to one of `linear`'s size, of
    which each element takes a call.
    """
    function = _functions[int(number)]
    if not transposed:
        return function(x, linear)
    units = np.eye(size)
    return np.array([np.dot(function(x, units[k]), linear) for k in range(size)])


def _vjp(xs: Sequence[Any], y: Any, g: Any, *, size: int, name: str, transposed: bool) -> list[Any]:
    number, x, linear = xs

    def refuse() -> NoReturn:
        raise DifferentiationError(
            f"{name} is called back from compiled code, and its own derivative is asked for",
            hint="give it a rule with jd.custom_vjp, or write it with functions that jitdiff supports",
        )

    def by_linear() -> Any:
        return callback(number, x, g, size=shape_of(linear)[0], name=name, transposed=not transposed)

    return [None, refuse, by_linear]


callback = Op(
    name="callback",
    evaluate=lambda number, x, linear, *, size, name, transposed: called(number, x, linear, size, transposed),
    infer=lambda number, x, linear, *, size, name, transposed: (ArrayType(np.dtype(np.float64), (size,)),),
    emission=Call(lambda args, out, site: f"callback({', '.join(args)}, {site.attrs['transposed']}, {out})"),
    vjp=_vjp,
)
"""A function of two vectors by its number, called `name` in messages, or the transpose of its map of the second.

It is not in the table of operations: numbers are of one process, so a program with it cannot be pickled.
"""
