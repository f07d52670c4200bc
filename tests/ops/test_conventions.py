"""Derivatives where mathematics leaves a choice, or arithmetic a trap: the choices of docs/conventions.md."""

import numpy as np
import pytest
import scipy.special

import jitdiff as jd
from tests.ops.harness import evaluate, program
from tests.tracing import gradient_of

inf, nan = np.inf, np.nan


def weighted(y):
    """Return a sum that tells the elements apart."""
    return np.sum(y * np.arange(1.0, y.size + 1).reshape(y.shape))


# Name, function of one array to a scalar, the array, its gradient.
CONVENTIONS = [
    ("abs at 0", lambda x: np.sum(np.abs(x)), [-2.0, 0.0, 3.0], [-1, 0, 1]),
    ("fabs at 0", lambda x: np.sum(np.fabs(x)), [-2.0, 0.0], [-1, 0]),
    ("sign", lambda x: np.sum(np.sign(x) * 3), [-2.0, 0.0, 1.0], [0, 0, 0]),
    ("floor", lambda x: np.sum(np.floor(x) + np.ceil(x) + np.rint(x) + np.trunc(x)), [-1.0, 0.5], [0, 0]),
    ("round", lambda x: np.sum(np.round(x, 1)), [0.25, 1.0], [0, 0]),
    ("floor of infinity", lambda x: np.sum(np.floor(x) * x), [1.5], [1.0]),
    ("floor divide", lambda x: np.sum((x // 2) * x), [5.0, -3.0], [2, -2]),
    ("remainder", lambda x: np.sum(7.5 % x), [2.0, -2.0], [-3, 4]),
    ("maximum ties", lambda x: np.sum(np.maximum(x, 1.0)), [0.0, 1.0, 2.0], [0, 0.5, 1]),
    ("minimum ties", lambda x: np.sum(np.minimum(x, x)), [0.0, 1.0], [1, 1]),
    ("maximum keeps infinity out", lambda x: np.sum(np.sqrt(np.maximum(x, 0.0))), [-1.0, 4.0], [0, 0.25]),
    ("maximum of a logarithm", lambda x: np.sum(np.maximum(np.log(x), -1.0)), [0.0, 1.0], [0, 1]),
    ("clip at its ends", lambda x: np.sum(np.clip(x, -1.0, 1.0)), [-2.0, -1.0, 0.0, 1.0, 2.0], [0, 0.5, 1, 0.5, 0]),
    ("max ties", lambda x: np.max(x), [1.0, 3.0, 3.0], [0, 0.5, 0.5]),
    ("min ties", lambda x: weighted(np.min(x, axis=1)), [[1.0, 1.0], [2.0, 1.0]], [[0.5, 0.5], [0, 2]]),
    ("ptp ties", lambda x: np.ptp(x), [1.0, 3.0, 3.0], [-1, 0.5, 0.5]),
    ("power 0", lambda x: np.sum(x**0), [0.0, 2.0, inf, nan], [0, 0, 0, 0]),
    ("power 0.0", lambda x: np.sum(x**0.0), [0.0, 2.0, -1.0], [0, 0, 0]),
    ("power 1 at 0", lambda x: np.sum(x**1), [0.0, -1.0], [1, 1]),
    ("power 2 at 0", lambda x: np.sum(x**2), [0.0, -3.0], [0, -6]),
    ("power 2.0 of negatives", lambda x: np.sum(x**2.0), [-3.0], [-6]),
    ("power 3 at 0", lambda x: np.sum(x**3), [0.0, -2.0], [0, 12]),
    ("power -2", lambda x: np.sum(x**-2), [-2.0], [0.25]),
    ("power 1.5 at 0", lambda x: np.sum(x**1.5), [0.0, 4.0], [0, 3]),
    ("power by an array", lambda x: np.sum(x ** np.array([0.0, 1.0, 2.0])), [0.0, 0.0, 0.0], [0, 1, 0]),
    ("power of 0", lambda x: np.sum(0.0**x), [1.0, 2.0], [0, 0]),
    ("power of 2", lambda x: np.sum(2.0**x), [0.0, 1.0], [np.log(2), 2 * np.log(2)]),
    ("power of negatives", lambda x: np.sum(np.array([-2.0, -2.0]) ** np.rint(x) * x), [2.0, 3.0], [4, -8]),
    ("square root at 0", lambda x: np.sum(np.sqrt(x)), [0.0, 4.0], [inf, 0.25]),
    ("hypot at 0", lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], [0, 0]),
    ("std of equals", lambda x: np.std(x), [2.0, 2.0, 2.0], [0, 0, 0]),
    ("where blocks NaN", lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)), [-1.0, 0.0, 2.0], [0, 0, 0.5]),
    ("where blocks infinity", lambda x: np.sum(np.where(x > 0, np.sqrt(x), x)), [0.0, 4.0], [1, 0.25]),
    ("where blocks through more", lambda x: np.sum(np.where(x > 0, np.exp(1 / x), 0.0)), [0.0, 1.0], [0, -np.e]),
    ("where blocks a division", lambda x: np.sum(np.where(x != 0, 1 / x, 1.0)), [0.0, 2.0], [0, -0.25]),
    ("where blocks a power", lambda x: np.sum(np.where(x > 0, x**-0.5, 0.0)), [0.0, 4.0], [0, -0.0625]),
    ("product with a zero", lambda x: np.prod(x), [2.0, 0.0, 3.0], [0, 6, 0]),
    ("product with two zeros", lambda x: np.prod(x), [0.0, 0.0, 3.0], [0, 0, 0]),
    ("product over axes", lambda x: weighted(np.prod(x, axis=0)), [[0.0, 2.0], [5.0, 3.0]], [[5, 6], [0, 4]]),
    ("running product with a zero", lambda x: np.sum(np.cumprod(x)), [2.0, 0.0, 3.0], [1, 8, 0]),
    ("xlogy at 0", lambda x: np.sum(scipy.special.xlogy(x, 0.0) + x), [0.0], [-inf]),
    ("xlogy of 0", lambda x: np.sum(scipy.special.xlogy(x, 2.0)), [0.0, 1.0], [np.log(2), np.log(2)]),
    ("xlogy by the other", lambda x: np.sum(scipy.special.xlogy(np.array([0.0, 2.0]), x)), [0.0, 4.0], [0, 0.5]),
    ("logaddexp of equals", lambda x: np.sum(np.logaddexp(x, 1.0)), [1.0], [0.5]),
    ("logsumexp far out", lambda x: jd_logsumexp(x), [1e4, 1e4], [0.5, 0.5]),
    ("expit far out", lambda x: np.sum(scipy.special.expit(x)), [-800.0, 800.0], [0, 0]),
    ("log1p of exp far out", lambda x: np.sum(np.log1p(np.exp(-x))), [800.0], [0]),
    ("fmax of NaN", lambda x: np.sum(np.fmax(x, np.array([nan, 1.0, 1.0]))), [1.0, 0.0, 1.0], [1, 0, 0.5]),
    ("stop_gradient", lambda x: np.sum(jd.stop_gradient(x) * x), [3.0], [3]),
    ("comparison", lambda x: np.sum((x > 1) * x), [1.0, 2.0], [0, 1]),
    ("astype", lambda x: np.sum(x.astype(int) * x), [1.5, -2.5], [1, -2]),
    ("argmax", lambda x: np.argmax(x) * np.sum(x), [1.0, 2.0], [1, 1]),
]


def jd_logsumexp(x):
    from jitdiff.ops.special import logsumexp

    return logsumexp(x)


conventions = pytest.mark.parametrize(("f", "x", "want"), [c[1:] for c in CONVENTIONS], ids=[c[0] for c in CONVENTIONS])


@conventions
def test_on_the_tape(f, x, want):
    x = jd.constant(np.array(x, float))
    with np.errstate(all="ignore"), jd.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    with np.errstate(all="ignore"):
        got = tape.gradient(y, x, unconnected_gradients="zero")
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-13, atol=1e-300)


@conventions
def test_in_a_program(f, x, want):
    x = np.array(x, float)
    block = program(gradient_of(lambda x: [f(x)]), [x])
    (got,) = evaluate(block, [x])
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("part", range(4))
def test_compiled(part):
    mine = CONVENTIONS[part::4]

    def total(xs):
        return sum(f(x) for (_, f, _, _), x in zip(mine, xs, strict=True))

    xs = [np.array(x, float) for _, _, x, _ in mine]
    got = jd.compile(total).grad(xs)
    for g, (name, _, _, want) in zip(got, mine, strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-12, atol=1e-300, err_msg=name)


def test_second_derivatives_of_powers_at_0():
    with jd.GradientTape() as outer:
        x = jd.constant(np.zeros(3))
        outer.watch(x)
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = np.sum(x**2 + x**3)
        g = inner.gradient(y, x)
    np.testing.assert_array_equal(outer.gradient(g, x).numpy(), [2, 2, 2])


def test_powers_by_constants_call_no_logarithm():
    block = program(gradient_of(lambda x: [np.sum(x**2 + x**3 + x**-1 + x**0.5 + x**2.7)]), [np.ones(3)])
    assert "log" not in {node.op.name for node in block.nodes}
