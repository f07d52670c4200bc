"""Special functions of one real argument: scipy.special in plain Python, the algorithms below in compiled code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special
from numba.core import types

from jitdiff.native.extending import floating, jitable_exact, overload
from jitdiff.native.runtime.elementwise import log, log1p
from jitdiff.native.vecmath import libm

# C's lgamma is right to a few ulp everywhere but at its zeros left of 0.
gammaln = libm("lgamma", scipy.special.gammaln)

# The positive zero of digamma, in two parts.
_ROOT = 1.4616321449683622
_ROOT_REST = 9.549995429965697e-17
_LARGE = 10.0
# B(2k) / (2k), for the asymptotic series of digamma.
_DIGAMMA_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
# B(2k) / (2k)!, for the Euler-Maclaurin tail of the Hurwitz zeta function.
_ZETA_SERIES = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
    43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
)


def digamma(x: Any) -> Any:
    """Return the derivative of ``log(gamma(x))``."""
    return scipy.special.digamma(x)


def polygamma(n: Any, x: Any) -> Any:
    """Return the `n`-th derivative of ``digamma(x)``, `n` an integer from 0 up."""
    with np.errstate(all="ignore"):
        value = np.asarray(scipy.special.polygamma(n, x))[()]
    return value.astype(np.result_type(x, np.float32)) if np.asarray(x).dtype.kind == "f" else value


@jitable_exact
def _digamma_right(x: Any) -> Any:
    """Digamma right of 0: the recurrence up to where the asymptotic series holds (DLMF 5.5.2 and 5.11.2)."""
    shifted = 0.0
    while x < _LARGE:
        shifted += 1.0 / x
        x += 1.0
    square = 1.0 / (x * x)
    series = 0.0
    for coefficient in _DIGAMMA_SERIES[::-1]:
        series = (series + coefficient) * square
    return log(x) - 0.5 / x - series - shifted


@jitable_exact
def _digamma_at_root(x: Any) -> Any:
    """Digamma near its zero r, as the difference of the same formulas at x and at r, so that nothing cancels."""
    distance = (x - _ROOT) - _ROOT_REST
    shifted = 0.0
    root = _ROOT
    while x < _LARGE:
        shifted += 1.0 / (x * root)
        x += 1.0
        root += 1.0
    p, q = 1.0 / (x * x), 1.0 / (root * root)
    # The divided difference of the series between p and q, by Horner's rule.
    series = value = 0.0
    for coefficient in _DIGAMMA_SERIES[::-1]:
        series = series * q + value
        value = value * p + coefficient
    series = series * q + value
    slope = shifted + 0.5 / (x * root) + (x + root) * p * q * series
    return log1p(distance / root) + distance * slope


@jitable_exact
def _digamma64(x: Any) -> Any:
    if abs(x - _ROOT) < 0.5:
        return _digamma_at_root(x)
    if x > 0.0 or math.isnan(x):
        return _digamma_right(x)
    if x == 0.0:
        return -math.copysign(np.inf, x)
    fraction = x - np.rint(x)
    if fraction == 0.0 or math.isinf(x):
        return np.nan
    # Reflection (DLMF 5.5.4), the tangent at an exactly reduced argument.
    return _digamma_right(1.0 - x) - math.pi / math.tan(math.pi * fraction)


@jitable_exact
def _zeta_right(s: Any, q: Any) -> Any:
    """Hurwitz zeta at q > 0: terms up to where the Euler-Maclaurin tail holds (DLMF 25.11.5 with its remainder)."""
    total = 0.0
    while q < _LARGE + s:
        term = q**-s
        total += term
        if term <= 1e-17 * total and q > 1.0:
            return total
        q += 1.0
    power = q**-s
    total += q ** (1.0 - s) / (s - 1.0) + 0.5 * power
    factor = s * power / q
    square = 1.0 / (q * q)
    for k in range(len(_ZETA_SERIES)):
        total += factor * _ZETA_SERIES[k]
        factor *= (s + 2 * k + 1) * (s + 2 * k + 2) * square
    return total


@jitable_exact
def _zeta(s: Any, q: Any) -> Any:
    """Hurwitz zeta with an integer s > 1 at any real q."""
    if q > 0.0 or math.isnan(q):
        return _zeta_right(s, q)
    fraction = q - math.floor(q)
    if fraction == 0.0 or math.isinf(q):
        return np.inf
    # The terms left of 0 are those of zeta(s, 1 - fraction), up to 1 - q and with the sign of (-1)^s.
    left = _zeta_right(s, 1.0 - fraction) - _zeta_right(s, 1.0 - q)
    return _zeta_right(s, fraction) + (left if s % 2.0 == 0.0 else -left)


@jitable_exact
def _polygamma64(n: Any, x: Any) -> Any:
    if n == 0:
        return _digamma64(x)
    if n < 0:
        return np.nan
    value = math.gamma(n + 1.0) * _zeta(n + 1.0, x)
    return value if n % 2 == 1 else -value


@overload(digamma)
def _digamma(x: Any) -> Any:
    kind = floating(x)
    return lambda x: kind(_digamma64(types.float64(x)))


@overload(polygamma)
def _polygamma(n: Any, x: Any) -> Any:
    kind = floating(x)
    return lambda n, x: kind(_polygamma64(n, types.float64(x)))
