"""Special functions of compiled code against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from tests.native.modules import run

LOOP = """
out = np.empty(a.size, a.dtype)
for i in range(a.size):
    out[i] = {}
return out
"""
RNG = np.random.default_rng(0)
ROOT = 1.4616321449683622
POSITIVE = np.concatenate(
    [
        np.exp(RNG.uniform(-30, 30, 300)),
        RNG.uniform(0.5, 3, 300),
        ROOT * (1 + RNG.normal(size=200) * 10.0 ** RNG.uniform(-16, -1, 200)),
        [1, 2, 3, ROOT, np.nextafter(ROOT, 2), 1e-300, 1e300, np.inf],
    ]
)
NEGATIVE = np.concatenate([-RNG.uniform(0, 30, 300), -np.exp(RNG.uniform(0, 15, 100))])
# Next to the poles SciPy's tangent loses digits.
NEGATIVE = NEGATIVE[np.abs(NEGATIVE - np.rint(NEGATIVE)) > 0.01]
SPECIAL = np.array([0.0, -0.0, -1, -2, np.nan, -np.inf])


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def test_digamma():
    body = LOOP.format("digamma(a[i])")
    np.testing.assert_allclose(run(body, POSITIVE), scipy.special.digamma(POSITIVE), rtol=1e-13)
    np.testing.assert_allclose(run(body, NEGATIVE), scipy.special.digamma(NEGATIVE), rtol=2e-13)
    np.testing.assert_array_equal(run(body, SPECIAL), scipy.special.digamma(SPECIAL))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 8])
def test_polygamma(n):
    body = LOOP.format("polygamma(b, a[i])")
    for x in (POSITIVE, NEGATIVE):
        np.testing.assert_allclose(run(body, x, n), scipy.special.polygamma(n, x), rtol=2e-13)
    if n > 0:
        np.testing.assert_array_equal(run(body, np.array([0.0, -1, -2]), n), np.inf * (-1) ** (n + 1))
        np.testing.assert_array_equal(run(body, np.array([np.nan, np.inf]), n), [np.nan, 0])


def test_gammaln():
    body = LOOP.format("gammaln(a[i])")
    # Next to its zeros at 1 and 2, where SciPy has an error of 3e-13, a bound on the absolute error.
    np.testing.assert_allclose(run(body, POSITIVE), scipy.special.gammaln(POSITIVE), rtol=1e-13, atol=3e-16)
    away = NEGATIVE[np.abs(scipy.special.gammaln(NEGATIVE)) > 1e-2]
    np.testing.assert_allclose(run(body, away), scipy.special.gammaln(away), rtol=1e-12)
    np.testing.assert_array_equal(run(body, np.array([0.0, -1, np.nan, np.inf])), [np.inf, np.inf, np.nan, np.inf])


@pytest.mark.parametrize("call", ["gammaln(a[i])", "digamma(a[i])", "polygamma(1, a[i])"])
def test_float32(call):
    x = POSITIVE[(POSITIVE > 1e-6) & (POSITIVE < 1e6)].astype(np.float32)
    got = run(LOOP.format(call), x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, run(LOOP.format(call), x.astype(float)), rtol=3e-6, atol=1e-7)
