"""Norms of vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError
from jitdiff.ir import type_of
from jitdiff.ops.axes import Axes, normalized_axes, operand, shape_of
from jitdiff.ops.batching import elementwise
from jitdiff.ops.elementwise import astype, divide, multiply
from jitdiff.ops.emission import Element
from jitdiff.ops.families import every_operand, general, promote_floating
from jitdiff.ops.kinks import root_rule, settled
from jitdiff.ops.reduce import sum_
from jitdiff.ops.samples import POSITIVE, array, sample
from jitdiff.ops.shape import expand_dims
from jitdiff.ops.table import Level, Op, implements, unsupported

euclidean: Op = general(
    "euclidean",
    np.sqrt,
    lambda squares: squares,
    Element(lambda at, read, site: f"sqrt({read(0, at)})", costly=True),
    root_rule,
    guards=every_operand,
    steep=Level.FACTOR,
    operands=promote_floating,
    batch=elementwise,
    samples=[sample(array(2, 3, domain=POSITIVE))],
)
"""The root of a sum of squares: a square root whose slope at zero is taken to be zero, and has no derivative there."""


def _p_root_rule(xs: Any, y: Any, g: Any, *, exponent: float) -> list[Any]:
    return [settled(g, multiply(exponent, divide(y, xs[0])), xs[0])]


p_root: Op = general(
    "p_root",
    lambda total, *, exponent: np.power(total, exponent),
    lambda total, *, exponent: total,
    Element(lambda at, read, site: f"power({read(0, at)}, {site.attrs['exponent']})", costly=True),
    _p_root_rule,
    guards=every_operand,
    steep=Level.FACTOR,
    operands=promote_floating,
    batch=elementwise,
    samples=[sample(array(2, 3, domain=POSITIVE), exponent=0.4)],
)
"""A sum of powers raised to the inverse of the power; like the root of a sum of squares it has no slope at zero."""


@implements(
    np.linalg.norm,
    samples=[
        sample(array(4)),
        sample(array(2, 3)),
        sample(array(2, 3), axis=1, keepdims=True),
        sample(array(2, 3), "fro"),
        sample(array(4), 1),
        sample(array(4), 3),
        sample(array(4), np.inf),
        sample(array(4), -np.inf),
        sample(array(2, 3), 1),
        sample(array(2, 3), -1),
        sample(array(2, 3), np.inf),
        sample(array(2, 3, 4), -np.inf, axis=(2, 0), keepdims=True),
        sample(array(2, 3, 4), "fro", axis=(0, 2)),
    ],
)
def norm(x: Any, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Any:
    """Return the norm of a vector or a matrix; the gradient of the Euclidean norm at zero is zero."""
    x = operand(x)
    if type_of(x).dtype.kind != "f":
        x = astype(x, dtype=np.dtype(float))
    ndim = len(shape_of(x))
    axes = normalized_axes(axis, ndim)
    if ord is None or (len(axes) == 1 and ord == 2) or (len(axes) == 2 and ord in ("fro", "f")):
        result = euclidean(sum_(multiply(x, x), axes=tuple(sorted(axes))))
        return expand_dims(result, tuple(sorted(axes))) if keepdims else result
    size = np.abs(x)
    if len(axes) == 1:
        return _vector_norm(size, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ArgumentError(f"norm: ord={ord!r} needs one axis or two, not {len(axes)}")
    if ord not in (1, -1, np.inf, -np.inf):
        raise unsupported("linalg.norm", f"ord={ord!r} of a matrix has no rule", hint="use 'fro', 1, -1, inf or -inf")
    summed, kept = axes if abs(ord) == 1 else axes[::-1]
    sums = np.sum(size, axis=summed)
    result = (np.max if ord > 0 else np.min)(sums, axis=kept - (summed < kept))
    return expand_dims(result, tuple(sorted(axes))) if keepdims else result


def _vector_norm(size: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    """Return the norm of vectors of these absolute values."""
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.not_equal(size, 0).astype(size.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if not isinstance(ord, int | float):
        raise ArgumentError(f"norm: a vector has no norm of order {ord!r}")
    return p_root(np.sum(size**ord, axis=axis, keepdims=keepdims), exponent=1.0 / float(ord))
