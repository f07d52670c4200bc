"""Scans and places of extremes against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.native.modules import run, run_in_python

ARRAYS = [
    np.array([3.0, 1, 4, 1, 5]),
    np.arange(24.0).reshape(2, 3, 4)[::-1].copy(),
    np.array([[1.0, np.nan, 3], [np.nan, 5, 6]]),
    np.array([3, -1, 2, 3, 7, 7]),
    np.array([False, True, True]),
]


@pytest.mark.parametrize("runner", [run, run_in_python])
@pytest.mark.parametrize("x", ARRAYS, ids=lambda x: f"{x.dtype}{x.shape}")
def test_scans(runner, x):
    kind = np.cumsum(x, axis=0).dtype
    body = f"""
    sums, products = np.empty({x.shape}, np.{kind}), np.empty({x.shape}, np.{kind})
    cumsum(a, b, sums)
    cumprod(a, b, products)
    return sums, products
    """
    for axis in range(-x.ndim, x.ndim):
        sums, products = runner(body, x, axis)
        np.testing.assert_array_equal(sums, np.cumsum(x, axis=axis))
        np.testing.assert_array_equal(products, np.cumprod(x, axis=axis))


@pytest.mark.parametrize("runner", [run, run_in_python])
@pytest.mark.parametrize("x", ARRAYS, ids=lambda x: f"{x.dtype}{x.shape}")
def test_places(runner, x):
    assert runner("return argmax(a), argmin(a)", x) == (np.argmax(x), np.argmin(x))
    if x.ndim == 1:
        return
    for axis in range(x.ndim):
        want = np.argmax(x, axis=axis)
        body = f"""
        largest, smallest = np.empty({want.shape}, np.intp), np.empty({want.shape}, np.intp)
        argmax(a, {axis}, largest)
        argmin(a, {axis}, smallest)
        return largest, smallest
        """
        got = runner(body, x)
        np.testing.assert_array_equal(got[0], want)
        np.testing.assert_array_equal(got[1], np.argmin(x, axis=axis))


@pytest.mark.parametrize("runner", [run, run_in_python])
def test_recurrence(runner):
    a, b = np.random.default_rng(0).normal(size=(2, 4, 3))
    body = "out = np.empty((4, 3))\nrecurrence(a, b, {}, out)\nreturn out"
    down = [b[0]]
    for i in range(1, 4):
        down.append(a[i] * down[-1] + b[i])
    np.testing.assert_allclose(runner(body.format(0), a, b), down)
    across = [b[:, 0]]
    for j in range(1, 3):
        across.append(a[:, j] * across[-1] + b[:, j])
    np.testing.assert_allclose(runner(body.format(1), a, b), np.transpose(across))


def test_views():
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(
        run("out = np.empty((4, 3))\ncumsum(a.T, 0, out)\nreturn out", x), np.cumsum(x.T, axis=0)
    )
    np.testing.assert_array_equal(
        run("out = np.empty(3, np.intp)\nargmax(a[:, ::2], 1, out)\nreturn out", x), np.argmax(x[:, ::2], axis=1)
    )


def test_empty_arrays():
    body = "out = np.empty((0, 3))\ncumsum(a, {}, out)\nreturn out"
    for axis in (0, 1):
        assert run(body.format(axis), np.empty((0, 3))).shape == (0, 3)
    for body in ("return argmax(a)", "out = np.empty(3, np.intp)\nargmin(a, 0, out)\nreturn out"):
        with pytest.raises(ValueError, match="empty"):
            run(body, np.empty((0, 3)))


@pytest.mark.parametrize(
    "body",
    [
        "out = np.empty((3, 3))\ncumsum(a, 0, out)\nreturn out",
        "out = np.empty((3, 4))\ncumsum(a, 2, out)\nreturn out",
        "out = np.empty(5, np.intp)\nargmax(a, 0, out)\nreturn out",
        "out = np.empty(3, np.intp)\nargmax(a, -3, out)\nreturn out",
    ],
)
def test_what_does_not_fit_raises(body):
    with pytest.raises(ValueError, match=r"shape|range"):
        run(body, np.ones((3, 4)))
