"""Powers and roots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitdiff.ir import type_of
from jitdiff.ops.batching import elementwise
from jitdiff.ops.elementwise import add, astype, divide, identity, multiply, square, subtract, where, zeros_like
from jitdiff.ops.emission import Element, Index, Read, Site
from jitdiff.ops.families import general, pointwise, promoted_dtype
from jitdiff.ops.logic import equal
from jitdiff.ops.samples import POSITIVE, REALS, Domain, array, sample
from jitdiff.ops.table import Handle, implements, unsupported


def _root_slope(x: Any, y: Any) -> Any:
    return divide(0.5, where(equal(y, 0), math.inf, y))


# Of a sum of squares: like a norm, it has the derivative 0 where it is 0. What stands for np.sqrt is entered after it.
root = pointwise("root", np.sqrt, "sqrt({0})", _root_slope, samples=POSITIVE)
sqrt = pointwise("sqrt", np.sqrt, "sqrt({0})", lambda x, y: divide(0.5, y), samples=POSITIVE)
cbrt = pointwise("cbrt", np.cbrt, "cbrt({0})", lambda x, y: divide(1.0, 3.0 * (y * y)), samples=POSITIVE)


def _by_base(x: Any, y: Any, z: Any) -> Any:
    """Return y*x**(y - 1), and 0 wherever y is 0."""
    if isinstance(y, int | float | np.floating | np.integer):
        return zeros_like(x) if y == 0 else multiply(y, power(x, y - 1))
    zero = equal(y, 0)
    return where(zero, 0.0, multiply(y, power(x, where(zero, 1.0, subtract(y, 1)))))


def _by_exponent(x: Any, y: Any, z: Any) -> Any:
    """Return z*log(x), and 0 where x is 0 (there z is 0 too, unless y is, and x**0 is constant)."""
    from jitdiff.ops.math import log

    if isinstance(x, int | float):
        return multiply(z, math.log(x) if x > 0 else 0.0 if x == 0 else math.nan)
    return multiply(z, log(where(equal(x, 0), 1.0, x)))


general_power = pointwise("power", np.power, "power({0}, {1})", _by_base, _by_exponent, samples=[POSITIVE, REALS])
constant_power = pointwise("constant_power", np.power, "power({0}, {1})", _by_base, None, samples=[POSITIVE, 2.7])


def _integer_power_element(at: Index, read: Read, site: Site) -> str:
    return f"{read(0, at)}**{site.attrs['exponent']}"


def _integer_power_vjp(xs: Any, y: Any, g: Any, *, exponent: int) -> Any:
    return (multiply(g, multiply(exponent, power(xs[0], exponent - 1))),)


integer_power = general(
    "integer_power",
    lambda x, *, exponent: np.power(x, exponent),
    lambda t, *, exponent: t if t.dtype.kind != "b" else t.with_dtype(np.int64),
    Element(_integer_power_element),
    _integer_power_vjp,
    batch=elementwise,
    samples=[sample(array(2, 3), exponent=3), sample(array(3), exponent=4), sample(array(), exponent=16)],
)

MULTIPLIED_OUT = 16
"""Largest exponent that is computed by multiplication."""


@implements(
    np.power,
    samples=[
        sample(array(2, 3, domain=POSITIVE), array(3)),
        sample(2.5, array(3)),
        *(sample(array(2, 3, domain=POSITIVE), n) for n in (0, 1, 2, 3, -1, -3, 0.5, 1.5, 2.0)),
        sample(array(3, domain=Domain(0.9, 1.1)), 20),
    ],
)
def power(x: Any, y: Any) -> Any:
    """Return ``x**y``; a known exponent that is whole, or a half, without calling a power function."""
    base, exponent = type_of(x), type_of(y)
    known = isinstance(y, int | float | np.number) and base.dtype.kind in "fi"
    if not known or promoted_dtype(base, exponent) != base.dtype:
        return general_power(x, y) if isinstance(y, Handle) else constant_power(x, y)
    if y == 0.5:
        return sqrt(x)
    if y != math.floor(y) or abs(y) > MULTIPLIED_OUT or (y < 0 and base.dtype.kind == "i"):
        return constant_power(x, y)
    match int(y):
        case 0:
            return add(zeros_like(x), 1)
        case 1:
            return identity(x)
        case 2:
            return square(x)
        case n if n > 0:
            return integer_power(x, exponent=n)
        case n:
            return divide(1.0, power(x, -n))


@implements(np.float_power, samples=[sample(array(3, domain=POSITIVE), 2), sample(array(3, domain=POSITIVE), array(3))])
def float_power(x: Any, y: Any) -> Any:
    """Return ``x**y`` in double precision."""
    return power(astype(x, dtype=np.dtype(np.float64)), y)


@implements(np.reciprocal, samples=[sample(array(2, 3, domain=POSITIVE))])
def reciprocal(x: Any) -> Any:
    """Return ``1/x``."""
    if type_of(x).dtype.kind != "f":
        raise unsupported("reciprocal", "of integers it rounds to zero", hint="write 1 / x")
    return divide(1.0, x)
