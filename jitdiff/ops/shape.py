"""Changes of layout: no arithmetic, only index arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, ShapeError
from jitdiff.ir import ArrayType, Dim, Shape, broadcast_shapes, product, type_of
from jitdiff.ops.alias import read_only
from jitdiff.ops.axes import Axes, along, as_shape, completed_shape, normalized_axes, normalized_axis, operand, shape_of
from jitdiff.ops.batching import Flags, on_last_axes, size_of_batch, spread
from jitdiff.ops.emission import Element, Index, Read, Site, Term, broadcast_index, group, plus, scale
from jitdiff.ops.families import linear
from jitdiff.ops.samples import array, sample
from jitdiff.ops.table import Op, implements, unsupported


def _broadcast_to_type(t: ArrayType, *, shape: Shape) -> ArrayType:
    if broadcast_shapes(t.shape, shape) != tuple(shape):
        raise ShapeError(f"{t} does not broadcast to the shape {list(shape)}")
    return t.with_shape(shape)


def _broadcast_to_transpose(g: Any, t: ArrayType, *, shape: Shape) -> Any:
    from jitdiff.ops.fit import fit

    return fit(g, t)


def _broadcast_to_batch(op: Op, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    shape = attrs["shape"]
    n = size_of_batch(xs, batched)
    return op(spread(xs[0], n, True, len(shape)), shape=(n, *shape))


broadcast_to: Op = linear(
    "broadcast_to",
    lambda x, *, shape: np.broadcast_to(x, shape)[()],
    _broadcast_to_type,
    Element(lambda at, read, site: read(0, broadcast_index(at, site.types[0].shape)), moves=True),
    _broadcast_to_transpose,
    batch=_broadcast_to_batch,
    samples=[sample(array(3, 1), shape=(2, 3, 4)), sample(array(), shape=(3,))],
    write_back=read_only,
)


def _reshape_type(t: ArrayType, *, shape: Shape) -> ArrayType:
    if product(shape) != t.size:
        raise ShapeError(f"cannot reshape {t} to {list(shape)}: {t.size} elements are not {product(shape)}")
    return t.with_shape(shape)


def reshaped_index(at: Index, shape: Shape, source: Shape) -> Index:
    """Return the index into an array of shape `source` of what stands at `at` after reshaping it to `shape`.

    Axes are matched in the smallest groups of equal size, so that an axis that both shapes share keeps its coordinate;
    axes of size 1 come and go for free.

    Examples
    --------
    >>> reshaped_index(("i", "j"), (6, 4), (2, 3, 4))
    ('i // 3', 'i % 3', 'j')
    >>> reshaped_index(("i", "j", "k"), (2, 3, 4), (6, 4))
    ('3*i + j', 'k')
    """
    have = [(i, n) for i, n in zip(at, shape, strict=True) if n != 1]
    want = [n for n in source if n != 1]
    if 0 in want:
        return (0,) * len(source)
    terms: list[Term] = []
    while want:
        h, w = _matching_groups([n for _, n in have], want)
        flat: Term = 0
        for i, n in have[:h]:
            flat = plus(scale(flat, n), i)
        digits: list[Term] = []
        for n in reversed(want[1:w]):
            quotient, digit = _divided(flat, n)
            digits.insert(0, digit)
            flat = quotient
        terms += [flat, *digits]
        have, want = have[h:], want[w:]
    coordinates = iter(terms)
    return tuple(0 if n == 1 else next(coordinates) for n in source)


def _divided(term: Term, by: int | Dim) -> tuple[Term, Term]:
    """Return quotient and remainder as text, folding numbers."""
    if term == 0:
        return 0, 0
    if isinstance(term, int) and isinstance(by, int):
        return divmod(term, by)
    return f"{group(term)} // {group(by)}", f"{group(term)} % {group(by)}"


def _matching_groups(have: list[int | Dim], want: list[int | Dim]) -> tuple[int, int]:
    """Return how many leading axes of either shape have the same number of elements, the fewest possible."""
    ends = {product(tuple(have[:k])): k for k in range(1, len(have) + 1)}
    for w in range(1, len(want) + 1):
        if h := ends.get(product(tuple(want[:w]))):
            return h, w
    raise ShapeError(f"{have} and {want} have not the same number of elements")


reshape: Op = linear(
    "reshape",
    lambda x, *, shape: np.reshape(x, shape)[()],
    _reshape_type,
    Element(
        lambda at, read, site: read(0, reshaped_index(at, site.out.shape, site.types[0].shape)),
        moves=True,
    ),
    lambda g, t, *, shape: reshape(g, shape=t.shape),
    batch=on_last_axes,
    samples=[
        sample(array(2, 3), shape=(3, 2)),
        sample(array(2, 6), shape=(2, 1, 3, 2)),
        sample(array(1, 1), shape=()),
        sample(array(2, 3, 4, 5), shape=(6, 20)),
    ],
    write_back=lambda xs, part, *, shape: reshape(part, shape=type_of(xs[0]).shape),
)


def _transposed(at: Index, read: Read, site: Site) -> str:
    axes = site.attrs["axes"]
    return read(0, tuple(at[axes.index(k)] for k in range(len(at))))


def _transpose_batch(op: Op, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    return op(xs[0], axes=(0, *(a + 1 for a in attrs["axes"])))


transpose: Op = linear(
    "transpose",
    lambda x, *, axes: np.transpose(x, axes),
    lambda t, *, axes: t.with_shape(tuple(t.shape[a] for a in axes)),
    Element(_transposed, moves=True),
    lambda g, t, *, axes: transpose(g, axes=tuple(map(int, np.argsort(axes)))),
    batch=_transpose_batch,
    samples=[sample(array(2, 3), axes=(1, 0)), sample(array(2, 3, 4), axes=(2, 0, 1))],
    write_back=lambda xs, part, *, axes: transpose(part, axes=tuple(map(int, np.argsort(axes)))),
)


def reshaped(x: Any, shape: Shape) -> Any:
    """Return `x` with another shape, `x` itself if it has it already."""
    return x if shape_of(x) == shape else reshape(x, shape=shape)


def transposed(x: Any, axes: tuple[int, ...]) -> Any:
    """Return `x` with its axes in another order, `x` itself if they are in it already."""
    return x if axes == tuple(range(len(axes))) else transpose(x, axes=axes)


def broadcast(x: Any, shape: Shape) -> Any:
    """Return `x` spread to `shape`, `x` itself if it has it already."""
    return x if shape_of(x) == shape else broadcast_to(x, shape=shape)


def _only_c(function: str, order: str) -> None:
    if order not in ("C", "A", "K"):
        raise unsupported(function, f"order={order!r} has no rule", hint="transpose before and after, with order='C'")


@implements(
    np.reshape, samples=[sample(array(2, 6), (3, -1)), sample(array(2, 3), -1), sample(array(6), shape=(2, 1, 3))]
)
def np_reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """Return `a` with another shape; one size may be -1."""
    _only_c("reshape", order)
    return reshaped(a, completed_shape(shape, type_of(a).size))


@implements(np.ravel, samples=[sample(array(2, 3)), sample(array())])
def ravel(a: Any, order: str = "C") -> Any:
    """Return the elements of `a` in one row."""
    _only_c("ravel", order)
    return reshaped(a, (type_of(a).size,))


@implements(np.transpose, samples=[sample(array(2, 3)), sample(array(2, 3, 4), (1, -1, 0))])
def np_transpose(a: Any, axes: Axes = None) -> Any:
    """Return `a` with its axes reversed, or in the order of `axes`."""
    ndim = len(shape_of(a))
    order = normalized_axes(axes, ndim)
    if len(order) != ndim:
        raise ArgumentError(f"transpose: axes {axes} do not match an array of dimension {ndim}")
    return transposed(a, order[::-1] if axes is None else order)


@implements(np.swapaxes, samples=[sample(array(2, 3, 4), 0, -1)])
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Return `a` with two axes exchanged."""
    order = list(range(len(shape_of(a))))
    i, j = normalized_axis(axis1, len(order)), normalized_axis(axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return transposed(a, tuple(order))


@implements(np.matrix_transpose, samples=[sample(array(2, 3, 4))])
def matrix_transpose(x: Any, /) -> Any:
    """Return a stack of matrices, each transposed."""
    return swapaxes(x, -1, -2)


@implements(np.moveaxis, samples=[sample(array(2, 3, 4), 0, -1), sample(array(2, 3, 4), (0, 1), (2, 0))])
def moveaxis(a: Any, source: Axes, destination: Axes) -> Any:
    """Return `a` with some axes moved to new places, the others staying in order."""
    ndim = len(shape_of(a))
    sources, destinations = normalized_axes(source, ndim), normalized_axes(destination, ndim)
    if len(sources) != len(destinations):
        raise ArgumentError(f"moveaxis: {len(sources)} axes cannot move to {len(destinations)} places")
    order = [k for k in range(ndim) if k not in sources]
    for d, s in sorted(zip(destinations, sources, strict=True)):
        order.insert(d, s)
    return transposed(a, tuple(order))


@implements(np.expand_dims, samples=[sample(array(2, 3), 1), sample(array(2, 3), (0, -1))])
def expand_dims(a: Any, axis: Axes) -> Any:
    """Return `a` with axes of size 1 put in."""
    sizes = shape_of(a)
    new = normalized_axes(axis, len(sizes) + (len(axis) if isinstance(axis, tuple | list) else 1))
    rest = iter(sizes)
    return reshaped(a, tuple(1 if k in new else next(rest) for k in range(len(sizes) + len(new))))


@implements(np.squeeze, samples=[sample(array(1, 3, 1)), sample(array(1, 3, 1), axis=-1)])
def squeeze(a: Any, axis: Axes = None) -> Any:
    """Return `a` without its axes of size 1, or without those in `axis`."""
    sizes = shape_of(a)
    axis = along(axis, len(sizes))
    gone = tuple(k for k, n in enumerate(sizes) if _is_one(n)) if axis is None else normalized_axes(axis, len(sizes))
    for k in gone:
        if not _is_one(sizes[k]):
            raise ShapeError(f"squeeze: axis {k} of {type_of(a)} has size {sizes[k]}, not 1")
    return reshaped(a, tuple(n for k, n in enumerate(sizes) if k not in gone))


def _is_one(n: int | Dim) -> bool:
    """Say whether a size is 1, by a comparison that the program then depends on if the size is symbolic."""
    return n <= 1 if isinstance(n, Dim) else n == 1


@implements(np.broadcast_to, samples=[sample(array(3), (2, 3)), sample(array(2, 1), shape=(2, 4))])
def np_broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """Return `array` spread to `shape`."""
    return broadcast(array, as_shape(shape))


@implements(np.broadcast_arrays, samples=[sample(array(3), array(2, 1))])
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Return the arrays spread to their common shape."""
    arrays = [operand(a) for a in args]
    shape = broadcast_shapes(*map(shape_of, arrays))
    return tuple(broadcast(a, shape) for a in arrays)


def _at_least(ndim: int, arys: tuple[Any, ...]) -> Any:
    arrays = [operand(a) for a in arys]
    shapes = [shape_of(a) for a in arrays]
    results = tuple(reshaped(a, (1,) * (ndim - len(s)) + s) for a, s in zip(arrays, shapes, strict=True))
    return results[0] if len(results) == 1 else results


@implements(np.atleast_1d, samples=[sample(array()), sample(array(3), array())])
def atleast_1d(*arys: Any) -> Any:
    """Return the arrays with scalars made vectors of one element."""
    return _at_least(1, arys)


@implements(np.atleast_2d, samples=[sample(array(3)), sample(array())])
def atleast_2d(*arys: Any) -> Any:
    """Return the arrays with vectors made matrices of one row."""
    return _at_least(2, arys)


@implements(np.shape, samples=[sample(array(2, 3))])
def shape(a: Any) -> Shape:
    """Return the sizes of an array."""
    return shape_of(a)


@implements(np.ndim, samples=[sample(array(2, 3))])
def ndim(a: Any) -> int:
    """Return the number of dimensions."""
    return len(shape_of(a))


@implements(np.size, samples=[sample(array(2, 3)), sample(array(2, 3), 1)])
def size(a: Any, axis: Axes = None) -> int | Dim:
    """Return the number of elements, or the size along axes."""
    sizes = shape_of(a)
    return product(tuple(sizes[k] for k in normalized_axes(axis, len(sizes))))
