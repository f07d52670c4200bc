"""Functions that call themselves: the number that ends them becomes static."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import TracingError
from tests.frontend.agree import agrees


def factorial(n):
    return 1.0 if n <= 1 else n * factorial(n - 1)


def power(x, n):
    if n == 0:
        return 1.0
    return x * power(x, n - 1)


def fibonacci(x, n):
    if n < 2:
        return x * n
    return fibonacci(x, n - 1) + fibonacci(x, n - 2)


def even(x, n):
    return x if n == 0 else odd(x * x, n - 1)


def odd(x, n):
    return x + 1.0 if n == 0 else even(x + x, n - 1)


def euclid(x, a, b):
    if b == 0:
        return x * a
    return euclid(x * 1.5, b, a % b)


def legendre(x, n):
    if n == 0:
        return np.ones_like(x)
    if n == 1:
        return x
    return ((2 * n - 1) * x * legendre(x, n - 1) - (n - 1) * legendre(x, n - 2)) / n


def product(x):
    if len(x) == 1:
        return x[0]
    return product(x[: len(x) // 2]) * product(x[len(x) // 2 :])


def horner(c, x, i=0):
    if i == len(c) - 1:
        return c[i]
    return c[i] + x * horner(c, x, i + 1)


def closure(x, n):
    def rec(y, k):
        if k == 0:
            return y
        return rec(np.sin(y) * x, k - 1)

    return rec(x, n)


def lambda_(x, n):
    rec = lambda y, k: y if k == 0 else rec(y * x, k - 1)  # noqa: E731
    return rec(x, n)


def simpson(f, a, b, depth):
    m = (a + b) / 2
    if depth == 0:
        return (b - a) / 6 * (f(a) + 4 * f(m) + f(b))
    return simpson(f, a, m, depth - 1) + simpson(f, m, b, depth - 1)


def generated(x, n):
    if n > 0:
        yield x
        yield from generated(x * x, n - 1)


class Model:
    def __init__(self, c):
        self.c = c

    def iterate(self, x, n):
        if n == 0:
            return x * self.c
        return self.iterate(np.sin(x), n - 1)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x, n: x * factorial(n), (1.2, 5)),
        (power, (1.2, 5)),
        (power, (1.2, 40)),
        (fibonacci, (1.2, 6)),
        (even, (1.1, 3)),
        (euclid, (1.1, 12, 8)),
        (legendre, (np.array([0.1, 0.5]), 4)),
        (product, (np.arange(1.0, 6.0),)),
        (horner, (np.arange(1.0, 4.0), 2.0)),
        (closure, (1.1, 3)),
        (lambda_, (1.1, 3)),
        (lambda x, d: simpson(lambda t: np.sin(x * t), 0.0, 1.0, d), (1.3, 3)),
        (lambda x, n: sum(generated(x, n)), (1.1, 3)),
        (Model(2.0).iterate, (1.1, 3)),
        (lambda x, n: Model(x).iterate(x, n), (1.1, 3)),
    ],
)
def test_recursion(function, args):
    agrees(function, *args)


def halved(x):
    return x if x < 1 else halved(x / 2)


def test_recursion_that_a_traced_number_ends_is_refused():
    with pytest.raises(TracingError, match=r"calls itself too deeply(.|\n)*in halved"):
        jd.compile(halved)(10.0)
