"""NumPy's functions that make arrays, as converted code calls them: of followed values they make followed arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from jitdiff.eager import is_recording, tensor_of
from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.state import is_followed
from jitdiff.frontend.convert.text import give
from jitdiff.ir.builder import current_builder
from jitdiff.ops.elementwise import astype
from jitdiff.ops.methods import ArrayMethods, as_operand
from jitdiff.ops.shape import broadcast
from jitdiff.ops.tracer import holding


def argument(x: Any) -> Any:
    """Return an argument as a library takes it."""
    return x.stacked() if isinstance(x, List) and x.is_stacked else x


def fresh(result: Any, args: tuple[Any, ...]) -> Any:
    """Return what a library made, its new arrays as ones that can be changed with traced values."""
    if type(result) is np.ndarray:
        return result if any(result is a or _shares(result, a) for a in args) else made(result)
    if type(result) is tuple:
        return tuple(fresh(x, args) for x in result)
    return result


def _shares(a: np.ndarray[Any, Any], b: Any) -> bool:
    return isinstance(b, np.ndarray) and np.may_share_memory(a, b)


def made(array: Any) -> Any:
    """Return a new array as one that followed values can be put into; anything else as it is."""
    if type(array) is not np.ndarray or array.dtype.kind not in "biufc":
        return array
    return holding(array) if current_builder() is not None else tensor_of(array)


def made_here(array: Any) -> Any:
    """Return what an expression of converted code made, as `made` does where something is followed."""
    return made(array) if current_builder() is not None or is_recording() else array


def holds_followed(x: Any) -> bool:
    """Whether a list or tuple holds followed values, at any depth."""
    if isinstance(x, list | tuple):
        return any(map(holds_followed, x.raw() if isinstance(x, List) else x))
    return is_followed(x)


def _empty(shape: Any, dtype: Any = float, order: Any = "C", **options: Any) -> Any:
    """Return an array of zeros: what memory happens to hold would be part of the program."""
    return made(np.zeros(shape, dtype, order, **options))


def _ndarray(shape: Any, dtype: Any = float, *args: Any, **options: Any) -> Any:
    """Return a new array as `np.empty` does, unless a buffer is given, whose elements it then has."""
    order = options.pop("order", args[3] if len(args) > 3 else "C")
    if options or any(args[:3]):
        return np.ndarray(shape, dtype, *args, **options)
    return _empty(shape, dtype, "C" if order is None else order)


def _array(function: Callable[..., Any], copies: bool) -> Callable[..., Any]:
    def run(x: Any, /, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        x = argument(x)
        found = as_operand(x) if isinstance(x, list | tuple) else x
        if not isinstance(found, ArrayMethods):
            give(x)
            return fresh(function(x, dtype, *args, **kwargs), (x,))
        if dtype is not None and np.dtype(dtype) != found.dtype:
            return found.astype(dtype)
        return found.copy() if copies and found is x else found

    return run


def _scalar(kind: type[np.generic]) -> Callable[..., Any]:
    """Return what makes a NumPy scalar, or an array of its dtype."""
    dtype = np.dtype(kind)

    def run(*args: Any) -> Any:
        found = as_operand(args[0]) if len(args) == 1 and holds_followed(args[0]) else None
        if found is not None:
            return astype(found, dtype=dtype)
        give(args)
        return kind(*args)

    return run


def _full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **options: Any) -> Any:
    if not holds_followed(fill_value):
        return fresh(np.full(shape, fill_value, dtype, order, **options), ())
    value = as_operand(fill_value)
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    return broadcast(value if dtype is None else astype(value, dtype=np.dtype(dtype)), sizes).copy()


def _fromiter(items: Any, dtype: Any, count: int = -1, **options: Any) -> Any:
    values = list(items)
    if not holds_followed(values):
        return fresh(np.fromiter(values, dtype, count, **options), ())
    return astype(as_operand(values if count < 0 else values[:count]), dtype=np.dtype(dtype))


_SCALARS = [np.dtype(code).type for code in "?bhilqBHILQfd"]

ARRAYS: dict[Any, Callable[..., Any]] = {
    np.empty: _empty,
    np.ndarray: _ndarray,
    np.full: _full,
    np.fromiter: _fromiter,
    np.array: _array(np.array, copies=True),
    np.asarray: _array(np.asarray, copies=False),
    np.asanyarray: _array(np.asanyarray, copies=False),
    np.ascontiguousarray: _array(np.ascontiguousarray, copies=False),
    np.asarray_chkfinite: _array(np.asarray_chkfinite, copies=False),
    np.require: _array(np.require, copies=False),
    **{kind: _scalar(kind) for kind in _SCALARS},
}
"""What runs for functions of NumPy that do not look at what they are given."""
