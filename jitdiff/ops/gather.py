"""Irregular selections: elements picked and written at positions that are values themselves.

A *selection* says for each axis of an array which positions are taken: a range, or the number of the index operand that
holds them. Index operands broadcast together. The axes they make stand where NumPy puts them: in the place of the
indexed axes if those are neighbours, otherwise first. A repeated position reads the same element again; written to, it
takes the last value, or the sum when adding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.errors import BoundsError, ShapeError
from jitdiff.ir import ArrayType, Shape, broadcast_shapes, type_of
from jitdiff.ops.batching import Flags, row_by_row, size_of_batch, spread
from jitdiff.ops.elementwise import astype, where, zeros_like
from jitdiff.ops.emission import Element, Index, Read, Site, Term, Write, Writes, broadcast_index
from jitdiff.ops.families import general
from jitdiff.ops.logic import equal
from jitdiff.ops.positions import positions
from jitdiff.ops.samples import Domain, array, sample
from jitdiff.ops.shape import reshaped
from jitdiff.ops.slices import Range, as_slice, literal, position
from jitdiff.ops.table import Op

Selection = tuple[Range | int, ...]


def index_place(selection: Selection) -> int:
    """Return before how many of the ranges' axes those of the index operands stand."""
    indexed = [k for k, taken in enumerate(selection) if isinstance(taken, int)]
    return indexed[0] if indexed and indexed[-1] - indexed[0] == len(indexed) - 1 else 0


def selected_shape(selection: Selection, index_shape: Shape) -> Shape:
    """Return the shape of what a selection takes, given what its index operands broadcast to."""
    kept = tuple(taken[2] for taken in selection if isinstance(taken, tuple))
    at = index_place(selection)
    return (*kept[:at], *index_shape, *kept[at:])


def _index_shape(indices: Sequence[ArrayType]) -> Shape:
    return broadcast_shapes(*(t.shape for t in indices))


def _key(selection: Selection, indices: Sequence[Any]) -> tuple[Any, ...]:
    """Return NumPy's key for a selection."""
    return tuple(as_slice(taken) if isinstance(taken, tuple) else indices[taken] for taken in selection)


def _located(
    at: Index, read: Read, selection: Selection, sizes: Shape, first: int, indices: Sequence[ArrayType]
) -> Index:
    """Return where the element `at` of what is selected stands in the array of these `sizes`.

    The index operands are those from number `first` on; they are read, and checked against the sizes.
    """
    ndim = len(_index_shape(indices))
    place = index_place(selection)
    of_indices = at[place : place + ndim]
    of_ranges = iter((*at[:place], *at[place + ndim :]))
    found: list[Term] = []
    for taken, n in zip(selection, sizes, strict=True):
        if isinstance(taken, tuple):
            found.append(position(next(of_ranges), taken))
        else:
            i = read(first + taken, broadcast_index(of_indices, indices[taken].shape))
            found.append(f"check_index({i}, {n})")
    return tuple(found)


def _gather(x: Any, *indices: Any, selection: Selection) -> Any:
    try:
        return np.asarray(x)[_key(selection, indices)]
    except IndexError as error:
        raise BoundsError(str(error)) from None


def _gather_element(at: Index, read: Read, site: Site) -> str:
    array_type, *indices = site.types
    return read(0, _located(at, read, site.attrs["selection"], array_type.shape, 1, indices))


_ROWS: Selection = (0, (0, 1, 3))
_POINTS: Selection = ((1, 2, 2), 0, 1)
_APART: Selection = (0, (0, 1, 3), 1)
_THREE = array(3, domain=Domain(0, 3, integers=True))
_COLUMN = array(2, 1, domain=Domain(-2, 2, integers=True))


def _index_dtypes(t: ArrayType, *indices: ArrayType, **attrs: Any) -> list[np.dtype[Any] | None]:
    return [None, *(np.dtype(np.int64) for _ in indices)]


def _whole_batch(n: int, selection: Selection) -> Selection:
    """Return a selection that takes all rows of a batch first."""
    return ((0, 1, n), *selection)


def _place_of_batch(selection: Selection, indices: Sequence[Any]) -> int:
    """Return where the axis of the batch stands in what is selected: behind those of index operands that go first."""
    behind = any(isinstance(taken, int) for taken in selection) and index_place(_whole_batch(0, selection)) == 0
    return len(_index_shape([type_of(i) for i in indices])) if behind else 0


def _gather_batch(op: Op, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    x, *indices = xs
    if any(batched[1:]):
        return row_by_row(op, xs, batched, attrs)
    selection = attrs["selection"]
    y = op(x, *indices, selection=_whole_batch(size_of_batch(xs, batched), selection))
    return np.moveaxis(y, _place_of_batch(selection, indices), 0)


def _scatter_batch(op: Op, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    g, *indices = xs
    if any(batched[1:]):
        return row_by_row(op, xs, batched, attrs)
    n, selection = size_of_batch(xs, batched), attrs["selection"]
    g = np.moveaxis(g, 0, _place_of_batch(selection, indices))
    return op(g, *indices, shape=(n, *attrs["shape"]), selection=_whole_batch(n, selection))


def _update_batch(op: Op, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    x, values, *indices = xs
    if any(batched[2:]):
        return row_by_row(op, xs, batched, attrs)
    n, selection = size_of_batch(xs, batched), attrs["selection"]
    ndim = len(selected_shape(selection, _index_shape([type_of(i) for i in indices])))
    values = np.moveaxis(spread(values, n, batched[1], ndim), 0, _place_of_batch(selection, indices))
    return op(spread(x, n, batched[0]), values, *indices, **{**attrs, "selection": _whole_batch(n, selection)})


gather: Op = general(
    "gather",
    _gather,
    lambda t, *indices, selection: t.with_shape(selected_shape(selection, _index_shape(indices))),
    Element(_gather_element),
    lambda xs, y, g, *, selection: (
        scatter(g, *xs[1:], shape=type_of(xs[0]).shape, selection=selection),
        *(None,) * (len(xs) - 1),
    ),
    moves=True,
    # Several positions that are values are a choice; one is a part, as a slice is.
    selects=lambda xs, k: any(type_of(i).shape for i in xs[1:]),
    operands=_index_dtypes,
    batch=_gather_batch,
    samples=[
        sample(array(4, 3), _THREE, selection=_ROWS),
        sample(array(5, 3, 2), _THREE, _COLUMN, selection=_POINTS),
        sample(array(3, 3, 2), _THREE, _COLUMN, selection=_APART),
        sample(array(4), 2, selection=(0,)),
    ],
    write_back=lambda xs, part, *, selection: index_set_(xs[0], part, *xs[1:], selection=selection, distinct=True),
)


def _writes(site: Site, first: int, values: int, combine: str) -> Write:
    """Return the loop that writes operand number `values` where the operands from number `first` on say."""
    indices = site.types[first:]
    selection: Selection = site.attrs["selection"]

    def target(at: Index, read: Read) -> Index:
        return _located(at, read, selection, site.out.shape, first, indices)

    def value(at: Index, read: Read) -> str:
        return read(values, broadcast_index(at, site.types[values].shape))

    return Write(selected_shape(selection, _index_shape(indices)), target, value, combine)


scatter: Op = general(
    "scatter",
    lambda x, *indices, shape, selection: _index_add(np.zeros(shape, x.dtype), x, *indices, selection=selection),
    lambda t, *indices, shape, selection: t.with_shape(shape),
    Writes(lambda site: (literal(0, site.out.dtype), [_writes(site, 1, 0, "{0} + {1}")])),
    lambda xs, y, g, *, shape, selection: (gather(g, *xs[1:], selection=selection), *(None,) * (len(xs) - 1)),
    moves=True,
    operands=_index_dtypes,
    batch=_scatter_batch,
    samples=[
        sample(array(3, 3), _THREE, shape=(4, 3), selection=_ROWS),
        sample(array(2, 2, 3), _THREE, _COLUMN, shape=(5, 3, 2), selection=_POINTS),
    ],
)


def _updated_type(t: ArrayType, values: ArrayType, *indices: ArrayType, selection: Selection) -> ArrayType:
    wanted = selected_shape(selection, _index_shape(indices))
    if broadcast_shapes(values.shape, wanted) != wanted:
        raise ShapeError(f"{values} cannot be written where {list(wanted)} elements of {t} are selected")
    return t


def _updated_dtypes(t: ArrayType, values: ArrayType, *indices: ArrayType, **attrs: Any) -> list[np.dtype[Any] | None]:
    # The array keeps its dtype, as in an assignment.
    return [None, t.dtype, *(np.dtype(np.int64) for _ in indices)]


def _copy_then(combine: str) -> Writes:
    def plan(site: Site) -> tuple[str | None, list[Write]]:
        copy = Write(site.out.shape, lambda at, read: at, lambda at, read: read(0, at))
        return None, [copy, _writes(site, 2, 1, combine)]

    return Writes(plan)


def _index_add(x: Any, values: Any, *indices: Any, selection: Selection) -> Any:
    out = np.array(x)
    try:
        np.add.at(out, _key(selection, indices), values)
    except IndexError as error:
        raise BoundsError(str(error)) from None
    return out


index_add_: Op = general(
    "index_add",
    _index_add,
    _updated_type,
    _copy_then("{0} + {1}"),
    lambda xs, y, g, *, selection: (g, gather(g, *xs[2:], selection=selection), *(None,) * (len(xs) - 2)),
    moves=True,
    operands=_updated_dtypes,
    batch=_update_batch,
    samples=[
        sample(array(4, 3), array(3, 3), _THREE, selection=_ROWS),
        sample(array(5, 3, 2), array(2, 2, 3), _THREE, _COLUMN, selection=_POINTS),
        sample(array(4, 3), array(3), selection=((3, -2, 2), (0, 1, 3))),
    ],
)


def _index_set(x: Any, values: Any, *indices: Any, selection: Selection, distinct: bool) -> Any:
    out = np.array(x)
    try:
        out[_key(selection, indices)] = values
    except IndexError as error:
        raise BoundsError(str(error)) from None
    return out


def _index_set_vjp(xs: Sequence[Any], y: Any, g: Any, *, selection: Selection, distinct: bool) -> list[Any]:
    indices = xs[2:]

    def untouched() -> Any:
        return index_set_(g, 0.0, *indices, selection=selection, distinct=distinct)

    def written() -> Any:
        values = gather(g, *indices, selection=selection)
        if distinct:
            return values
        # Where a position was written twice only the last value shows, so only that one has a cotangent:
        # each value leaves its number in an array, and finds it again if it was the last.
        t = type_of(values)
        numbers = reshaped(positions(t.size), t.shape)
        blank = astype(zeros_like(xs[0]), dtype=type_of(numbers).dtype)
        marked = index_set_(blank, numbers, *indices, selection=selection, distinct=False)
        return where(equal(gather(marked, *indices, selection=selection), numbers), values, 0.0)

    return [untouched, written, *(None for _ in indices)]


index_set_: Op = general(
    "index_set",
    _index_set,
    lambda t, values, *indices, selection, distinct: _updated_type(t, values, *indices, selection=selection),
    _copy_then("{1}"),
    _index_set_vjp,
    moves=True,
    selects=lambda xs, k: any(type_of(i).shape for i in xs[2:]) if k == 0 else None,
    operands=_updated_dtypes,
    batch=_update_batch,
    samples=[
        sample(array(4, 3), array(3, 3), _THREE, selection=_ROWS, distinct=False),
        sample(array(5, 3, 2), array(2, 2, 3), _THREE, _COLUMN, selection=_POINTS, distinct=False),
        sample(array(4, 3), array(), 2, selection=_ROWS, distinct=True),
        sample(array(4, 3), array(3), selection=((3, -2, 2), (0, 1, 3)), distinct=True),
    ],
)
