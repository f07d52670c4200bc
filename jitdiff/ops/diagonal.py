"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.errors import ShapeError
from jitdiff.ir import ArrayType, Dim, Shape
from jitdiff.ops.alias import read_only
from jitdiff.ops.axes import normalized_axes, shape_of
from jitdiff.ops.batching import on_last_axes
from jitdiff.ops.emission import Element, Index, Read, Site, Write, Writes, shift
from jitdiff.ops.families import linear
from jitdiff.ops.reduce import sum_
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import broadcast, moveaxis
from jitdiff.ops.slices import literal
from jitdiff.ops.table import Op, implements


def _diagonal_type(t: ArrayType, *, offset: int) -> ArrayType:
    rows, columns = t.shape[-2:]
    # A square matrix needs no comparison, so its size may be symbolic.
    size = rows - abs(offset) if rows == columns else min(rows - max(-offset, 0), columns - max(offset, 0))
    return t.with_shape((*t.shape[:-2], size if isinstance(size, Dim) else max(size, 0)))


def _on_diagonal(at: Index, offset: int) -> Index:
    return (*at[:-1], shift(at[-1], max(-offset, 0)), shift(at[-1], max(offset, 0)))


diagonal_: Op = linear(
    "diagonal",
    lambda x, *, offset: np.diagonal(x, offset, -2, -1),
    _diagonal_type,
    Element(lambda at, read, site: read(0, _on_diagonal(at, site.attrs["offset"])), moves=True),
    lambda g, t, *, offset: from_diagonal(g, offset=offset, shape=t.shape),
    batch=on_last_axes,
    selects=lambda xs, k: True,
    samples=[sample(array(3, 3), offset=0), sample(array(2, 3, 4), offset=1), sample(array(4, 2), offset=-1)],
    write_back=read_only,
)


def _from_diagonal(x: Any, *, offset: int, shape: Shape) -> Any:
    out = np.zeros(shape, np.asarray(x).dtype)
    k = np.arange(np.shape(x)[-1])
    out[..., k + max(-offset, 0), k + max(offset, 0)] = x
    return out


def _from_diagonal_writes(site: Site) -> tuple[str | None, list[Write]]:
    def target(at: Index, read: Read) -> Index:
        return _on_diagonal(at, site.attrs["offset"])

    return literal(0, site.out.dtype), [Write(site.types[0].shape, target, lambda at, read: read(0, at))]


from_diagonal: Op = linear(
    "from_diagonal",
    _from_diagonal,
    lambda t, *, offset, shape: t.with_shape(shape),
    Writes(_from_diagonal_writes),
    lambda g, t, *, offset, shape: diagonal_(g, offset=offset),
    batch=on_last_axes,
    samples=[sample(array(3), offset=0, shape=(3, 3)), sample(array(2, 2), offset=-1, shape=(2, 3, 2))],
)


def _triangle_element(at: Index, read: Read, site: Site) -> str:
    row, column, offset = at[-2], at[-1], site.attrs["offset"]
    relation = "<=" if site.attrs["lower"] else ">="
    return f"({read(0, at)} if {column} {relation} {shift(row, offset)} else {literal(0, site.out.dtype)})"


triangle: Op = linear(
    "triangle",
    lambda x, *, offset, lower: np.tril(x, offset) if lower else np.triu(x, offset),
    lambda t, *, offset, lower: t,
    Element(_triangle_element),
    lambda g, t, *, offset, lower: triangle(g, offset=offset, lower=lower),
    selects=lambda xs, k: True,
    batch=on_last_axes,
    samples=[sample(array(3, 3), offset=0, lower=True), sample(array(2, 3, 4), offset=-1, lower=False)],
)


@implements(np.diagonal, samples=[sample(array(3, 4)), sample(array(2, 3, 4), 1, 2, 0), sample(array(3, 3), offset=-1)])
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonal of the last two axes, or of two others."""
    ndim = len(shape_of(a))
    if ndim < 2:
        raise ShapeError(f"diagonal: needs at least two axes, not {ndim}")
    return diagonal_(moveaxis(a, normalized_axes((axis1, axis2), ndim), (-2, -1)), offset=int(offset))


@implements(np.trace, samples=[sample(array(3, 3)), sample(array(2, 3, 4), 1, 1, 2)])
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sum of a diagonal."""
    d = diagonal(a, offset, axis1, axis2)
    return sum_(d, axes=(len(shape_of(d)) - 1,))


@implements(np.diag, samples=[sample(array(3)), sample(array(3), 1), sample(array(3, 4)), sample(array(3, 3), k=-1)])
def diag(v: Any, k: int = 0) -> Any:
    """Return the diagonal of a matrix, or the matrix with a vector on its diagonal."""
    sizes = shape_of(v)
    if len(sizes) == 1:
        n = sizes[0] + abs(k)
        return from_diagonal(v, offset=int(k), shape=(n, n))
    if len(sizes) == 2:
        return diagonal(v, k)
    raise ShapeError(f"diag: takes a vector or a matrix, not an array of {len(sizes)} axes")


@implements(np.tril, samples=[sample(array(3, 3)), sample(array(2, 3, 4), -1)])
def tril(m: Any, k: int = 0) -> Any:
    """Return a matrix with zeros above a diagonal."""
    return _triangle(m, k, lower=True)


@implements(np.triu, samples=[sample(array(3, 3)), sample(array(2, 3, 4), k=1)])
def triu(m: Any, k: int = 0) -> Any:
    """Return a matrix with zeros below a diagonal."""
    return _triangle(m, k, lower=False)


def _triangle(m: Any, k: int, lower: bool) -> Any:
    sizes = shape_of(m)
    if len(sizes) < 2:
        m = broadcast(m, (sizes[0], sizes[0]))
    return triangle(m, offset=int(k), lower=lower)
