"""Arguments given with ``donate=`` are changed for the caller, others never."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jitdiff as jd
from jitdiff.errors import ArgumentError, ArgumentTypeError


@jd.compile(donate="a")
def sweep(a, b):
    for i in range(1, len(a)):
        a[i] += 0.5 * a[i - 1] * b[i]
    b[0] = 100.0
    return np.sum(a**2)


def plain(a, b):
    for i in range(1, len(a)):
        a[i] += 0.5 * a[i - 1] * b[i]
    return np.sum(a**2)


A, B = np.linspace(0.1, 1.3, 12), np.cos(np.arange(12.0))


def test_the_donated_array_is_changed_and_no_other():
    a, b, expected = A.copy(), B.copy(), A.copy()
    for _ in range(3):
        assert_allclose(sweep(a, b), plain(expected, B))
        assert_allclose(a, expected)
    assert_allclose(b, B)


def test_any_layout_and_keywords():
    a = np.zeros((12, 2))
    a[:, 1] = A
    expected = A.copy()
    plain(expected, B)
    sweep(b=B, a=a[:, 1])
    assert_allclose(a[:, 1], expected)
    assert_allclose(a[:, 0], 0.0)


def test_derivatives_change_nothing():
    a = A.copy()
    step = 1e-6
    numerical = [(plain(A + d, B) - plain(A - d, B)) / (2 * step) for d in np.eye(12) * step]
    assert_allclose(sweep.grad(a, B), numerical, rtol=1e-6)
    assert_allclose(a, A)


def test_inside_another_compiled_function_it_changes_arrays_of_that():
    @jd.compile
    def f(a, b):
        c = a * 1.0
        total = sweep(c, b)
        return total * 2.0 + c[3] + b[0] * 0.0

    changed = A.copy()
    total = plain(changed, B)
    assert_allclose(f(A, B), 2 * total + changed[3])


def test_a_compiled_function_does_not_change_arrays_of_one_that_calls_it():
    @jd.compile
    def clear(x):
        x[:] = 0.0
        return x

    @jd.compile
    def f(x):
        y = x * 2.0
        z = clear(y)
        return np.sum(y) + np.sum(z)

    assert_allclose(f(A), np.sum(2 * A))


def test_mistakes():
    with pytest.raises(ArgumentError, match="donate='c' is no argument of plain"):
        jd.compile(plain, donate="c")
    with pytest.raises(ArgumentTypeError, match="donated argument a is a read-only array, not"):
        sweep(np.broadcast_to(1.0, 12), B)
    with pytest.raises(ArgumentTypeError, match="donated argument a is a list"):
        sweep([1.0, 2.0], B)
