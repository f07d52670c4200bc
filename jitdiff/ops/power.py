"""Powers and roots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, broadcast_shapes, type_of
from jitdiff.ops.batching import elementwise
from jitdiff.ops.elementwise import add, astype, divide, identity, multiply, square, subtract, zeros_like
from jitdiff.ops.emission import Element, Index, Read, Site, broadcast_index
from jitdiff.ops.families import every_operand, general, pointwise, promote_floating, promoted_dtype
from jitdiff.ops.kinks import root_rule
from jitdiff.ops.samples import POSITIVE, REALS, Domain, array, sample
from jitdiff.ops.table import Handle, Level, Op, implements, unsupported

# Of a sum of squares: like a norm, it has the derivative 0 where it is 0. What stands for np.sqrt is entered after it.
root = pointwise("root", np.sqrt, "sqrt({0})", 0.0, vjp=root_rule, steep=Level.FACTOR, samples=POSITIVE)
sqrt = pointwise("sqrt", np.sqrt, "sqrt({0})", lambda x, y: divide(0.5, y), steep=Level.FACTOR, samples=POSITIVE)
cbrt = pointwise(
    "cbrt", np.cbrt, "cbrt({0})", lambda x, y: divide(1.0, 3.0 * (y * y)), steep=Level.FACTOR, samples=POSITIVE
)


def _by_base(x: Any, y: Any, z: Any) -> Any:
    """Return y*x**(y - 1), and 0 wherever y is 0."""
    if isinstance(y, int | float | np.floating | np.integer):
        return zeros_like(x) if y == 0 else multiply(y, power(x, y - 1))
    return power_slope(x, y)


def _by_exponent(x: Any, y: Any, z: Any) -> Any:
    """Return z*log(x), and 0 where x is 0 (there z is 0 too, unless y is, and x**0 is constant)."""
    if isinstance(x, int | float):
        return multiply(z, math.log(x) if x > 0 else 0.0 if x == 0 else math.nan)
    return power_log(x, y, n=1, one=True)


general_power = pointwise(
    "power", np.power, "power({0}, {1})", _by_base, _by_exponent, steep=Level.FACTOR, samples=[POSITIVE, REALS]
)
constant_power = pointwise(
    "constant_power", np.power, "power({0}, {1})", _by_base, None, steep=Level.FACTOR, samples=[POSITIVE, 2.7]
)


def _power_slope(x: Any, y: Any) -> Any:
    y = np.asarray(y)
    return np.where(y == 0, 0, y * np.power(x, y - 1))[()]


power_slope: Op = pointwise(
    "power_slope",
    _power_slope,
    "({1} * power({0}, {1} - 1) if {1} != 0 else 0.0)",
    lambda x, y, z: multiply(y, power_slope(x, subtract(y, 1))),
    lambda x, y, z: add(general_power(x, subtract(y, 1)), multiply(y, _logarithm_of(x, subtract(y, 1), 1))),
    steep=Level.FACTOR,
    samples=[POSITIVE, REALS],
)
"""The derivative of ``x**y`` by `x`, right also where `y` is 0."""


def _logarithm_of(x: Any, y: Any, n: int) -> Any:
    """Return ``x**y * log(x)**n``."""
    return general_power(x, y) if n == 0 else power_log(x, y, n=n, one=False)


def _power_log_vjp(xs: Any, z: Any, g: Any, *, n: int, one: bool) -> Any:
    x, y = xs

    def by_x() -> Any:
        less = subtract(y, 1)
        return multiply(g, add(multiply(y, _logarithm_of(x, less, n)), multiply(n, _logarithm_of(x, less, n - 1))))

    return by_x, lambda: multiply(g, _logarithm_of(x, y, n + 1))


def _power_log(x: Any, y: Any, *, n: int, one: bool) -> Any:
    product = np.power(x, y) * np.log(x) ** n
    zero = np.greater_equal(y, 0) if one else np.greater(y, 0)
    return np.where(np.logical_and(np.equal(x, 0), zero), np.zeros_like(product), product)[()]


def _power_log_element(at: Index, read: Read, site: Site) -> str:
    x, y = (read(k, broadcast_index(at, t.shape)) for k, t in enumerate(site.types))
    exponent = "" if site.attrs["n"] == 1 else f"**{site.attrs['n']}"
    return f"(power({x}, {y}) * log({x}){exponent} if {x} != 0 or {y} {'<' if site.attrs['one'] else '<='} 0 else 0.0)"


power_log: Op = general(
    "power_log",
    _power_log,
    lambda x, y, *, n, one: ArrayType(promote_floating(x, y)[0], broadcast_shapes(x.shape, y.shape)),
    Element(_power_log_element, costly=True),
    _power_log_vjp,
    guards=every_operand,
    steep=Level.FACTOR,
    operands=promote_floating,
    batch=elementwise,
    samples=[
        sample(*[array(2, 3, domain=POSITIVE)] * 2, n=1, one=True),
        sample(*[array(3, domain=POSITIVE)] * 2, n=2, one=False),
    ],
)
"""``power_log(x, y, n=n, one=True)`` is the n-th derivative of ``x**y`` by `y`.

It is 0 where `x` is 0 and `y` is positive; `one` says that it is 0 for ``0**0`` too.
"""


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
    guards=every_operand,
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
