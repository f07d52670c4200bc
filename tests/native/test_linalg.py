"""Linear algebra of compiled code against numpy.linalg."""

from __future__ import annotations

import numpy as np
import pytest

from tests.native.modules import run, run_in_python

SIZES = (0, 1, 2, 5, 40)
SOLVE = "out = np.empty_like(b)\nsolve(a, b, out)\nreturn out"
INV = "out = np.empty_like(a)\ninv(a, out)\nreturn out"
CHOLESKY = "out = np.empty_like(a)\ncholesky(a, out)\nreturn out"
DETERMINANTS = "return det(a), slogdet_sign(a), slogdet_logabsdet(a)"


def same(got, want, tolerance=1e-9):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def matrix(rng, n, dtype=float):
    return (rng.normal(size=(n, n)) + 2 * np.eye(n)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_matrices(dtype, rng):
    tolerance = 1e-9 if dtype == np.float64 else 1e-2
    for n in SIZES:
        a = matrix(rng, n, dtype)
        positive = a @ a.T + np.eye(n, dtype=dtype)
        for columns in ((), (3,), (0,)):
            b = rng.normal(size=(n, *columns)).astype(dtype)
            got = run(SOLVE, a, b)
            assert got.dtype == dtype
            same(got, np.linalg.solve(a, b), tolerance)
        same(run(INV, a), np.linalg.inv(a), tolerance)
        same(run(CHOLESKY, positive), np.linalg.cholesky(positive), tolerance)
        same(run(DETERMINANTS, a), (np.linalg.det(a), *np.linalg.slogdet(a)), tolerance)


def test_views(rng):
    a, b = matrix(rng, 4), rng.normal(size=4)
    same(run("out = np.empty(4)\nsolve(a.T, b, out)\nreturn out", a, b), np.linalg.solve(a.T, b))
    same(run("out = np.empty((3, 3))\ninv(a[:3, 1:], out)\nreturn out", a), np.linalg.inv(a[:3, 1:]))
    same(run("return det(a.T[::2, ::2])", a), np.linalg.det(a[::2, ::2]))


@pytest.mark.parametrize("runner", [run, run_in_python])
def test_stacks(runner, rng):
    a = rng.normal(size=(2, 3, 4, 4))
    same(runner(INV, a), np.linalg.inv(a))
    positive = a @ np.swapaxes(a, -1, -2)
    same(runner(CHOLESKY, positive), np.linalg.cholesky(positive))
    for b in (rng.normal(size=(3, 4, 2)), rng.normal(size=(4, 2)), rng.normal(size=4)):
        want = np.linalg.solve(a, b)
        same(runner(f"out = np.empty({want.shape})\nsolve(a, b, out)\nreturn out", a, b), want)
    body = """
    sign, logarithm, value = np.empty((2, 3)), np.empty((2, 3)), np.empty((2, 3))
    slogdet_sign(a, sign)
    slogdet_logabsdet(a, logarithm)
    det(a, value)
    return sign, logarithm, value
    """
    same(runner(body, a), [*np.linalg.slogdet(a), np.linalg.det(a)])


@pytest.mark.parametrize("runner", [run, run_in_python])
@pytest.mark.parametrize(
    ("body", "args", "message"),
    [
        (SOLVE, (np.ones((3, 3)), np.ones(3)), "Singular matrix"),
        (SOLVE, (np.ones((3, 3)), np.ones((3, 2))), "Singular matrix"),
        (INV, (np.zeros((2, 2)),), "Singular matrix"),
        (CHOLESKY, (-np.eye(3),), "Matrix is not positive definite"),
        (INV, (np.ones((2, 3)),), "Last 2 dimensions of the array must be square"),
        ("return det(a)", (np.ones((2, 3)),), "Last 2 dimensions of the array must be square"),
    ],
)
def test_failures_raise_what_numpy_raises(runner, body, args, message):
    with pytest.raises(np.linalg.LinAlgError, match=message):
        runner(body, *args)


def test_shapes_that_do_not_fit_raise():
    with pytest.raises(ValueError, match="do not fit"):
        run(SOLVE, np.eye(3), np.ones(4))
    with pytest.raises(ValueError, match="do not fit"):
        run("out = np.empty((2, 2))\ninv(a, out)\nreturn out", np.eye(3))


def test_singular_matrices_have_determinants():
    assert run(DETERMINANTS, np.ones((3, 3))) == (0.0, 0.0, -np.inf)


def test_nan_gives_nan():
    a = np.eye(3)
    a[1, 1] = np.nan
    assert np.isnan(run(SOLVE, a, np.ones(3))).any()
    assert np.isnan(run("return det(a)", a))


def test_cholesky_reads_the_lower_triangle_alone(rng):
    a = matrix(rng, 5)
    positive = a @ a.T
    lower = np.tril(positive) + np.triu(np.full((5, 5), np.nan), 1)
    same(run(CHOLESKY, lower), np.linalg.cholesky(positive))


def test_integer_matrices():
    a = np.array([[2, 1], [1, 3]])
    body = "out = np.empty(2)\nsolve(a, b, out)\nreturn out, det(a)"
    solution, value = run(body, a, np.array([1, 2]))
    same(solution, np.linalg.solve(a, [1, 2]))
    assert np.isclose(value, 5)
