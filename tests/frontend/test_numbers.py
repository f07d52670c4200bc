"""NumPy's scalar types, shifts and products in compiled code."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jitdiff as jd
from tests.frontend.agree import agrees

X = np.array([0.5, 1.5, 2.0])
KINDS = [np.float64, np.float32, np.int64, np.int32, np.int8, np.uint8, np.uint64, np.bool_]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "function",
    [
        lambda kind, x: x * kind(0.7),
        lambda kind, x: x * kind([1, 2, 3]),
        lambda kind, x: x * kind(),
        lambda kind, x: x * kind("1"),
        lambda kind, x: x * kind(np.float64(2.5)),
        lambda kind, x: x + kind(x[2]),
        lambda kind, x: x * kind(x),
        lambda kind, x: x * kind([x[0], x[1], 1]),
        lambda kind, x: x * x.dtype.type(0.7) * kind(len(x)),
        lambda kind, x: sum(kind(k) * x[k] for k in range(3)),
    ],
)
def test_scalar_types(kind, function):
    compiled = jd.compile(lambda x: function(kind, x))
    assert_allclose(compiled(X), function(kind, X))
    assert compiled(X).dtype == function(kind, X).dtype
    assert compiled(X.astype(np.float32)).dtype == function(kind, X.astype(np.float32)).dtype
    if kind is np.float64:
        agrees(lambda x: function(kind, x), X)


def rolled(x):
    s = 0.0
    for row in jd.range(len(x)):
        s = s + np.prod(x[row]) * np.prod(np.sin(x))
    return s


@pytest.mark.parametrize("columns", [1, 3, 20])
def test_products_in_loops(columns):
    x = np.linspace(0.7, 1.5, 2 * columns).reshape(2, columns)
    agrees(rolled, x)
    agrees(lambda x: jd.vmap(jd.grad(jd.compile(np.prod)))(x), x)
    agrees(rolled, x * (x != x[1, 0]))


def strided(x, n):
    s = 0.0
    for i in range(0, len(x), n):
        s = s + x[i] ** 2
    for i in range(len(x) - 1, -1, -n):
        s = s * x[i]
    return s


@pytest.mark.parametrize("kind", [int, np.int64, np.int32, np.array])
def test_steps_of_ranges(kind):
    agrees(strided, np.linspace(0.5, 1.5, 7), kind(2))


def bits(x, n):
    count = 0
    while n:
        count += n & 1
        n >>= 1
    return x * count


def generator(x, state):
    s = 0.0
    for _ in range(50):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 7
        s = s + x * ((state | 1) & 0xFF)
    return s


@pytest.mark.parametrize("function", [bits, generator, lambda x, n: x * (n << 3) + (1 << n) - (100 >> n) + (~n ^ 5)])
@pytest.mark.parametrize("n", [13, np.int64(13)])
def test_bits(function, n):
    agrees(function, 0.7, n)
