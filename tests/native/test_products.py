"""Matrix products into a given array, for all layouts, sizes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitdiff.native import runtime
from tests.native.modules import run, run_in_python

# Views as emitted code makes them: transposed, or with a gap between elements.
VIEWS = {"C": "{0}", "F": "{0}.T", "A": "{0}[:, ::2]"}
SIZES = [(3, 4, 5), (17, 9, 12), (1, 1, 1), (0, 3, 2), (3, 0, 2), (3, 2, 0)]


def stored(x: np.ndarray, layout: str) -> np.ndarray:
    """Return the C-contiguous array that the view of this layout shows `x` of."""
    if layout == "A":
        return np.repeat(x, 2, axis=1)
    return np.ascontiguousarray(x.T) if layout == "F" else x


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return (5 * rng.normal(size=shape)).astype(dtype)


def check(got: np.ndarray, want: np.ndarray) -> None:
    assert got.dtype == want.dtype
    tolerance = 1e-4 if want.dtype == np.float32 else 1e-11
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("layouts", ["CC", "CF", "FC", "FF", "CA", "AF"])
def test_matrices_of_all_layouts(layouts, rng):
    views = [VIEWS[layout].format(name) for layout, name in zip(layouts, "ab", strict=True)]
    body = f"out = np.empty((c, d))\nmatmul({views[0]}, {views[1]}, out)\nreturn out"
    for m, k, n in SIZES:
        a, b = numbers(rng, (m, k), float), numbers(rng, (k, n), float)
        check(run(body, stored(a, layouts[0]), stored(b, layouts[1]), m, n), a @ b)


@pytest.mark.parametrize("layout", VIEWS)
def test_vectors(layout, rng):
    matrix = VIEWS[layout].format("a")
    body = f"""
    out, tuo = np.empty(d), np.empty(e)
    matmul({matrix}, b, out)
    matmul(c, {matrix}, tuo)
    return out, tuo
    """
    for m, n in [(3, 4), (101, 7), (0, 3), (3, 0), (800, 700)]:
        a, b, c = numbers(rng, (m, n), float), numbers(rng, (n,), float), numbers(rng, (m,), float)
        for got, want in zip(run(body, stored(a, layout), b, c, m, n), (a @ b, c @ a), strict=True):
            check(got, want)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int32, np.bool_])
def test_dtypes(dtype, rng):
    body = """
    out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    row = np.empty(a.shape[0], a.dtype)
    matmul(a, b, out)
    matmul(a, b.T[0].copy(), row)
    return out, row
    """
    for m, k, n in SIZES[:2]:
        a, b = numbers(rng, (m, k), dtype), numbers(rng, (k, n), dtype)
        out, row = run(body, a, b)
        check(out, a @ b)
        check(row, a @ b[:, 0])


def test_mixed_dtypes(rng):
    a, b = numbers(rng, (7, 8), np.float32), numbers(rng, (8, 9), np.int64)
    check(run("out = np.empty((7, 9))\nmatmul(a, b, out)\nreturn out", a, b), a @ b)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((4, 3, 5), (5,)),
        ((4, 3, 5), (5, 2)),
        ((4, 3, 5), (4, 5, 2)),
        ((4, 3, 5), (1, 5, 2)),
        ((3, 5), (4, 5, 2)),
        ((5,), (4, 5, 2)),
        ((2, 1, 3, 5), (4, 5, 2)),
        ((0, 3, 5), (0, 5, 2)),
    ],
)
def test_stacks(left, right, rng):
    a, b = numbers(rng, left, float), numbers(rng, right, float)
    want = a @ b
    body = f"out = np.empty({want.shape})\nmatmul(a, b, out)\nreturn out"
    check(run(body, a, b), want)
    check(run_in_python(body, a, b), want)


def test_read_only_operands_are_not_copied():
    a, b = np.eye(3), np.arange(3.0)
    a.flags.writeable = b.flags.writeable = False
    check(run("out = np.empty(3)\nmatmul(a.T, b, out)\nreturn out", a, b), b)


def test_dot(rng):
    a, b = numbers(rng, (11,), float), numbers(rng, (11,), float)
    assert np.isclose(run("return dot(a, b)", a, b), runtime.dot(a, b))
    assert run("return dot(a, b)", np.arange(4), np.arange(4)) == 14


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ((2, 3), (2,), (2,)),
        ((2, 3), (3,), (3,)),
        ((20, 30), (30, 20), (21, 20)),
        ((20, 30), (29, 20), (20, 20)),
        ((2, 3, 3), (3, 3, 3), (3, 3, 3)),
        ((2, 3, 4), (4,), (3, 2)),
    ],
)
def test_shapes_that_do_not_fit_raise(left, right, result):
    with pytest.raises(ValueError, match="do not"):
        run(f"out = np.empty({result})\nmatmul(a, b, out)\nreturn out", np.ones(left), np.ones(right))


def test_nan_and_infinity_run_through():
    a = np.array([[0.0, np.nan], [1.0, np.inf]])
    body = "out = np.empty((2, 2))\nmatmul(a, b, out)\nreturn out"
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(run(body, a, np.eye(2)), a @ np.eye(2))
