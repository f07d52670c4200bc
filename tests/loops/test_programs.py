"""Programs with loops: compiled and eager, their gradients and second order against differences of NumPy."""

import copy

import numpy as np
import pytest

import jitdiff as jd
from tests.loops.programs import PROGRAMS

programs = pytest.mark.parametrize("name", PROGRAMS)
# Each of these compiles anew: a few programs of every kind, the quick ones.
twice = pytest.mark.parametrize(
    "name",
    ["american_put", "bouncing_ball", "cholesky", "garch", "kepler", "lotka_volterra_scalars", "seidel_2d", "trisolv"],
)
single = pytest.mark.parametrize(
    "name", ["cholesky", "hmm_scaled", "jacobi_2d", "local_level", "lotka_volterra_scalars", "seidel_2d", "trisolv"]
)
symbolic = pytest.mark.parametrize(
    "name", ["american_put", "cholesky", "garch", "jacobi_2d", "lu", "seidel_2d", "soft_dtw", "trisolv"]
)


@pytest.fixture(scope="module")
def compiled():
    """Compiled once for all tests of the module that run in this process."""
    return {name: jd.compile(program.loss) for name, program in PROGRAMS.items()}


def plain(program, args):
    """The loss by NumPy alone; the arguments keep their values, whatever the program does to them."""
    return program.loss(*copy.deepcopy(args))


def directions(x):
    """Return every element's direction of a few numbers; of many, some elements' and some that mix them all."""
    rng = np.random.default_rng(1)
    units = np.eye(np.size(x))
    if np.size(x) > 6:
        units = np.concatenate([rng.permutation(units)[:3], rng.normal(size=(4, np.size(x)))])
    return [unit.reshape(np.shape(x)) for unit in units]


def slopes(f, x, h=1e-6):
    """Return central differences of a number along each direction."""
    return [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in directions(x)]


def replaced(args, i, x):
    return (*args[:i], x, *args[i + 1 :])


def gradients(loss, program, args):
    """Value, and gradients by each argument to differentiate by."""
    return jd.value_and_grad(loss, argnums=program.by)(*copy.deepcopy(args))


def close(got, want, rtol, atol):
    """Compare by the largest element: what is zero by cancellation in one order of summing is not in another."""
    scale = max(np.max(np.abs(want)), 1e-30)
    np.testing.assert_allclose(np.asarray(got) / scale, np.asarray(want) / scale, rtol=rtol, atol=atol)


@programs
def test_value(name, compiled):
    program = PROGRAMS[name]
    args = program.make(*program.small)
    got = compiled[name](*args)
    np.testing.assert_allclose(got, plain(program, args), rtol=1e-11)
    assert type(got) is np.float64


@programs
def test_arguments_keep_their_values(name, compiled):
    program = PROGRAMS[name]
    args = program.make(*program.small)
    compiled[name](*args)
    gradients(compiled[name], program, args)
    for arg, before in zip(args, program.make(*program.small), strict=True):
        np.testing.assert_array_equal(arg, before)


@programs
def test_gradient(name, compiled):
    program = PROGRAMS[name]
    args = program.make(*program.small)
    compare_with_differences(program, args, gradients(compiled[name], program, args))


@symbolic
def test_other_sizes(name, compiled):
    program = PROGRAMS[name]
    gradients(compiled[name], program, program.make(*program.small))
    args = program.make(*program.other)
    compare_with_differences(program, args, gradients(compiled[name], program, args))


def compare_with_differences(program, args, result):
    value, found = result
    np.testing.assert_allclose(value, plain(program, args), rtol=1e-11)
    for i, gradient in zip(program.by, found, strict=True):
        numerical = slopes(lambda x, i=i: plain(program, replaced(args, i, x)), args[i])
        close([np.vdot(gradient, e) for e in directions(args[i])], numerical, rtol=1e-5, atol=1e-6)


@programs
def test_eager(name, compiled):
    program = PROGRAMS[name]
    args = program.make(*program.small)
    value, native = gradients(compiled[name], program, args)
    eager_value, eager = gradients(program.loss, program, args)
    np.testing.assert_allclose(eager_value, value, rtol=1e-11)
    for got, want in zip(eager, native, strict=True):
        close(got, want, rtol=1e-9, atol=1e-11)


@twice
def test_second_order(name, compiled):
    program = PROGRAMS[name]
    x, *rest = program.make(*program.small)
    v = np.random.default_rng(1).normal(size=x.shape)

    def slope(x):
        return gradients(compiled[name], program, (x, *rest))[1][0]

    got = compiled[name].hessp(x, v, *rest)
    close(got, (slope(x + 1e-6 * v) - slope(x - 1e-6 * v)) / 2e-6, rtol=1e-4, atol=1e-6)


@single
def test_single_precision(name, compiled):
    program = PROGRAMS[name]
    wide = program.make(*program.small)
    args = tuple(narrow(arg) for arg in wide)
    value, found = gradients(compiled[name], program, args)
    assert value.dtype == plain(program, args).dtype
    np.testing.assert_allclose(value, plain(program, wide), rtol=1e-4)
    for i, got, want in zip(program.by, found, gradients(compiled[name], program, wide)[1], strict=True):
        assert got.dtype == np.asarray(args[i]).dtype
        close(got, want, rtol=1e-3, atol=1e-4)


def narrow(arg):
    return arg.astype(np.float32) if isinstance(arg, np.ndarray) and arg.dtype == np.float64 else arg
