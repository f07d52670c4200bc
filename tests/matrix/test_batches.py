"""Every program over slices of its first argument, with derivatives inside and outside; and its Hessian at once."""

import numpy as np
import pytest

import jitdiff as jd
from tests.matrix.programs import CASES

programs = pytest.mark.parametrize("case", CASES, ids=repr)


def batch_of(case, count=3):
    """First arguments near the case's own, stacked."""
    x = case.args[0]
    return np.stack([x * (1 + 0.01 * k) for k in range(count)])


def axes_of(case):
    return (0, *(None for _ in case.args[1:]))


@pytest.fixture(scope="module")
def compiled():
    """Compiled once for all tests of the module that run in this process."""
    return {case.loss: jd.compile(case.loss) for case in CASES}


@programs
def test_gradients_of_each_slice(case, compiled) -> None:
    X, rest = batch_of(case), case.args[1:]
    each = [jd.value_and_grad(case.loss)(x, *rest) for x in X]
    for f in (case.loss, compiled[case.loss]):
        values, gradients = jd.vmap(jd.value_and_grad(f), in_axes=axes_of(case))(X, *rest)
        np.testing.assert_allclose(values, [v for v, _ in each], rtol=1e-12)
        np.testing.assert_allclose(gradients, [g for _, g in each], rtol=1e-10, atol=1e-12)


@programs
def test_gradient_of_the_sum_over_slices(case, compiled) -> None:
    X, rest = batch_of(case), case.args[1:]
    weights = np.array([1.0, -2.0, 0.5])

    def total(X, *rest):
        return np.dot(weights, jd.vmap(compiled[case.loss], in_axes=axes_of(case))(X, *rest))

    want = np.stack([w * jd.grad(case.loss)(x, *rest) for w, x in zip(weights, X, strict=True)])
    np.testing.assert_allclose(jd.compile(total).grad(X, *rest), want, rtol=1e-10, atol=1e-12)


@programs
def test_hessian(case, compiled, rng) -> None:
    x, *rest = case.args
    v = rng.normal(size=x.shape)
    product = compiled[case.loss].hessp(x, v, *rest)
    eager = jd.hessian(case.loss)(*case.args)
    np.testing.assert_allclose(np.tensordot(eager, v, x.ndim), product, rtol=1e-9, atol=1e-10)
    w = jd.constant(x)
    with jd.GradientTape() as outer:
        outer.watch(w)
        with jd.GradientTape() as inner:
            inner.watch(w)
            loss = case.loss(w, *rest)
        gradient = inner.gradient(loss, w)
    np.testing.assert_allclose(outer.jacobian(gradient, w), eager, rtol=1e-9, atol=1e-10)
