"""Functions of scipy.special."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

from jitdiff.ir import ArrayType, broadcast_shapes, type_of
from jitdiff.ops.axes import Axes
from jitdiff.ops.batching import elementwise
from jitdiff.ops.elementwise import add, astype, divide, multiply, negative, stop_gradient, subtract, where
from jitdiff.ops.emission import Element, Index, Read, Site, broadcast_index
from jitdiff.ops.families import every_operand, general, pointwise, promote_floating
from jitdiff.ops.logic import isfinite
from jitdiff.ops.math import exp, log, log1p
from jitdiff.ops.reduce import max_, sum_over
from jitdiff.ops.samples import POSITIVE, PROBABILITIES, REALS, array, sample
from jitdiff.ops.shape import reshaped
from jitdiff.ops.table import Level, Op, implements, unsupported

_BELL = 2 / math.sqrt(math.pi)

expit = pointwise("expit", scipy.special.expit, "expit({0})", lambda x, y: y * (1.0 - y), samples=REALS)
erf = pointwise("erf", scipy.special.erf, "erf({0})", lambda x, y: _BELL * exp(-(x * x)), samples=REALS)
erfc = pointwise("erfc", scipy.special.erfc, "erfc({0})", lambda x, y: -_BELL * exp(-(x * x)), samples=REALS)
gammaln = pointwise(
    "gammaln", scipy.special.gammaln, "gammaln({0})", lambda x, y: digamma(x), steep=Level.PART, samples=POSITIVE
)
digamma: Op = pointwise(
    "digamma", scipy.special.psi, "digamma({0})", lambda x, y: polygamma_(x, n=1), steep=Level.PART, samples=POSITIVE
)


def _polygamma_element(at: Index, read: Read, site: Site) -> str:
    return f"polygamma({site.attrs['n']}, {read(0, at)})"


def _polygamma(x: Any, *, n: int) -> Any:
    (dtype,) = promote_floating(type_of(x))
    return np.asarray(scipy.special.polygamma(n, x)).astype(dtype)[()]


polygamma_: Op = general(
    "polygamma",
    _polygamma,
    lambda t, *, n: ArrayType(t.dtype, t.shape),
    Element(_polygamma_element, costly=True),
    lambda xs, y, g, *, n: (multiply(g, polygamma_(xs[0], n=n + 1)),),
    guards=every_operand,
    steep=Level.PART,
    operands=promote_floating,
    batch=elementwise,
    samples=[sample(array(2, 3, domain=POSITIVE), n=1), sample(array(3, domain=POSITIVE), n=3)],
)


@implements(scipy.special.polygamma, samples=[sample(2, array(3, domain=POSITIVE))])
def polygamma(n: int, x: Any) -> Any:
    """Return the `n`-th derivative of the digamma function, in double precision as SciPy does."""
    x = astype(x, dtype=np.dtype(np.float64))
    return digamma(x) if n == 0 else polygamma_(x, n=int(n))


@implements(scipy.special.logit, samples=[sample(array(2, 3, domain=PROBABILITIES))])
def logit(x: Any) -> Any:
    """Return ``log(x / (1 - x))``."""
    return subtract(log(x), log1p(multiply(x, -1.0)))


def _log(y: Any) -> Any:
    if isinstance(y, int | float):
        return math.log(y) if y > 0 else -math.inf if y == 0 else math.nan
    return log(y)


xlogy = pointwise(
    "xlogy",
    scipy.special.xlogy,
    "({0} * log({1}) if {0} != 0 or isnan({1}) else 0.0)",
    lambda x, y, z: _log(y),
    lambda x, y, z: ratio(x, y),
    steep=Level.PART,
    samples=[REALS, POSITIVE],
)


def _ratio(x: Any, y: Any) -> Any:
    quotient = np.divide(x, y)
    return np.where(np.logical_and(np.equal(x, 0), np.logical_not(np.isnan(y))), np.zeros_like(quotient), quotient)[()]


def _ratio_element(at: Index, read: Read, site: Site) -> str:
    x, y = (read(k, broadcast_index(at, t.shape)) for k, t in enumerate(site.types))
    return f"({x} / {y} if {x} != 0 or isnan({y}) else 0.0)"


ratio: Op = general(
    "ratio",
    _ratio,
    lambda x, y: ArrayType(promote_floating(x, y)[0], broadcast_shapes(x.shape, y.shape)),
    Element(_ratio_element),
    lambda xs, z, g: [divide(g, xs[1]), lambda: multiply(g, negative(ratio(z, xs[1])))],
    guards=every_operand,
    steep=Level.PART,
    operands=promote_floating,
    batch=elementwise,
    samples=[sample(array(2, 3), array(3, domain=POSITIVE)), sample(np.zeros(2), array(2))],
)
"""``ratio(x, y)`` is ``x / y``, and 0 where `x` is 0: the derivative of ``x * log(y)`` by `y`."""


@implements(
    scipy.special.logsumexp,
    samples=[
        sample(array(2, 3)),
        sample(array(2, 3), axis=-1, keepdims=True),
        sample(array(2, 3), axis=0, b=array(2, 3, domain=POSITIVE)),
    ],
)
def logsumexp(a: Any, axis: Axes = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """Return ``log(sum(b * exp(a)))`` without overflow."""
    if return_sign:
        raise unsupported("logsumexp", "the argument return_sign= has no rule")
    a = multiply(a, 1.0)
    highest = stop_gradient(max_(a, axis, keepdims=True))
    highest = where(isfinite(highest), highest, 0.0)
    terms = exp(subtract(a, highest))
    total = log(sum_over(terms if b is None else multiply(b, terms), axis, keepdims=keepdims))
    return add(total, highest if keepdims else reshaped(highest, type_of(total).shape))


@implements(scipy.special.softmax, samples=[sample(array(2, 3)), sample(array(2, 3), axis=1)])
def softmax(x: Any, axis: Axes = None) -> Any:
    """Return ``exp(x)`` divided by its sum."""
    terms = exp(subtract(x, stop_gradient(max_(x, axis, keepdims=True))))
    return divide(terms, sum_over(terms, axis, keepdims=True))


@implements(scipy.special.log_softmax, samples=[sample(array(2, 3)), sample(array(2, 3), axis=1)])
def log_softmax(x: Any, axis: Axes = None) -> Any:
    """Return the logarithm of the softmax."""
    return subtract(x, logsumexp(x, axis, keepdims=True))
