"""Means and variances."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import Dim
from jitdiff.ops.axes import Axes, shape_of
from jitdiff.ops.elementwise import divide, multiply, square, subtract
from jitdiff.ops.power import root
from jitdiff.ops.reduce import converted, count_over, reduced, refuse, sum_
from jitdiff.ops.samples import BITS, POSITIVE, array, sample
from jitdiff.ops.table import implements, unsupported

_SAMPLES = [
    sample(array(2, 3)),
    sample(array(2, 3, 2), axis=(0, -1), keepdims=True),
    sample(array(2, 3), 1),
]


@implements(np.mean, samples=[*_SAMPLES, sample(array(2, 3), dtype=np.float32), sample(array(4, domain=BITS))])
def mean(a: Any, axis: Axes = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Return the mean over axes."""
    refuse("mean", out=out, **options)
    a = converted(a, dtype)
    return divide(reduced(sum_, a, axis, keepdims), count_over(shape_of(a), axis))


@implements(np.var, samples=[*_SAMPLES, sample(array(2, 3), axis=1, ddof=1), sample(array(4, domain=BITS))])
def var(
    a: Any,
    axis: Axes = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = False,
    **options: Any,
) -> Any:
    """Return the variance over axes, the sum of squares divided by ``n - ddof``."""
    refuse("var", out=out, **options)
    a = converted(a, dtype)
    n = count_over(shape_of(a), axis)
    centred = subtract(a, mean(a, axis, keepdims=True))
    freedom = n - int(ddof) if isinstance(n, Dim) else max(n - ddof, 0)
    return divide(reduced(sum_, square(centred), axis, keepdims), freedom)


@implements(np.std, samples=[*_SAMPLES, sample(array(2, 3), axis=1, ddof=1), sample(array(4, domain=BITS))])
def std(
    a: Any,
    axis: Axes = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = False,
    **options: Any,
) -> Any:
    """Return the standard deviation over axes; where it is 0, so is its derivative."""
    refuse("std", out=out, **options)
    return root(var(a, axis, dtype, ddof=ddof, keepdims=keepdims))


@implements(
    np.average,
    samples=[
        sample(array(2, 3)),
        sample(array(2, 3), weights=array(2, 3, domain=POSITIVE)),
        sample(array(2, 3), axis=1, weights=array(2, 3, domain=POSITIVE), keepdims=True),
    ],
)
def average(a: Any, axis: Axes = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """Return the mean over axes, weighted by an array of the shape of `a`."""
    if returned:
        raise unsupported("average", "the argument returned= has no rule")
    if weights is None:
        return mean(a, axis, keepdims=keepdims)
    if shape_of(weights) != shape_of(a):
        raise unsupported("average", "weights of another shape have no rule", hint="broadcast the weights first")
    total = reduced(sum_, weights, axis, keepdims)
    return divide(reduced(sum_, multiply(a, weights), axis, keepdims), total)
