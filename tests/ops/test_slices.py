"""Every slice of small arrays against NumPy: read, written, added to and through views, on Tensors and compiled."""

import itertools

import numpy as np
import pytest

import jitdiff as jd
from jitdiff import ad
from jitdiff.codegen import emit
from jitdiff.ir import ArrayType, Builder, Dim, NeedsConcreteSize, Value
from jitdiff.ir.builder import building
from jitdiff.native.runtime import NotMine
from jitdiff.ops import Tracer, lift
from jitdiff.ops.slices import as_slice, positions
from tests.codegen.programs import run
from tests.tracing import trace

BOUNDS = [None, *range(-4, 5)]
STEPS = [None, -3, -2, -1, 1, 2, 3]
SLICES = [slice(*parts) for parts in itertools.product(BOUNDS, BOUNDS, STEPS)]
FEW = [slice(*parts) for parts in itertools.product([None, -4, -2, 0, 1, 4], [None, -4, -1, 0, 2, 4], [-2, -1, 1, 2])]
SIZES = range(4)


def read(x, key):
    return (x * 1.0)[key]


def written(x, key):
    y = x * 1.0
    y[key] = 7.0
    return y


def added_to(x, key):
    y = x * 1.0
    y[key] += 7.0 * x[key]
    return y


def through_a_view(x, key):
    y = x * 1.0
    view = y[key]
    view *= 3.0
    y += 1.0
    return y * np.sum(view)


USES = [read, written, added_to, through_a_view]


def numbers(*shape):
    return np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape)


def derivative(use, x, key):
    """The gradient of the weighted sum of a use, a polynomial of degree two, by central differences."""

    def total(x):
        y = use(x, key)
        return np.sum(y * numbers(*y.shape))

    units = np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([total(x + e) - total(x - e) for e in units]).reshape(x.shape) / 2


def check_on_tensors(use, x, key):
    source = jd.constant(x)
    with jd.GradientTape() as tape:
        tape.watch(source)
        y = use(source, key)
        total = np.sum(y * numbers(*y.shape))
    np.testing.assert_array_equal(y, use(x, key), err_msg=repr(key))
    found = tape.gradient(total, source, unconnected_gradients="zero")
    np.testing.assert_allclose(found, derivative(use, x, key), atol=1e-9, err_msg=repr(key))


def test_positions_are_those_of_the_slice():
    for n, taken in itertools.product(SIZES, SLICES):
        start, step, size = positions(taken, n)
        assert [start + k * step for k in range(size)] == list(range(n))[taken]
        assert list(range(n))[as_slice((start, step, size))] == list(range(n))[taken]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("use", USES)
def test_every_slice_of_a_tensor(use, n):
    for key in SLICES:
        check_on_tensors(use, numbers(n), key)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("shape", [(2, 3), (1, 2), (0, 2)])
def test_slices_of_two_axes_of_a_tensor(use, shape):
    for key in itertools.product(FEW[::5], FEW[::7]):
        check_on_tensors(use, numbers(*shape), key)


def distinct(n):
    """One slice for each different choice of positions, and the first of those that choose none."""
    return list({tuple(range(n)[key]): key for key in reversed(SLICES)}.values())


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("use", USES)
def test_every_slice_in_a_program(use, n):
    x = numbers(n)
    block = trace(lambda x: [use(x, key) for key in SLICES], x)
    for got, key in zip(ad.evaluate(block, [x, *block.captured]), SLICES, strict=True):
        np.testing.assert_array_equal(got, use(x, key), err_msg=repr(key))
    keys = distinct(n)
    block = trace(lambda x: [use(x, key) for key in keys], x)
    for got, key in zip(run(emit(block, "f"), [x, *block.captured]), keys, strict=True):
        np.testing.assert_array_equal(got, use(x, key), err_msg=repr(key))


@pytest.mark.parametrize("use", [read, written, added_to])
def test_a_program_of_a_symbolic_size_is_right_or_knows_that_it_is_not(use):
    found = 0
    for key in FEW:
        param = Value(ArrayType(np.dtype(float), (Dim.symbol("n"),)), "x")
        try:
            with building(builder := Builder([param], name="f")):
                block = builder.finish([lift(use(Tracer(param), key))])
        except NeedsConcreteSize:
            continue
        emitted = emit(block, "f")
        for x in map(numbers, SIZES):
            try:
                (got,) = run(emitted, [x, *block.captured])
            except NotMine:
                continue
            found += 1
            np.testing.assert_array_equal(got, use(x, key), err_msg=repr(key))
    assert found > len(FEW) / 2


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3)])
def test_compiled_slices_and_their_gradients(shape):
    x = numbers(*shape)
    keys = distinct(x.size) if len(shape) == 1 else list(itertools.product(FEW[1::59], FEW[2::71]))

    def f(x):
        total = 0.0
        for use in USES:
            for key in keys:
                y = use(x, key)
                total = total + np.sum(y * numbers(*y.shape))
        return total

    value, gradient = jd.compile(f).value_and_grad(x)
    np.testing.assert_allclose(value, f(x))
    np.testing.assert_allclose(gradient, sum(derivative(use, x, key) for use in USES for key in keys), atol=1e-8)


MASK = np.array([[True, False, True], [False, True, False]])
WINDOWS = {
    "behind an ellipsis": lambda x, i: x[..., i : i + 2],
    "behind an array and an ellipsis": lambda x, i: x[np.array([0, 1]), ..., i : i + 2],
    "behind a mask of two axes": lambda x, i: x[MASK, i : i + 3],
    "behind a mask and an ellipsis": lambda x, i: x[MASK, ..., i : i + 3],
    "behind a new axis": lambda x, i: x[None, :, None, i : i + 1],
    "two of them": lambda x, i: x[:, i : i + 2, i + 1 : i + 3],
}


@pytest.mark.parametrize("kind", WINDOWS)
def test_a_slice_at_a_traced_position_among_other_parts_of_an_index(kind):
    x, window = numbers(2, 3, 4), WINDOWS[kind]

    def f(x):
        total = 0.0
        for i in range(2):
            part = window(x, i)
            total = total + np.sum(part * part * np.cumsum(np.ones_like(part)).reshape(part.shape))
        return total

    value, gradient = jd.compile(f).value_and_grad(x)
    np.testing.assert_allclose(value, f(x))
    np.testing.assert_allclose(gradient, jd.grad(f)(x))
