"""Every op and NumPy function of the table on Tensors: forward mode, second order, single precision."""

import numpy as np
import pytest

import jitdiff as jd
from tests.ops.cases import DIFFERENTIABLE
from tests.ops.harness import (
    cotangents,
    differences,
    directions,
    evaluate,
    gradient,
    is_float,
    pushed,
    tolerance_of_case,
    weighted,
)

# What is made of an argument's shape alone, such as np.zeros_like, is an array; it has no place on a tape.
CASES = [
    case
    for case in DIFFERENTIABLE
    if any(isinstance(y, jd.Tensor) for y in case(*(jd.constant(x) for x in case.draw())))
]
cases = pytest.mark.parametrize("case", CASES, ids=repr)


def tensors_and_directions(case, dtype=np.float64):
    leaves = case.draw(dtype)
    xs = [jd.constant(x) for x in leaves]
    moving = [(x, t) for x, t in zip(xs, directions(leaves), strict=True) if t is not None]
    return xs, [x for x, _ in moving], [np.asarray(t, x.dtype) for x, t in moving]


def floats(results):
    return [y for y in results if y.dtype.kind == "f"]


@cases
def test_forward_mode_is_the_transpose_of_reverse_mode(case):
    xs, primals, dots = tensors_and_directions(case)
    gs = cotangents(case.numpy(*(x.numpy() for x in xs)))
    with jd.ForwardAccumulator(primals, dots) as accumulator, jd.GradientTape() as tape:
        tape.watch(primals)
        ys = floats(case(*xs))
    tangents = accumulator.jvp(ys, unconnected_gradients="zero")
    back = tape.gradient(ys, primals, output_gradients=gs, unconnected_gradients="zero")
    assert [t.dtype for t in tangents] == [y.dtype for y in ys]
    by_forward = sum(np.sum(g * t.numpy()) for g, t in zip(gs, tangents, strict=True))
    by_reverse = sum(np.sum(c.numpy() * d) for c, d in zip(back, dots, strict=True))
    np.testing.assert_allclose(by_forward, by_reverse, **tolerance_of_case(case, 1e-11, 1e-5))


def tape_gradient(case, leaves, gs):
    """The gradient by the floating leaves of the weighted sum of the floating results, by a tape."""
    xs = [jd.constant(x) for x in leaves]
    primals = [x for x in xs if is_float(x.numpy())]
    with jd.GradientTape() as tape:
        tape.watch(primals)
        ys = floats(case(*xs))
    return [g.numpy() for g in tape.gradient(ys, primals, output_gradients=gs, unconnected_gradients="zero")]


@cases
def test_the_tape_gives_what_the_program_and_differences_give(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    found = tape_gradient(case, leaves, gs)
    exact = evaluate(gradient(case, leaves, gs), [*leaves, *gs])
    numerical = differences(weighted(case, gs), leaves)
    floating = [k for k, x in enumerate(leaves) if is_float(x)]
    for g, k in zip(found, floating, strict=True):
        assert g.dtype == leaves[k].dtype
        np.testing.assert_allclose(g, exact[k], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(g, numerical[k], **tolerance_of_case(case, 1e-6, 1e-3))


@cases
def test_second_order_is_the_difference_of_gradients(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    along = directions(leaves)
    xs = [jd.constant(x) for x in leaves]
    primals = [x for x, t in zip(xs, along, strict=True) if t is not None]
    dots = [np.asarray(t, x.dtype) for t, x in zip((t for t in along if t is not None), primals, strict=True)]
    with jd.ForwardAccumulator(primals, dots) as accumulator:
        with jd.GradientTape() as tape:
            tape.watch(primals)
            ys = floats(case(*xs))
        first = tape.gradient(ys, primals, output_gradients=gs, unconnected_gradients="zero")
    found = accumulator.jvp(first, unconnected_gradients="zero")

    def moved(h):
        return [x if t is None else x + h * t for x, t in zip(leaves, along, strict=True)]

    h = 1e-5
    pairs = zip(tape_gradient(case, moved(h), gs), tape_gradient(case, moved(-h), gs), strict=True)
    for got, (right, left) in zip(found, pairs, strict=True):
        np.testing.assert_allclose(got, (right - left) / (2 * h), **tolerance_of_case(case, 1e-5, 1e-1))


@cases
def test_second_order_in_single_precision(case):
    found = []
    for dtype in (np.float32, np.float64):
        xs, primals, dots = tensors_and_directions(case, dtype)
        gs = [g.astype(dtype) for g in cotangents(case.numpy(*(x.numpy() for x in xs)))]
        with jd.GradientTape() as outer:
            outer.watch(primals)
            with jd.GradientTape() as inner:
                inner.watch(primals)
                ys = floats(case(*xs))
            first = inner.gradient(ys, primals, output_gradients=gs, unconnected_gradients="zero")
        found.append(outer.gradient(first, primals, output_gradients=dots, unconnected_gradients="zero"))
    for single, double in zip(*found, strict=True):
        if single.dtype == np.float32:
            scale = np.max(np.abs(double.numpy()), initial=1.0)
            np.testing.assert_allclose(single, double, rtol=2e-3, atol=2e-3 * scale)


@cases
def test_second_order_in_both_mixtures_is_that_of_the_program(case):
    xs, primals, dots = tensors_and_directions(case)
    leaves = [x.numpy() for x in xs]
    gs = cotangents(case.numpy(*leaves))
    given = [t if is_float(x) else None for x, t in zip(leaves, directions(leaves), strict=True)]
    found = pushed(gradient(case, leaves, gs), [*leaves, *gs], [*given, *(None for _ in gs)])
    want = [w for w, x in zip(found, leaves, strict=False) if is_float(x)]

    with jd.ForwardAccumulator(primals, dots) as accumulator:
        with jd.GradientTape() as tape:
            tape.watch(primals)
            ys = floats(case(*xs))
        first = tape.gradient(ys, primals, output_gradients=gs, unconnected_gradients="zero")
    forward_over_reverse = accumulator.jvp(first, unconnected_gradients="zero")

    with jd.GradientTape() as outer:
        outer.watch(primals)
        with jd.GradientTape() as inner:
            inner.watch(primals)
            ys = floats(case(*xs))
        first = inner.gradient(ys, primals, output_gradients=gs, unconnected_gradients="zero")
    reverse_over_reverse = outer.gradient(first, primals, output_gradients=dots, unconnected_gradients="zero")

    for w, forward, reverse in zip(want, forward_over_reverse, reverse_over_reverse, strict=True):
        np.testing.assert_allclose(forward, w, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(reverse, w, rtol=1e-10, atol=1e-12)


@cases
def test_single_precision_stays_single(case):
    xs, primals, dots = tensors_and_directions(case, np.float32)
    with jd.ForwardAccumulator(primals, dots) as accumulator, jd.GradientTape() as tape:
        tape.watch(primals)
        ys = floats(case(*xs))
    tangents = accumulator.jvp(ys, unconnected_gradients="zero")
    gradients = tape.gradient(ys, primals, unconnected_gradients="zero")
    assert [t.dtype for t in tangents] == [y.dtype for y in ys]
    assert [g.dtype for g in gradients] == [x.dtype for x in primals]
    if all(y.dtype == np.float32 for y in ys):
        leaves = [x.numpy() for x in xs]
        ones = [np.ones(y.shape, np.float32)[()] for y in ys]
        exact = evaluate(gradient(case, leaves, ones), [*leaves, *ones])
        for g, w in zip(gradients, (w for w, x in zip(exact, leaves, strict=False) if is_float(x)), strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-4)
