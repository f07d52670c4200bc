"""Changes of layout: no arithmetic, only index arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, Shape, broadcast_shapes, product
from jitdiff.ops.emission import Element, Index, Read, Site, Term, broadcast_index, group, plus, scale
from jitdiff.ops.families import linear
from jitdiff.ops.samples import array, sample
from jitdiff.errors import ShapeError


def _broadcast_to_type(t: ArrayType, *, shape: Shape) -> ArrayType:
    if broadcast_shapes(t.shape, shape) != tuple(shape):
        raise ShapeError(f"shape {t.shape} does not broadcast to {tuple(shape)}")
    return t.with_shape(shape)


def _broadcast_to_transpose(g: Any, t: ArrayType, *, shape: Shape) -> Any:
    from jitdiff.ops.fit import fit

    return fit(g, t)


broadcast_to = linear(
    "broadcast_to",
    lambda x, *, shape: np.broadcast_to(x, shape),
    _broadcast_to_type,
    Element(lambda at, read, site: read(0, broadcast_index(at, site.types[0].shape)), moves=True),
    _broadcast_to_transpose,
    samples=[sample(array(3, 1), shape=(2, 3, 4)), sample(array(), shape=(3,))],
)


def _reshape_type(t: ArrayType, *, shape: Shape) -> ArrayType:
    if product(shape) != t.size:
        raise ShapeError(f"cannot reshape {t} to {list(shape)}: {t.size} elements are not {product(shape)}")
    return t.with_shape(shape)


def _reshape_element(at: Index, read: Read, site: Site) -> str:
    return read(0, reshaped_index(at, site.out.shape, site.types[0].shape))


def reshaped_index(at: Index, shape: Shape, source: Shape) -> Index:
    """Return the index into an array of shape `source` of what stands at `at` after reshaping it to `shape`.

    Axes that both shapes share at either end keep their coordinate, and axes of size 1 come and go for free; only
    what is between goes through the flat position.
    """
    have = [(i, n) for i, n in zip(at, shape, strict=True) if n != 1]
    want = [n for n in source if n != 1]
    head: list[Term] = []
    while have and want and have[0][1] == want[0]:
        head.append(have.pop(0)[0])
        want.pop(0)
    tail: list[Term] = []
    while have and want and have[-1][1] == want[-1]:
        tail.insert(0, have.pop()[0])
        want.pop()
    flat: Term = 0
    for i, n in have:
        flat = plus(scale(flat, n), i)
    middle: list[Term] = []
    rest: Term = flat
    for n in reversed(want[1:]):
        middle.insert(0, f"{group(rest)} % {group(n)}" if isinstance(rest, str) else rest % n)
        rest = f"{group(rest)} // {group(n)}" if isinstance(rest, str) else rest // n
    if want:
        middle.insert(0, rest)
    terms = iter([*head, *middle, *tail])
    return tuple(0 if n == 1 else next(terms) for n in source)


reshape = linear(
    "reshape",
    lambda x, *, shape: np.reshape(x, shape),
    _reshape_type,
    Element(_reshape_element, moves=True),
    lambda g, t, *, shape: reshape(g, shape=t.shape),
    samples=[sample(array(2, 3), shape=(3, 2)), sample(array(2, 6), shape=(2, 1, 3, 2)), sample(array(1, 1), shape=())],
)

transpose = linear(
    "transpose",
    lambda x, *, axes: np.transpose(x, axes),
    lambda t, *, axes: t.with_shape(tuple(t.shape[a] for a in axes)),
    Element(lambda at, read, site: read(0, tuple(at[site.attrs["axes"].index(k)] for k in range(len(at)))), moves=True),
    lambda g, t, *, axes: transpose(g, axes=tuple(int(a) for a in np.argsort(axes))),
    samples=[sample(array(2, 3), axes=(1, 0)), sample(array(2, 3, 4), axes=(2, 0, 1))],
)
