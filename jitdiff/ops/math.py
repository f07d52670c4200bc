"""Exponentials, logarithms, trigonometric and hyperbolic functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitdiff.ops.elementwise import absolute, add, divide, multiply, negative, subtract
from jitdiff.ops.families import pointwise
from jitdiff.ops.kinks import settled
from jitdiff.ops.power import sqrt
from jitdiff.ops.samples import ABOVE_ONE, POSITIVE, REALS, UNIT, array, sample
from jitdiff.ops.table import Level, Op, implements

LN2, LN10 = math.log(2), math.log(10)

exp = pointwise("exp", np.exp, "exp({0})", lambda x, y: y, samples=REALS)
exp2 = pointwise("exp2", np.exp2, "exp2({0})", lambda x, y: LN2 * y, samples=REALS)
expm1 = pointwise("expm1", np.expm1, "expm1({0})", lambda x, y: exp(x), samples=REALS)
log = pointwise("log", np.log, "log({0})", lambda x, y: divide(1.0, x), steep=Level.PART, samples=POSITIVE)
log2 = pointwise("log2", np.log2, "log2({0})", lambda x, y: divide(1.0, LN2 * x), steep=Level.PART, samples=POSITIVE)
log10 = pointwise(
    "log10", np.log10, "log10({0})", lambda x, y: divide(1.0, LN10 * x), steep=Level.PART, samples=POSITIVE
)
log1p = pointwise(
    "log1p", np.log1p, "log1p({0})", lambda x, y: divide(1.0, 1.0 + x), steep=Level.PART, samples=POSITIVE
)

sin = pointwise("sin", np.sin, "sin({0})", lambda x, y: cos(x), samples=REALS)
cos: Op = pointwise("cos", np.cos, "cos({0})", lambda x, y: negative(sin(x)), samples=REALS)
tan = pointwise("tan", np.tan, "tan({0})", lambda x, y: 1.0 + y * y, steep=Level.PART, samples=UNIT)
arcsin = pointwise("arcsin", np.arcsin, "arcsin({0})", lambda x, y: _arcsin_slope(x), steep=Level.FACTOR, samples=UNIT)
arccos = pointwise(
    "arccos", np.arccos, "arccos({0})", lambda x, y: negative(_arcsin_slope(x)), steep=Level.FACTOR, samples=UNIT
)
arctan = pointwise("arctan", np.arctan, "arctan({0})", lambda x, y: divide(1.0, 1.0 + x * x), samples=REALS)
arctan2 = pointwise(
    "arctan2",
    np.arctan2,
    "arctan2({0}, {1})",
    lambda x, y, z: divide(y, x * x + y * y),
    lambda x, y, z: negative(divide(x, x * x + y * y)),
    steep=Level.PART,
    samples=[REALS, POSITIVE],
)

sinh = pointwise("sinh", np.sinh, "sinh({0})", lambda x, y: cosh(x), samples=REALS)
cosh: Op = pointwise("cosh", np.cosh, "cosh({0})", lambda x, y: sinh(x), samples=REALS)
tanh = pointwise("tanh", np.tanh, "tanh({0})", lambda x, y: 1.0 - y * y, samples=REALS)
arcsinh = pointwise("arcsinh", np.arcsinh, "arcsinh({0})", lambda x, y: divide(1.0, sqrt(1.0 + x * x)), samples=REALS)
arccosh = pointwise(
    "arccosh", np.arccosh, "arccosh({0})", lambda x, y: _arccosh_slope(x), steep=Level.FACTOR, samples=ABOVE_ONE
)
arctanh = pointwise(
    "arctanh",
    np.arctanh,
    "arctanh({0})",
    lambda x, y: divide(1.0, (1.0 - x) * (1.0 + x)),
    steep=Level.PART,
    samples=UNIT,
)


def _arcsin_slope(x: Any) -> Any:
    return divide(1.0, sqrt((1.0 - x) * (1.0 + x)))


def _arccosh_slope(x: Any) -> Any:
    return divide(1.0, sqrt((x - 1.0) * (x + 1.0)))


def _hypot_rule(xs: Any, z: Any, g: Any) -> Any:
    x, y = xs
    # At the origin, where the norm has a kink, both are 0.
    far = add(absolute(x), absolute(y))
    return [settled(g, divide(leg, z), far) for leg in (x, y)]


hypot = pointwise("hypot", np.hypot, "hypot({0}, {1})", 0.0, 0.0, vjp=_hypot_rule, steep=Level.FACTOR, samples=REALS)


logaddexp = pointwise(
    "logaddexp",
    np.logaddexp,
    # Two equal infinities have no difference.
    "{0} if {0} == {1} and abs({0}) == np.inf else maximum({0}, {1}) + log1p(exp(-abs({0} - {1})))",
    lambda x, y, z: exp(subtract(x, z)),
    lambda x, y, z: exp(subtract(y, z)),
    samples=REALS,
)


@implements(np.deg2rad, samples=[sample(array(2, 3))])
def deg2rad(x: Any) -> Any:
    """Return an angle in degrees in radians."""
    return multiply(x, math.pi / 180)


@implements(np.rad2deg, samples=[sample(array(2, 3))])
def rad2deg(x: Any) -> Any:
    """Return an angle in radians in degrees."""
    return multiply(x, 180 / math.pi)


implements(np.radians, samples=[sample(array(2, 3))])(deg2rad)
implements(np.degrees, samples=[sample(array(2, 3))])(rad2deg)
