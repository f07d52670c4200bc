"""Functions constant between jumps: their derivative is zero almost everywhere, and they stop gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import type_of
from jitdiff.ops.elementwise import divide, multiply, negative, where
from jitdiff.ops.families import pointwise
from jitdiff.ops.logic import less
from jitdiff.ops.samples import POSITIVE, REALS, array, sample
from jitdiff.ops.table import implements, unsupported

floor = pointwise("floor", np.floor, "floor({0})", samples=REALS)
ceil = pointwise("ceil", np.ceil, "ceil({0})", samples=REALS)
rint = pointwise("rint", np.rint, "rint({0})", samples=REALS)
floor_divide = pointwise("floor_divide", np.floor_divide, "{0} // {1}", samples=[REALS, POSITIVE])
remainder = pointwise(
    "remainder",
    np.remainder,
    "{0} % {1}",
    1.0,
    lambda x, y, z: negative(floor_divide(x, y)),
    samples=[REALS, POSITIVE],
)


@implements(np.trunc, samples=[sample(array(2, 3))])
def trunc(x: Any) -> Any:
    """Return `x` rounded towards zero."""
    return where(less(x, 0), ceil(x), floor(x))


@implements(np.round, samples=[sample(array(2, 3)), sample(array(3), 1), sample(array(3), decimals=-1)])
def round_(a: Any, decimals: int = 0, out: None = None) -> Any:
    """Return `a` rounded to a number of decimals, halves to the even neighbour."""
    if out is not None:
        raise unsupported("round", "the argument out= has no rule")
    if type_of(a).dtype.kind != "f":
        if decimals < 0:
            raise unsupported("round", f"integers with decimals={decimals} have no rule")
        return a
    if decimals == 0:
        return rint(a)
    power = 10.0 ** abs(decimals)
    return divide(rint(multiply(a, power)), power) if decimals > 0 else multiply(rint(divide(a, power)), power)


@implements(np.divmod, samples=[sample(array(2, 3), array(3, domain=POSITIVE))])
def divmod_(x: Any, y: Any) -> tuple[Any, Any]:
    """Return the quotient rounded down, and the rest."""
    return floor_divide(x, y), remainder(x, y)
