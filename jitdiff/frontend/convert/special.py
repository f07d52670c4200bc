"""What runs for functions of Python and NumPy that cannot take traced values by themselves."""

from __future__ import annotations

import builtins
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.operators import born, truth, warn
from jitdiff.frontend.convert.rows import Rows, enumerate_, reversed_, rows_of, zip_
from jitdiff.frontend.convert.rows import range as rolled_range
from jitdiff.frontend.convert.state import is_traced
from jitdiff.ir import Dim
from jitdiff.ops import OPS, Tracer
from jitdiff.ops.elementwise import astype
from jitdiff.ops.methods import as_operand, called
from jitdiff.ops.positions import positions
from jitdiff.ops.tracer import holding


def argument(x: Any) -> Any:
    """Return an argument as a library takes it."""
    return x.stacked() if isinstance(x, List) and x.is_stacked else x


def fresh(result: Any, args: tuple[Any, ...]) -> Any:
    """Return what a library made, its new arrays as ones that can be changed with traced values."""
    if type(result) is np.ndarray:
        return result if any(result is a or _shares(result, a) for a in args) else holding(result)
    if type(result) is tuple:
        return tuple(fresh(x, args) for x in result)
    return result


def _shares(a: np.ndarray[Any, Any], b: Any) -> bool:
    return isinstance(b, np.ndarray) and np.may_share_memory(a, b)


def _empty(shape: Any, dtype: Any = float, order: Any = "C", **options: Any) -> Any:
    """Return an array of zeros: what memory happens to hold would be part of the program."""
    return fresh(np.zeros(shape, dtype, order, **options), ())


def _range(*bounds: Any) -> Any:
    if any(is_traced(b) or isinstance(b, Dim) for b in bounds):
        rows = rolled_range(*bounds)
        rows.rolled = False
        return rows
    return builtins.range(*map(operator.index, bounds))


def _len(x: Any) -> Any:
    if isinstance(x, Tracer) and x.shape:
        return x.shape[0]
    rows = rows_of(x) if isinstance(x, List) else None
    return builtins.len(x) if rows is None else rows.size


def _converting(name: str, dtype: Any) -> Callable[..., Any]:
    kind = getattr(builtins, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Dim):
            # A size is an integer; times 1.0 it is the Python float.
            return args[0] * 1.0 if name == "float" else args[0] if name == "int" else bool(args[0])
        if len(args) == 1 and is_traced(args[0]) and not kwargs and args[0].size == 1:
            # A Python number gives way to the dtype of what it meets.
            return astype(args[0].reshape(()), dtype=np.dtype(dtype), weak=name != "bool")
        return kind(*args, **kwargs)

    return run


def _extreme(name: str, op: str, reduction: Callable[..., Any]) -> Callable[..., Any]:
    builtin = getattr(builtins, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and len(args) > 1 and any(map(is_traced, args)):
            return functools.reduce(lambda a, b: OPS[op](a, b), args)
        if not kwargs and len(args) == 1:
            items = argument(args[0])
            if isinstance(items, Tracer) and items.ndim == 1 and is_traced(items):
                return called(reduction, (items,), {})
            if isinstance(items, list | tuple) and any(map(is_traced, items)):
                return run(*items)
        return builtin(*args, **kwargs)

    return run


def _sum(items: Any, /, start: Any = 0) -> Any:
    array = argument(items)
    if isinstance(array, Tracer) and is_traced(array) and array.shape:
        total = called(np.sum, (array,), {"axis": 0})
        return total if isinstance(start, int) and start == 0 else start + total
    return builtins.sum(array, start)


def _any_all(name: str, reduction: Callable[..., Any], op: str) -> Callable[[Any], Any]:
    builtin = getattr(builtins, name)

    def run(items: Any, /) -> Any:
        if isinstance(items, Tracer) and is_traced(items) and items.ndim == 1:
            return called(reduction, (items,), {})
        if isinstance(items, list | tuple) and any(map(is_traced, items)):
            return functools.reduce(lambda a, b: OPS[op](a, b), [truth(x) for x in items])
        return builtin(items)

    return run


def _isinstance(x: Any, kinds: Any, /) -> bool:
    if isinstance(x, Tracer) and not builtins.isinstance(x, kinds):
        return builtins.isinstance(np.empty((0,) * x.ndim, x.dtype) if x.ndim else x.dtype.type(0), kinds)
    return builtins.isinstance(x, kinds)


def _print(*args: Any, **kwargs: Any) -> None:
    builtins.print(*args, **kwargs)  # noqa: T201
    if any(is_traced(a) for a in args):
        warn("print runs once, while tracing, and shows types instead of numbers", "print outside, or use the tape")


def _array(function: Callable[..., Any], copies: bool) -> Callable[..., Any]:
    def run(x: Any, /, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        x = argument(x)
        made = as_operand(x) if isinstance(x, list | tuple) else x
        if not isinstance(made, Tracer):
            return fresh(function(x, dtype, *args, **kwargs), (x,))
        if dtype is not None and np.dtype(dtype) != made.dtype:
            return made.astype(dtype)
        return made.copy() if copies and made is x else made

    return run


def _list(items: Any = (), /) -> List:
    if isinstance(items, Rows) and isinstance(items.size, Dim):
        return List.of_stack(items.item(positions(items.size)))
    return items if isinstance(items, List) and items.is_stacked else List(items)


def _math(function: Callable[..., Any], numpy: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        sizes = any(isinstance(a, Dim) for a in args) and function not in _ROUNDING
        return (numpy if sizes or any(map(is_traced, args)) else function)(*args, **kwargs)

    return run


_ROUNDING = frozenset({math.floor, math.ceil})
"""Functions of `math` that give a size for a size."""


SPECIAL: dict[Any, Callable[..., Any]] = {
    np.empty: _empty,
    builtins.range: _range,
    builtins.zip: zip_,
    builtins.enumerate: enumerate_,
    builtins.reversed: reversed_,
    builtins.len: _len,
    builtins.float: _converting("float", np.float64),
    builtins.int: _converting("int", np.int64),
    builtins.bool: _converting("bool", np.bool_),
    builtins.min: _extreme("min", "minimum", np.min),
    builtins.max: _extreme("max", "maximum", np.max),
    builtins.sum: _sum,
    builtins.any: _any_all("any", np.any, "logical_or"),
    builtins.all: _any_all("all", np.all, "logical_and"),
    builtins.isinstance: _isinstance,
    builtins.print: _print,
    builtins.iter: lambda *args: born(builtins.iter(*args)),
    builtins.list: _list,
    np.array: _array(np.array, copies=True),
    np.asarray: _array(np.asarray, copies=False),
    np.asanyarray: _array(np.asanyarray, copies=False),
    np.ascontiguousarray: _array(np.ascontiguousarray, copies=False),
    np.float64: _array(np.float64, copies=False),
}
"""What runs for functions of Python and NumPy that cannot take traced values by themselves."""

SPECIAL |= {
    getattr(math, name): _math(getattr(math, name), getattr(np, numpy))
    for name, numpy in {
        "sqrt": "sqrt", "exp": "exp", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
        "expm1": "expm1", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos",
        "atan": "arctan", "atan2": "arctan2", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
        "asinh": "arcsinh", "acosh": "arccosh",
        "atanh": "arctanh", "fabs": "fabs", "pow": "power", "hypot": "hypot", "floor": "floor", "ceil": "ceil",
        "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "copysign": "copysign", "fmod": "fmod",
    }.items()
}  # fmt: skip
