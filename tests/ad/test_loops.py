"""Gradients of nested loops, branches and in-place updates: against tapes, differences, and by native code."""

from typing import Any

import numpy as np
import pytest

import jitdiff as jd
from jitdiff import ad, passes
from jitdiff.ir import verify
from jitdiff.ops.index import index_update
from tests.ad.random_loops import N, random_program
from tests.tracing import gradient_of, numerical, trace


def _arguments(seed: int) -> tuple[np.float64, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.float64(0.5 * rng.normal()), 0.5 * rng.normal(size=N)


def _optimised(fn: Any, *args: Any) -> Any:
    block = passes.optimise(trace(fn, *args), lambda name, block: verify(block))
    return lambda *args: ad.evaluate(block, [*args, *block.captured])


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_have_the_gradient_of_the_tape(seed):
    f, args = random_program(seed), _arguments(seed)
    found = _optimised(gradient_of(lambda s, a: [f(s, a)]), *args)(*args)
    for g, want in zip(found, jd.grad(f, (0, 1))(*args), strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seed", range(100, 108))
def test_random_programs_have_the_numerical_gradient(seed):
    f, args = random_program(seed), _arguments(seed)
    found = _optimised(gradient_of(lambda s, a: [f(s, a)]), *args)(*args)
    for k, g in enumerate(found):
        np.testing.assert_allclose(g, numerical(lambda s, a: [f(s, a)], args, k), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("seed", range(200, 203))
def test_random_programs_run_natively(seed):
    f, args = random_program(seed), _arguments(seed)
    for g, want in zip(jd.grad(jd.compile(f), (0, 1))(*args), jd.grad(f, (0, 1))(*args), strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(300, 306))
def test_second_derivatives_of_random_programs_are_differences_of_first_ones(seed):
    f, args = random_program(seed), _arguments(seed)
    ds, da = _arguments(seed + 1)
    first = gradient_of(lambda s, a: [f(s, a)])

    def slope(s: Any, a: Any) -> list[Any]:
        gs, ga = first(s, a)
        return [gs * ds + np.sum(ga * da)]

    found = _optimised(gradient_of(slope), *args)(*args)
    at, h = _optimised(first, *args), 1e-5
    ends = [at(args[0] + sign * h * ds, args[1] + sign * h * da) for sign in (1, -1)]
    for g, above, below in zip(found, *ends, strict=True):
        np.testing.assert_allclose(g, (above - below) / (2 * h), rtol=1e-5, atol=1e-6)


def test_a_while_loop_of_many_trips_in_reverse():
    """The history outgrows the rows that it starts with several times."""

    @jd.compile
    def growth(x):
        return jd.while_loop(lambda c: c[0] < 1e6, lambda c: (c[0] * x + 0.05 * np.sin(c[0]), c[1] + 1), (x, 0))

    y, trips = growth(1.1)
    assert trips > 100
    value, gradient = jd.value_and_grad(growth, has_aux=True)(1.1)
    np.testing.assert_allclose(gradient, jd.grad(growth.__wrapped__, has_aux=True)(1.1)[0], rtol=1e-10)
    assert value == (y, trips)
    assert jd.grad(growth, has_aux=True)(1e7) == (1.0, 0)


def test_the_number_of_trips_may_be_an_argument():
    @jd.compile
    def power(x, n):
        return jd.fori_loop(0, n, lambda i, c: c * x + 1.0, 1.0)

    def plain(x, n):
        return sum(k * x ** (k - 1) for k in range(1, n + 1))

    for n in (0, 1, 7, 40):
        np.testing.assert_allclose(power.grad(1.1, n), plain(1.1, n), rtol=1e-12)
    assert len(power.grad.specialisations) == 1


@pytest.mark.parametrize("n", [0, 1, 5])
def test_hessians_through_every_kind_of_loop(n):
    def counted(x):
        return np.sum(jd.fori_loop(0, n, lambda i, c: np.sin(c) * x + 0.1 * i, x))

    def until(x):
        limit = 2.0 * n
        return np.sum(jd.while_loop(lambda c: np.sum(c) < limit, lambda c: c * x + 0.3, x))

    def nested(x):
        def outer(i, c):
            return jd.fori_loop(0, i + 1, lambda j, d: np.tanh(d * x) + 0.1 * j, c)

        return np.sum(jd.fori_loop(0, n, outer, x))

    def in_place(x):
        return np.sum(jd.fori_loop(0, min(n, 2), lambda i, c: index_update(c, i + 1, c[i] * c[i + 1] * x[i]), x) ** 2)

    x = np.array([0.9, 1.2, 0.7])
    for f in (counted, until, nested, in_place):
        gradient = _optimised(gradient_of(lambda x, f=f: [f(x)]), x)
        steps = 1e-6 * np.eye(3)
        want = np.array([(gradient(x + h)[0] - gradient(x - h)[0]) / 2e-6 for h in steps])
        np.testing.assert_allclose(jd.hessian(f)(x), want, rtol=1e-6, atol=1e-7)
        rows = [
            _optimised(gradient_of(lambda x, f=f, k=k: [gradient_of(lambda x: [f(x)])(x)[0][k]]), x)(x)[0]
            for k in range(3)
        ]
        np.testing.assert_allclose(rows, want, rtol=1e-6, atol=1e-7)


def test_a_native_hessian_through_nested_loops():
    @jd.compile
    def f(x):
        def outer(i, c):
            c = jd.while_loop(lambda d: np.sum(d) < 3.0, lambda d: d * 1.2 + 0.1 * x, c)
            return jd.cond(c[0] > 1.0, lambda: np.sin(c) * x, lambda: c * c)

        return np.sum(jd.fori_loop(0, 4, outer, x))

    x = np.array([0.4, 0.8])
    np.testing.assert_allclose(jd.hessian(f)(x), jd.hessian(f.__wrapped__)(x), rtol=1e-9)


def test_the_gradient_of_a_sum_over_elements_is_one_loop_with_one_update():
    f = jd.compile(lambda x: jd.fori_loop(0, x.shape[0], lambda i, s: s + x[i] ** 2, 0.0))
    x = np.arange(50.0)
    np.testing.assert_array_equal(f.grad(x), 2 * x)
    text = f.grad.source
    assert text.count("for step") == 1
    assert text.count("+=") == 1
    assert f.grad.kernel(x).emitted.workspace == 0


def test_the_gradient_of_a_sweep_has_no_loop_over_the_array_inside_a_loop():
    @jd.compile
    def smooth(x):
        def at(i, y):
            return jd.cond(y[i] > 0.5, lambda: index_update(y, i + 1, y[i] * y[i + 1]), lambda: y)

        return np.sum(jd.fori_loop(0, x.shape[0] - 1, at, x))

    x = np.linspace(0.0, 1.5, 40)
    np.testing.assert_allclose(smooth.grad(x), jd.grad(smooth.__wrapped__)(x), rtol=1e-12)
    lines = smooth.value_and_grad.warmup(x).source.splitlines()
    assert not [line for line in lines if line.startswith("        ") and line.strip().startswith("for ")]
