"""Functions of elements or slices that NumPy or Numba apply to arrays, on followed values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.errors import UnsupportedError
from jitdiff.frontend.convert.arrays import fresh, holds_followed
from jitdiff.frontend.mapping import AxisTree, vmap_call
from jitdiff.ir import Shape, broadcast_shapes, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops.methods import as_operand
from jitdiff.ops.shape import broadcast
from jitdiff.ops.user import in_conversion


def vectorized(function: np.vectorize, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what ``np.vectorize(f)`` gives for arguments that may be followed.

    Raises
    ------
    UnsupportedError
        If one is, and the function is vectorised with options.
    """
    if not any(map(holds_followed, args)) and not any(map(holds_followed, kwargs.values())):
        return fresh(function(*args, **kwargs), args)
    if function.excluded or function.signature or kwargs:
        raise UnsupportedError(
            "numpy.vectorize: excluded=, signature= and arguments by keyword have no rule on values that are followed",
            where=describe(caller()),
            hint="use jd.vmap",
        )
    arrays = [as_operand(a) if isinstance(a, list | tuple) else a for a in args]
    return over_loops("vectorize", in_conversion(function.pyfunc), [""] * len(arrays), arrays)


def core_names(core: str) -> list[str]:
    """Return the names of the dimensions in one part of a signature such as ``(m,n),(n)->(m)``."""
    return [name.strip() for name in core.split(",") if name.strip()]


def over_loops(name: str, function: Callable[..., Any], cores: Sequence[str], arrays: Sequence[Any]) -> Any:
    """Return the results of a function of slices with these core dimensions, with the loop dimensions before them."""
    if len(arrays) != len(cores):
        raise UnsupportedError(
            f"{name} takes {len(cores)} arguments, and was given {len(arrays)}", where=describe(caller())
        )
    loops = [_split(array, core)[0] for array, core in zip(arrays, cores, strict=True)]
    shape: Shape = broadcast_shapes(*loops) if loops else ()
    if not shape:
        return function(*arrays)
    rows, axes = [], []
    size: Any = 1
    for n in shape:
        size = size * n
    for array, core, loop in zip(arrays, cores, loops, strict=True):
        inner = _split(array, core)[1]
        axes.append(0 if loop else None)
        rows.append(np.reshape(broadcast(array, (*shape, *inner)), (size, *inner)) if loop else array)
    found = vmap_call(name, function, AxisTree("in_axes", tuple(axes)), AxisTree("out_axes", 0), tuple(rows), {})
    if not isinstance(found, tuple):
        return np.reshape(found, shape)
    return tuple(np.reshape(each, (*shape, *type_of(each).shape[1:])) for each in found)


def _split(array: Any, core: str) -> tuple[Shape, Shape]:
    shape, inner = type_of(array).shape, len(core_names(core))
    return shape[: len(shape) - inner], shape[len(shape) - inner :]
