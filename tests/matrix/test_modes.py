"""Functions by modes: every program eager and compiled, its gradient, its second order, forward and reverse."""

import numpy as np
import pytest

import jitdiff as jd
from tests.matrix.programs import CASES

programs = pytest.mark.parametrize("case", CASES, ids=repr)


@pytest.fixture(scope="module")
def compiled():
    """Compiled once for all tests of the module that run in this process."""
    return {case.loss: jd.compile(case.loss) for case in CASES}


def differences(f, x, h=1e-6):
    """Central differences of f, along each element of x."""
    columns = []
    for at in np.ndindex(*x.shape):
        e = np.zeros(x.shape)
        e[at] = h
        columns.append((np.asarray(f(x + e)) - np.asarray(f(x - e))) / (2 * h))
    return np.moveaxis(np.array(columns), 0, -1).reshape(*np.shape(columns[0]), *x.shape)


@programs
def test_value(case, compiled):
    want = case.loss(*case.args)
    got = compiled[case.loss](*case.args)
    np.testing.assert_allclose(got, want, rtol=1e-13)
    assert type(got) is np.float64


@programs
def test_gradient(case, compiled):
    x, *rest = case.args
    numerical = differences(lambda x: case.loss(x, *rest), x)
    eager = jd.grad(case.loss)(*case.args)
    _, native = compiled[case.loss].value_and_grad(*case.args)
    np.testing.assert_allclose(eager, numerical, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(native, eager, rtol=1e-11, atol=1e-13)


@programs
def test_value_and_gradient_on_the_tape(case, compiled):
    x, *rest = case.args
    with jd.GradientTape() as tape:
        w = jd.constant(x)
        tape.watch(w)
        loss = case.loss(w, *rest)
    value, gradient = compiled[case.loss].value_and_grad(*case.args)
    np.testing.assert_allclose(loss.numpy(), value, rtol=1e-13)
    np.testing.assert_allclose(tape.gradient(loss, w).numpy(), gradient, rtol=1e-11, atol=1e-13)


@programs
def test_forward_mode(case, compiled, rng):
    x, *rest = case.args
    v = rng.normal(size=x.shape)
    slope = np.sum(compiled[case.loss].value_and_grad(*case.args)[1] * v)
    _, eager = jd.jvp(lambda x: case.loss(x, *rest), (x,), (v,))
    np.testing.assert_allclose(eager, slope, rtol=1e-11)
    _, native = jd.jvp(jd.compile(lambda x: case.loss(x, *rest)), (x,), (v,))
    np.testing.assert_allclose(native, slope, rtol=1e-11)


@programs
def test_second_order(case, compiled, rng):
    x, *rest = case.args
    v = rng.normal(size=x.shape)
    h = 1e-6
    after, before = (compiled[case.loss].value_and_grad(x + s * h * v, *rest)[1] for s in (1, -1))
    numerical = (after - before) / (2 * h)
    native = compiled[case.loss].hessp(x, v, *rest)
    np.testing.assert_allclose(native, numerical, rtol=1e-5, atol=1e-6)
    eager = jd.hvp(lambda x: case.loss(x, *rest), (x,), (v,))
    np.testing.assert_allclose(eager, native, rtol=1e-10, atol=1e-11)
