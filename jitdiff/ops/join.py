"""Putting arrays together and taking them apart: concatenation, stacking, splitting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, ShapeError
from jitdiff.ir import ArrayType, Dim, Shape
from jitdiff.ops.axes import as_size, normalized_axis, operand, shape_of
from jitdiff.ops.batching import over_axes
from jitdiff.ops.elementwise import identity
from jitdiff.ops.emission import Index, Read, Site, Write, Writes, shift
from jitdiff.ops.families import general
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import atleast_1d, atleast_2d, expand_dims, moveaxis, ravel, reshaped
from jitdiff.ops.slices import sliced
from jitdiff.ops.table import Handle, Op, implements, unsupported


def _common_dtype(*types: ArrayType, axis: int) -> list[np.dtype[Any]]:
    # A Python scalar becomes an array before it is joined, so it does not give way.
    return [np.result_type(*(t.dtype for t in types))] * len(types)


def _concatenate_type(*types: ArrayType, axis: int) -> ArrayType:
    first = types[0].shape
    total: int | Dim = 0
    for t in types:
        if len(t.shape) != len(first) or any(
            a != b for k, (a, b) in enumerate(zip(t.shape, first, strict=True)) if k != axis
        ):
            raise ShapeError(f"{types[0]} and {t} differ in an axis other than {axis}, along which they are joined")
        total = total + t.shape[axis]
    return ArrayType(_common_dtype(*types, axis=axis)[0], (*first[:axis], total, *first[axis + 1 :]))


def _offsets(shapes: Sequence[Shape], axis: int) -> list[int | Dim]:
    """Return where each piece starts along the axis, and where the last one ends."""
    offsets: list[int | Dim] = [0]
    for piece in shapes:
        offsets.append(offsets[-1] + piece[axis])
    return offsets


def _concatenate_writes(site: Site) -> tuple[str | None, list[Write]]:
    axis = site.attrs["axis"]

    def target(offset: int | Dim) -> Callable[[Index, Read], Index]:
        return lambda at, read: (*at[:axis], shift(at[axis], offset), *at[axis + 1 :])

    def value(piece: int) -> Callable[[Index, Read], str]:
        return lambda at, read: read(piece, at)

    shapes = [t.shape for t in site.types]
    offsets = _offsets(shapes, axis)
    return None, [Write(s, target(offsets[k]), value(k)) for k, s in enumerate(shapes)]


def _concatenate_vjp(xs: Sequence[Any], y: Any, g: Any, *, axis: int) -> list[Any]:
    offsets = _offsets([shape_of(x) for x in xs], axis)
    return [sliced(g, axis, (start, 1, end - start)) for start, end in pairwise(offsets)]


concatenate_: Op = general(
    "concatenate",
    lambda *xs, axis: np.concatenate(xs, axis),
    _concatenate_type,
    Writes(_concatenate_writes),
    _concatenate_vjp,
    moves=True,
    operands=_common_dtype,
    batch=over_axes,
    samples=[sample(array(2, 3), array(1, 3), axis=0), sample(array(2, 3), array(2, 2), array(2, 1), axis=1)],
)


def joined(pieces: Sequence[Any], axis: int) -> Any:
    """Return pieces one after the other along an axis, a single one as it is."""
    return pieces[0] if len(pieces) == 1 else concatenate_(*pieces, axis=axis)


def _operands(function: str, arrays: Any, **refused: Any) -> list[Any]:
    for name, value in refused.items():
        if value is not None:
            raise unsupported(function, f"the argument {name}= has no rule")
    pieces = [operand(a) for a in arrays]
    if not pieces:
        raise ArgumentError(f"{function}: needs at least one array")
    return pieces


@implements(
    np.concatenate,
    samples=[
        sample((array(2, 3), array(1, 3))),
        sample([array(2, 3), array(2, 2)], axis=-1),
        sample([array(2, 3), array()], axis=None),
    ],
)
def concatenate(
    arrays: Any, /, axis: int | None = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """Return arrays joined along an axis they have, or all their elements if it is None."""
    pieces = _operands("concatenate", arrays, out=out)
    if axis is None:
        pieces, axis = [ravel(p) for p in pieces], 0
    ndim = len(shape_of(pieces[0]))
    if ndim == 0:
        raise ShapeError("concatenate: scalars cannot be joined; np.stack joins them")
    return _cast(joined(pieces, normalized_axis(axis, ndim)), dtype)


@implements(np.stack, samples=[sample([array(2, 3), array(2, 3)]), sample([array(2), array(2)], axis=-1)])
def stack(arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Return arrays of one shape joined along a new axis."""
    if isinstance(arrays, Handle) and out is None and shape_of(arrays) and shape_of(arrays)[0] != 0:
        # An array is the stack of its rows.
        return _cast(moveaxis(identity(arrays), 0, axis), dtype)
    pieces = _operands("stack", arrays, out=out)
    first = shape_of(pieces[0])
    for p in pieces:
        if shape_of(p) != first:
            raise ShapeError(f"stack: arrays must have one shape, not {list(first)} and {list(shape_of(p))}")
    k = normalized_axis(axis, len(first) + 1)
    return _cast(joined([expand_dims(p, k) for p in pieces], k), dtype)


def _cast(x: Any, dtype: Any) -> Any:
    return x if dtype is None else x.astype(dtype)


@implements(np.hstack, samples=[sample([array(2), array(3)]), sample([array(2, 1), array(2, 2)])])
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Return arrays side by side: joined along the second axis, vectors along the first."""
    pieces = [atleast_1d(p) for p in _operands("hstack", tup)]
    return concatenate(pieces, 0 if len(shape_of(pieces[0])) == 1 else 1, dtype=dtype)


@implements(np.vstack, samples=[sample([array(2), array(2)]), sample([array(1, 2), array(3, 2)])])
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Return arrays one below the other: joined along the first axis, vectors as rows."""
    return concatenate([atleast_2d(p) for p in _operands("vstack", tup)], 0, dtype=dtype)


@implements(np.column_stack, samples=[sample([array(3), array(3, 2), array(3)])])
def column_stack(tup: Any) -> Any:
    """Return arrays joined along the second axis, vectors as columns."""
    pieces = _operands("column_stack", tup)
    return concatenate([p if len(shape_of(p)) > 1 else reshaped(p, (*shape_of(atleast_1d(p)), 1)) for p in pieces], 1)


@implements(np.append, samples=[sample(array(2, 3), array(2)), sample(array(2, 3), array(1, 3), axis=0)])
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Return `values` joined to the end of `arr`."""
    return concatenate((arr, values), axis)


def _pieces(ary: Any, cuts: list[int | Dim], axis: int) -> list[Any]:
    n = shape_of(ary)[axis]
    bounds = [0, *cuts, n]
    return [sliced(ary, axis, slice(start, stop)) for start, stop in pairwise(bounds)]


@implements(np.array_split, samples=[sample(array(7), 3), sample(array(2, 5), 2, axis=1), sample(array(5), [1, 3])])
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return the pieces of an array, as even as can be or cut at given positions."""
    k = normalized_axis(axis, len(shape_of(ary)))
    if np.ndim(indices_or_sections):
        return _pieces(ary, [as_size(i) for i in indices_or_sections], k)
    n, count = shape_of(ary)[k], as_size(indices_or_sections)
    if not isinstance(n, Dim) and not isinstance(count, Dim):
        if count <= 0:
            raise ArgumentError("array_split: the number of pieces must be larger than 0")
        each, longer = divmod(n, count)
        return _pieces(ary, [i * each + min(i, longer) for i in range(1, count)], k)
    return _pieces(ary, [i * (n // count) for i in range(1, int(count))], k)


@implements(np.split, samples=[sample(array(6), 3), sample(array(2, 5), [2, 3], axis=-1)])
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return the pieces of an array, equal or cut at given positions."""
    k = normalized_axis(axis, len(shape_of(ary)))
    if not np.ndim(indices_or_sections) and shape_of(ary)[k] % indices_or_sections:
        raise ShapeError(f"split: {shape_of(ary)[k]} elements do not make {indices_or_sections} equal pieces")
    return array_split(ary, indices_or_sections, k)
