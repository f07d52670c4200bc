"""Regular selections: a slice of an array, its adjoint, and what flips and windows are made of."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError
from jitdiff.ir import Dim, Shape
from jitdiff.ops.axes import Axes, as_size, normalized_axes, shape_of
from jitdiff.ops.batching import on_ranges
from jitdiff.ops.emission import Element, Index, Read, Site, Term, Write, Writes, scale, shift
from jitdiff.ops.families import general, linear
from jitdiff.ops.samples import array, sample
from jitdiff.ops.table import OPS, Op, implements

Range = tuple[int | Dim, int, int | Dim]
"""Start, step and number of the positions taken along an axis: (start, step, size)."""


def positions(taken: slice, n: int | Dim) -> Range:
    """Return the positions that a Python slice takes from an axis of `n` elements.

    Where sizes are symbolic the bounds are taken to lie within the axis; `conditions` says when they do.

    Examples
    --------
    >>> positions(slice(1, None, 2), 6), positions(slice(None, None, -1), 3)
    ((1, 2, 3), (2, -1, 3))
    >>> positions(slice(1, -1), Dim.symbol("n"))
    (1, 1, n - 2)
    """
    step = 1 if taken.step is None else operator.index(taken.step)
    if step == 0:
        raise ArgumentError("slice step cannot be zero")
    start, stop = (b if b is None else as_size(b) for b in (taken.start, taken.stop))
    if not any(isinstance(b, Dim) for b in (n, start, stop)):
        exact = range(*slice(start, stop, step).indices(operator.index(n)))
        return exact.start, step, len(exact)
    first = from_front(start, n) if start is not None else 0 if step > 0 else n - 1
    end = from_front(stop, n) if stop is not None else n if step > 0 else -1
    extent = end - first if step > 0 else first - end
    size = extent if abs(step) == 1 else (extent + abs(step) - 1) // abs(step)
    return first, step, size if isinstance(size, Dim) else max(size, 0)


def from_front(position: int | Dim, n: int | Dim) -> int | Dim:
    """Return a position counted from the front of an axis of `n` elements, a negative one being from its end."""
    if isinstance(position, Dim):
        return n + position if all(c < 0 for _, c in position.terms) else position
    return n + position if position < 0 else position


def conditions(ranges: Sequence[Range | int], shape: Shape) -> Iterator[int | Dim]:
    """Yield what must be at least zero for ranges to lie inside an array of this shape.

    The numbers among them are; compiled code checks the symbolic ones before it runs.

    Examples
    --------
    >>> n = Dim.symbol("n")
    >>> [c for c in conditions([(1, 1, n - 2)], (n,)) if isinstance(c, Dim)]
    [n - 2]
    """
    for taken, n in zip(ranges, shape, strict=True):
        if isinstance(taken, tuple):
            start, step, size = taken
            last = start + (size - 1) * step
            yield size
            yield start if step > 0 else last
            yield n - 1 - (last if step > 0 else start)


def whole(n: int | Dim) -> Range:
    """Return the range of all positions of an axis."""
    return (0, 1, n)


def as_slice(taken: Range) -> slice:
    """Return the Python slice that takes these positions."""
    start, step, size = (operator.index(x) for x in taken)
    if size == 0:
        return slice(0, 0, step)
    stop = start + step * size
    return slice(start, stop if stop >= 0 else None, step)


def placed(at: Sequence[Term], ranges: Sequence[Range]) -> Index:
    """Return where the element `at` of a slice stands in the array it was taken from."""
    return tuple(position(i, taken) for i, taken in zip(at, ranges, strict=True))


def position(i: Term, taken: Range) -> Term:
    """Return the place along an axis of the `i`-th position taken.

    Examples
    --------
    >>> position("i", (3, 2, 5)), position("i", (4, -1, 5))
    ('2*i + 3', '4 - i')
    """
    start, step, _ = taken
    if step < 0 and isinstance(i, str):
        steps = str(scale(i, -step))
        return f"{start} - {f'({steps})' if ' ' in steps else steps}" if start != 0 else scale(i, step)
    return shift(scale(i, step), start)


slice_: Op = linear(
    "slice",
    lambda x, *, ranges: np.asarray(x)[tuple(map(as_slice, ranges))],
    lambda t, *, ranges: t.with_shape(tuple(size for _, _, size in ranges)),
    Element(lambda at, read, site: read(0, placed(at, site.attrs["ranges"])), moves=True),
    lambda g, t, *, ranges: place(g, shape=t.shape, ranges=ranges, fill=0),
    selects=lambda xs, k: False,
    batch=on_ranges,
    samples=[sample(array(5, 4), ranges=((1, 2, 2), (0, 1, 4))), sample(array(5), ranges=((4, -1, 5),))],
    write_back=lambda xs, part, *, ranges: OPS["index_set"](xs[0], part, selection=ranges, distinct=True),
)


def _place(x: Any, *, shape: Shape, ranges: tuple[Range, ...], fill: float) -> Any:
    out = np.full(shape, fill, np.asarray(x).dtype)
    out[tuple(map(as_slice, ranges))] = x
    return out


def _place_writes(site: Site) -> tuple[str | None, list[Write]]:
    def target(at: Index, read: Read) -> Index:
        return placed(at, site.attrs["ranges"])

    fill = literal(site.attrs["fill"], site.out.dtype)
    return fill, [Write(site.types[0].shape, target, lambda at, read: read(0, at))]


def literal(number: float, dtype: np.dtype[Any]) -> str:
    """Return the text of a number of a dtype, infinities and NaN included.

    Examples
    --------
    >>> literal(0, np.dtype(float)), literal(0, np.dtype(bool)), literal(np.inf, np.dtype(float))
    ('0.0', 'False', 'np.inf')
    """
    item = dtype.type(number).item()
    return repr(item) if np.isfinite(item) else f"-np.{-item}" if item < 0 else f"np.{item}"


place: Op = general(
    "place",
    _place,
    lambda t, *, shape, ranges, fill: t.with_shape(shape),
    Writes(_place_writes),
    lambda xs, y, g, *, shape, ranges, fill: (slice_(g, ranges=ranges),),
    moves=True,
    batch=on_ranges,
    samples=[
        sample(array(2, 4), shape=(5, 4), ranges=((1, 2, 2), (0, 1, 4)), fill=0),
        sample(array(3), shape=(3,), ranges=((2, -1, 3),), fill=1),
    ],
)


def sliced(x: Any, axis: int, taken: slice | Range) -> Any:
    """Return a slice of `x` along one axis, `x` itself if that is all of it."""
    sizes = shape_of(x)
    range_ = positions(taken, sizes[axis]) if isinstance(taken, slice) else taken
    return ranged(x, tuple(range_ if k == axis else whole(n) for k, n in enumerate(sizes)))


def ranged(x: Any, ranges: tuple[Range, ...]) -> Any:
    """Return the elements of `x` at these positions, `x` itself if that is all of it."""
    return x if ranges == tuple(map(whole, shape_of(x))) else slice_(x, ranges=ranges)


@implements(np.flip, samples=[sample(array(2, 3)), sample(array(2, 3), 1), sample(array(2, 3, 2), axis=(0, -1))])
def flip(m: Any, axis: Axes = None) -> Any:
    """Return `m` reversed along axes, all of them by default."""
    sizes = shape_of(m)
    axes = normalized_axes(axis, len(sizes))
    return ranged(m, tuple((n - 1, -1, n) if k in axes else whole(n) for k, n in enumerate(sizes)))


@implements(np.flipud, samples=[sample(array(3, 2))])
def flipud(m: Any) -> Any:
    """Return `m` with its rows in reverse order."""
    return flip(m, 0)


@implements(np.fliplr, samples=[sample(array(2, 3))])
def fliplr(m: Any) -> Any:
    """Return `m` with its columns in reverse order."""
    return flip(m, 1)
