"""Integer arguments whose number a trace needs, whichever way it asks: they become static."""

import fractions
import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jitdiff as jd
from jitdiff.errors import JitdiffError, TracingError
from jitdiff.frontend import NeedsStatic
from jitdiff.ir import NeedsConcreteSize
from tests.frontend.agree import agrees

X = np.array([0.5, 1.5, 2.0])
A = np.eye(2) + 0.1


def buffer(x, n):
    y = np.zeros((n, n))
    for i in range(n):
        for j in range(i, n):
            y[i, j] = x[i] * j
    return y


def size_in_a_long_loop(x, n):
    s = 0.0
    for _ in range(20):
        s = s + np.sum(x * np.arange(n))
    return s


def size_in_a_branch(x, n):
    if x[0] > 0:
        return np.sum(x * np.arange(n))
    return np.sum(x * np.zeros(n))


def size_in_a_while(x, n):
    s = 0.0
    while s < 3:
        s = s + np.sum(x * np.ones(n))
    return s


def last_of_a_loop(x, n):
    for i in range(n):
        t = x[i] ** 2
    return t


def shape_changes(x, n):
    y = x[:1]
    for _ in range(n):
        y = np.concatenate([y, y])
    return y


def bernstein(x, n):
    total = 0.0
    for k in range(n + 1):
        total = total + math.comb(n, k) * x**k * (1 - x) ** (n - k) * k**2
    return total


def exponential(x, n):
    total = 0.0
    for k in range(n):
        total = total + x**k / math.factorial(k)
    return total


PROGRAMS = {
    "arange": (lambda x, n: x * np.arange(n), X, 3),
    "arange with a step": (lambda x, n: x * np.arange(0, 6, n), X, 2),
    "zeros": (lambda x, n: x + np.zeros((n, 3)), X, 2),
    "ones": (lambda x, n: x * np.ones(n), X, 3),
    "full": (lambda x, n: x * np.full(n, 2.0), X, 3),
    "eye": (lambda x, n: x @ np.eye(n), X, 3),
    "linspace": (lambda x, n: x * np.linspace(0, 1, n), X, 3),
    "tile": (lambda x, n: np.tile(x, n), X, 3),
    "repeat": (lambda x, n: np.repeat(x, n), X, 3),
    "roll": (lambda x, n: np.roll(x, n) * x, X, 2),
    "reshape": (lambda x, n: np.reshape(x, (n, -1)) * 2, X, 3),
    "reshaped": (lambda x, n: x.reshape(n, -1) * 2, X, 3),
    "broadcast_to": (lambda x, n: np.broadcast_to(x, (n, 3)) * x, X, 2),
    "axis": (lambda x, n: np.sum(x**2, axis=n), A, 1),
    "moveaxis": (lambda x, n: np.moveaxis(x, n, 0) * x, A, 1),
    "split": (lambda x, n: np.split(x, n)[0], X, 3),
    "slice": (lambda x, n: x[:n] ** 2, X, 2),
    "slice from the end": (lambda x, n: x[-n:] ** 2, X, 2),
    "list repeated": (lambda x, n: np.array([x[0]] * n), X, 3),
    "stack": (lambda x, n: np.stack([x**k for k in range(n)]), X, 4),
    "sum of a generator": (lambda x, n: sum(x**k for k in range(n)), X, 4),
    "nested lists": (lambda x, n: np.array([[x[0] ** (i + j) for i in range(n)] for j in range(n)]), X, 3),
    "dict": (lambda x, n: {1: x, 2: x * 2}[n], X, 2),
    "dict with a default": (lambda x, n: {1: x, 2: x * 2}.get(n, 0 * x), X, 2),
    "member of a set": (lambda x, n: x if n in {1, 2} else 2 * x, X, 2),
    "text": (lambda x, n: {"a2": x}[f"a{n}"], X, 2),
    "method of int": (lambda x, n: np.ones(n.bit_length()) * x, X, 6),
    "pow with a modulus": (lambda x, n: pow(n, 3, 5) * pow(n, -1, 5) * x, X, 7),
    "pow of a counter with a modulus": (lambda x, n: sum(pow(i, 3, 5) * x[0] for i in range(n)), X, 30),
    "gcd": (lambda x, n: math.gcd(n, 6) * math.lcm(n, 6) * x, X, 4),
    "binomial coefficients": (bernstein, 0.3, 12),
    "factorials": (exponential, 0.3, 12),
    "permutations": (lambda x, n: math.perm(n, 2) * math.isqrt(n) * x, X, 5),
    "combinations": (lambda x, n: sum(x[i] * x[j] for i, j in itertools.combinations(range(n), 2)), X, 3),
    "fraction": (lambda x, n: float(fractions.Fraction(n, 3)) * x, X, 2),
    "buffer": (buffer, X, 3),
    "loop": (size_in_a_long_loop, X, 3),
    "branch": (size_in_a_branch, X, 3),
    "while": (size_in_a_while, X, 3),
    "last of a loop": (last_of_a_loop, X, 3),
    "shape changes": (shape_changes, X, 3),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_integers_become_static(name):
    agrees(*PROGRAMS[name])


@pytest.mark.parametrize("kind", [np.array, np.int64, np.int32, np.uint8])
def test_numpy_integers_become_static_too(kind):
    f = agrees(lambda x, n: x[:n] * np.arange(n), X, kind(2))
    assert_allclose(f(X, kind(3)), X * np.arange(3))
    assert_allclose(f(X, 1), X[:1] * 0)


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: jd.vmap(f, in_axes=(0, None))(np.stack([X, 2 * X]), 2),
        lambda f: jd.vmap(jd.grad(f), in_axes=(0, None))(np.stack([X, 2 * X]), np.array(2)),
        lambda f: jd.jacrev(f)(X, 2),
        lambda f: jd.jacfwd(f)(X, 2),
        lambda f: jd.hessian(f)(X, 2),
        lambda f: jd.compile(lambda x, n: f(x, n))(X, 2),
        lambda f: jd.compile(lambda x, n: jd.checkpoint(f)(x, n)).grad(X, 2),
        lambda f: jd.compile(lambda x, n: jd.fori_loop(0, n, lambda i, c: c + f(x, n), 0.0))(X, 2),
        lambda f: jd.vjp(f, X, 2)[1](1.0)[0],
    ],
)
def test_transforms_make_integers_static(transform):
    def programs(x, n):
        return np.sum(np.stack([x[:n] ** k * np.arange(n)[k] for k in range(n)]))

    def by_hand(x, n):
        return np.sum(x[:2])

    assert_allclose(transform(jd.compile(programs)), transform(jd.compile(by_hand)))


def test_only_the_integers_that_are_needed_become_static():
    def f(x, depth, trips):
        s = 0.0
        for i in range(trips):
            s = s + x * i
        return s * {1: 2.0, 2: 3.0}[depth]

    compiled = agrees(f, 2.0, 2, 30)
    compiled(2.0, 2, 40)
    assert len(compiled.specialisations) == 1
    compiled(2.0, 1, 40)
    assert len(compiled.specialisations) == 2


def halves(x):
    rows = []
    while np.sum(x) > 1.0:
        x = x * 0.5
        rows.append(x)
    return rows


@pytest.mark.parametrize(
    "function",
    [np.std, np.mean, lambda rows: np.sum(np.ones(len(rows))) * rows[0][0], lambda rows: rows[-1] * len(rows)],
)
def test_numbers_of_trips_are_sizes_after_the_loop(function):
    agrees(lambda x: function(np.array(halves(x))), 1.1 * X)


def test_numbers_that_only_a_run_knows_are_refused_by_an_error_of_ours():
    @jd.compile
    def of_an_element(x, ns):
        return np.sum(np.arange(ns[0]) * x[0])

    @jd.compile
    def of_trips(x):
        return x[0] * len([0] * len(halves(x)))

    for call in (lambda: of_an_element(X, np.array([2, 3])), lambda: of_trips(X), lambda: of_trips.grad(X)):
        with pytest.raises(TracingError, match=r"test_static_integers.py:\d+") as caught:
            call()
        assert not isinstance(caught.value, NeedsStatic | NeedsConcreteSize)


def test_a_failure_that_no_integer_mends_leaves_them_traced():
    @jd.compile
    def f(x, n):
        return np.sum(x * np.ones(3)) * n

    with pytest.raises(JitdiffError, match="multiply"):
        f(np.ones(4), 2)
    for n in range(3):
        assert_allclose(f(X, n), np.sum(X) * n)
    assert len(f.specialisations) == 1


@pytest.mark.parametrize("run", [jd.grad, jd.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("function", [lambda x: pow(x, 3, 5), lambda x: pow(3, x, 5), lambda x: pow(3, 5, x)])
def test_pow_with_a_modulus_is_of_integers(run, function):
    with pytest.raises(JitdiffError, match=r"pow\(\) with a modulus takes integers, and was given a f64\[\]"):
        run(function)(2.0)
