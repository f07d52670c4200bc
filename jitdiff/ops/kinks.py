"""Slopes at kinks: what they are taken to be there, and a second derivative that does not pass for zero.

A rule that simply wrote 0 for a slope at a kink would have the second derivative 0 there, however large that is nearby.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitdiff.ops.elementwise import divide, sign, where, zeros_like
from jitdiff.ops.families import pointwise
from jitdiff.ops.logic import equal, logical_and
from jitdiff.ops.samples import POSITIVE, REALS
from jitdiff.ops.table import Level, Op


def _no_slope_at_zero(g: Any, slope: Any, x: Any) -> Any:
    share = np.multiply(g, slope)
    return np.where(np.equal(x, 0), np.zeros_like(share), share)[()]


settled: Op = pointwise(
    "settled",
    _no_slope_at_zero,
    "({0} * {1} if {2} != 0 else 0.0)",
    lambda g, slope, x, y: where(equal(x, 0), 0.0, slope),
    lambda g, slope, x, y: where(equal(x, 0), 0.0, g),
    lambda g, slope, x, y: where(equal(x, 0), math.nan, zeros_like(x)),
    steep=Level.FACTOR,
    samples=[REALS, REALS, POSITIVE],
)
"""``settled(g, slope, x)`` is ``g * slope``, and 0 where `x` is 0, near which the slope or its derivative is unbounded.

Its derivative by `x` there is NaN.
"""


signed: Op = pointwise(
    "signed",
    lambda g, x: np.multiply(g, np.sign(x)),
    "{0} * sign({1})",
    lambda g, x, y: sign(x),
    lambda g, x, y: where(logical_and(equal(x, 0), equal(g, 0)), math.nan, zeros_like(x)),
    steep=Level.FACTOR,
    samples=[REALS, POSITIVE],
)
"""``signed(g, x)`` is `g` with the sign of `x`: the cotangent of an absolute value.

Its derivative by `x` at 0 is 0, as it is on both sides, where the cotangent is not. Where it is 0 too, what is
differentiated may be smooth, as ``abs(x)**2`` is, whose second derivative is 2; nothing here knows, and it is NaN.
"""


def root_rule(xs: Any, y: Any, g: Any) -> list[Any]:
    """Return the cotangent of what a root of squares is taken of: 0 where the root is 0."""
    return [settled(g, divide(0.5, y), xs[0])]
