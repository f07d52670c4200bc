"""The larger and the smaller of two; where they tie, both have an equal share in the derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentTypeError
from jitdiff.ops.elementwise import multiply, where
from jitdiff.ops.families import pointwise
from jitdiff.ops.logic import equal, greater, greater_equal, isnan, less, less_equal
from jitdiff.ops.samples import REALS, array, sample
from jitdiff.ops.table import Op, implements, unsupported


def _shared(wins: Op) -> Callable[..., Any]:
    """Return the rule that gives the cotangent to the operand that wins, and half of it to each of two equal ones."""

    def vjp(xs: Any, z: Any, g: Any) -> Any:
        x, y = xs
        tie = where(equal(x, y), multiply(g, 0.5), 0.0)
        return lambda: where(wins(x, y), g, tie), lambda: where(wins(y, x), g, tie)

    return vjp


def _winning(wins: Op) -> Callable[..., Any]:
    """Return where each of two operands wins or ties."""
    return lambda xs, k, only: lambda: wins(xs[k], xs[1 - k])


maximum = pointwise(
    "maximum",
    np.maximum,
    "maximum({0}, {1})",
    vjp=_shared(greater),
    counts=_winning(greater_equal),
    samples=[REALS, REALS],
)
minimum = pointwise(
    "minimum", np.minimum, "minimum({0}, {1})", vjp=_shared(less), counts=_winning(less_equal), samples=[REALS, REALS]
)


@implements(np.fmax, samples=[sample(array(2, 3), array(3)), sample(np.array([np.nan, 1.0]), array(2))])
def fmax(x: Any, y: Any) -> Any:
    """Return the larger element, the other one where one is NaN."""
    return where(isnan(y), x, where(isnan(x), y, maximum(x, y)))


@implements(np.fmin, samples=[sample(array(2, 3), array(3)), sample(np.array([np.nan, 1.0]), array(2))])
def fmin(x: Any, y: Any) -> Any:
    """Return the smaller element, the other one where one is NaN."""
    return where(isnan(y), x, where(isnan(x), y, minimum(x, y)))


@implements(
    np.clip,
    samples=[
        sample(array(2, 3), -1.0, 1.0),
        sample(array(3), None, array(2, 3)),
        sample(array(3), min=-0.5),
        sample(array(3), a_min=array(3), a_max=None),
    ],
)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None) -> Any:
    """Return `a` limited to an interval; at its ends, `a` and the end share the derivative."""
    if out is not None:
        raise unsupported("clip", "the argument out= has no rule")
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise ArgumentTypeError("np.clip: give a_min and a_max, or min and max, not both")
    low, high = a_min if min is None else min, a_max if max is None else max
    if low is not None:
        a = maximum(a, low)
    return a if high is None else minimum(a, high)
