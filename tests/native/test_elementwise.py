"""Scalar functions: right to a few units in the last place at any argument, in the right dtype, and vectorised."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from jitdiff.native import runtime, vecmath
from tests.native.modules import native, run, run_in_python

UNARY = (
    "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh cbrt "
    "erf erfc sqrt floor ceil rint sign expit"
).split()
BINARY = "arctan2 hypot power maximum minimum".split()
# NumPy's functions have a version of higher precision; these here do as well as that.
EXACT = {
    "erf": np.vectorize(math.erf),
    "erfc": np.vectorize(math.erfc),
    "expit": lambda x: 1 / (1 + np.exp(-x)),
}
LOOP = "out[{k}, i] = {name}({operands})"
DTYPES = (np.float32, np.float64)


def arguments(dtype: type) -> np.ndarray:
    """Return ordinary numbers, and those where a vector version is likely to go wrong."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    edges = [0, 1, 2, 0.5, 1e-8, info.tiny, info.tiny / 4, info.smallest_subnormal, info.eps, 1 + info.eps, info.max]
    edges += [80, 88, 89, 103, 128, 149, 700, 709, 710, 745, 746, 1023, 1024, 1075, 1e5, 1e10, 1e30, np.inf, np.pi / 2]
    ordinary = [rng.normal(size=300), rng.uniform(-1, 1, 300), 30 * rng.normal(size=300)]
    ordinary.append(np.exp(rng.uniform(-80, 80, 300)))
    values = np.concatenate([edges, np.negative(edges), [np.nan], *ordinary]).astype(dtype)
    # A multiple of all widths, so that every element goes through the vector versions.
    return values[: len(values) // 16 * 16]


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Return the distance in units in the last place; infinite where only one is finite."""
    with np.errstate(all="ignore"):
        unit = np.spacing(np.maximum(np.abs(want), np.finfo(want.dtype).tiny))
        distance = np.abs(got.astype(np.longdouble) - want) / unit
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    return np.where(same, 0, np.where(np.isfinite(got) & np.isfinite(want), distance, np.inf))


def table(names: list[str], operands: str) -> str:
    lines = [f"        {LOOP.format(k=k, name=name, operands=operands)}" for k, name in enumerate(names)]
    loops = "".join(f"    for i in range(a.size):\n{line}\n" for line in lines)
    return f"out = np.empty(({len(names)}, a.size), a.dtype)\nif True:\n{loops}\nreturn out"


@pytest.fixture(scope="module", params=DTYPES)
def unary(request):
    x = arguments(request.param)
    kernel = native(table(UNARY, "a[i]"), x)
    return x, kernel


def test_unary_functions_are_right_everywhere(unary):
    x, kernel = unary
    for name, got in zip(UNARY, kernel.call(x), strict=True):
        assert got.dtype == x.dtype
        with np.errstate(all="ignore"):
            want = EXACT.get(name, getattr(np, name, None))(x.astype(np.longdouble)).astype(x.dtype)
        far = ulps(got, want) > 4
        assert not far.any(), (name, x[far], got[far], want[far])


@pytest.mark.skipif("not vecmath.variants('exp')", reason="this machine has no libmvec")
def test_loops_call_vector_versions(unary):
    x, kernel = unary
    (assembly,) = kernel.dispatcher.inspect_asm().values()
    called = set(re.findall(r"_ZGV[bde]N\d+v+_(\w+)", assembly))
    suffix = "f" if x.dtype == np.float32 else ""
    libm = ["asin", "acos", "atan", "asinh", "acosh", "atanh", *(n for n in UNARY if n in vecmath._SYMBOLS)]
    assert {name + suffix for name in libm} <= called


@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_functions_are_right_everywhere(dtype):
    x = arguments(dtype)
    rng = np.random.default_rng(1)
    pairs = [
        (x, rng.permutation(x)),
        (x, np.full_like(x, 2)),
        (np.full_like(x, 0.5), x),
        (np.abs(x), rng.permutation(x)),
    ]
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    for name, got in zip(BINARY, run(table(BINARY, "a[i], b[i]"), a, b), strict=True):
        assert got.dtype == dtype
        with np.errstate(all="ignore"):
            want = getattr(np, name)(a.astype(np.longdouble), b.astype(np.longdouble)).astype(dtype)
        far = ulps(got, want) > 4
        assert not far.any(), (name, a[far], b[far], got[far], want[far])


@pytest.mark.parametrize("dtype", DTYPES)
def test_predicates(dtype):
    x = arguments(dtype)
    body = """
    out = np.empty((2, a.size), np.bool_)
    for i in range(a.size):
        out[0, i] = isnan(a[i])
        out[1, i] = isfinite(a[i])
    return out
    """
    np.testing.assert_array_equal(run(body, x), [np.isnan(x), np.isfinite(x)])


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_integers(dtype):
    values = np.array([0, 1, 2, 7, 100], dtype) if dtype == np.uint8 else np.array([-3, 0, 1, 2, 100], dtype)
    kept = ("floor", "ceil", "rint", "sign")
    body = "return " + ", ".join(f"{name}(a[{k}])" for name in kept for k in range(5))
    assert [*run(body, values)] == [getattr(np, name)(x) for name in kept for x in values]
    body = "return exp(a[2]), sqrt(a[3]), expit(a[1]), isnan(a[0]), maximum(a[0], a[1]), minimum(a[0], a[1])"
    x = values.astype(float)
    want = (np.exp(x[2]), np.sqrt(x[3]), 1 / (1 + np.exp(-x[1])), False, x[1], x[0])
    np.testing.assert_allclose(run(body, values), want, rtol=1e-15)


def test_integer_powers():
    body = "return power(a, b)"
    for base, exponent in ((3, 4), (-2, 5), (7, 0), (0, 0), (2, 63)):
        assert run(body, base, exponent) == np.power(np.int64(base), np.int64(exponent))
    for call in (run, run_in_python):
        with pytest.raises(ValueError, match="Integers to negative integer powers are not allowed"):
            call(body, 2, -1)
    assert run(body, np.float32(2), np.float32(-1)) == 0.5
    assert run(body, np.int32(2), -0.5) == 0.5**0.5


def test_python_is_silent_and_keeps_dtypes():
    for name in UNARY:
        assert getattr(runtime, name)(np.float32(0.5)).dtype == np.float32
    assert np.isnan(runtime.log(-1.0))
    assert runtime.exp(1e3) == runtime.power(10.0, 400.0) == np.inf


def test_fast_math_respects_nan_and_infinity():
    x = np.array([np.nan, np.inf, -np.inf, 1.0])
    body = """
    total = 0.0
    largest = -np.inf
    for i in range(a.size):
        total += a[i]
        largest = maximum(largest, a[i])
    return total, largest, a[1] - a[1], a[0] == a[0]
    """
    total, largest, difference, equal = run(body, x)
    assert np.isnan([total, largest, difference]).all()
    assert equal is False
