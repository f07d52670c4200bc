"""Every rule of the table against differences, in every world, forward and reverse, to second order."""

import numpy as np
import pytest

from jitdiff.eager import GradientTape, Tensor, constant
from jitdiff.ir import type_of
from jitdiff.ops import Op
from jitdiff.ops.fit import fit
from jitdiff.ops.table import computed
from tests.ops.cases import CASES, DIFFERENTIABLE
from tests.ops.harness import (
    along,
    cotangents,
    differences,
    directions,
    evaluate,
    gradient,
    is_float,
    program,
    pushed,
    tolerance_of_case,
    weighted,
)

cases = pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)


@cases
def test_gradient_is_that_of_differences(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    got = evaluate(gradient(case, leaves, gs), [*leaves, *gs])
    want = differences(weighted(case, gs), leaves)
    for g, w in zip(got, want, strict=True):
        if w is not None:
            np.testing.assert_allclose(g, w, **tolerance_of_case(case, 1e-8, 2e-3))


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if isinstance(c.entry, Op)], ids=repr)
def test_rule_on_arrays(case):
    leaves = case.draw()
    results = case.numpy(*leaves)
    gs = cotangents(results)
    op, each, every = case.entry, iter(leaves), iter(gs)
    drawn = [hasattr(a, "draw") for a in case.sample.args]
    xs = [next(each) if d else a for d, a in zip(drawn, case.sample.args, strict=True)]
    g = tuple(next(every) if is_float(y) else None for y in results)
    y, g = (results, g) if op.multiple else (results[0], g[0])
    with np.errstate(all="ignore"):
        pulled = map(computed, op.pullback(xs, y, g, case.sample.kwargs))
        found = [ct for ct, d in zip(pulled, drawn, strict=True) if d]
    want = evaluate(gradient(case, leaves, gs), [*leaves, *gs])
    for ct, w, x in zip(found, want, leaves, strict=True):
        if is_float(x):
            got = np.zeros(x.shape) if ct is None else fit(ct, type_of(x))
            assert got.dtype == x.dtype
            np.testing.assert_allclose(got, w, rtol=1e-13, atol=1e-14)


@cases
def test_tape_agrees_with_program(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    want = evaluate(gradient(case, leaves, gs), [*leaves, *gs])
    xs = [constant(x) for x in leaves]
    with GradientTape() as tape:
        for x in xs:
            if x.dtype.kind == "f":
                tape.watch(x)
        results = case(*xs)
    if not all(isinstance(y, Tensor) for y in results):
        assert not any(map(np.any, want))  # nothing of the arguments' values is in the results
        return
    floats = [y for y in results if y.dtype.kind == "f"]
    got = tape.gradient(floats, xs, output_gradients=[constant(g) for g in gs], unconnected_gradients="zero")
    for g, w, x in zip(got, want, leaves, strict=True):
        if is_float(x):
            assert g.dtype == x.dtype
            np.testing.assert_allclose(g.numpy(), w, rtol=1e-12, atol=1e-13)


@cases
def test_forward_mode_is_the_transpose(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    dots = directions(leaves)
    primal = program(lambda *xs: [y for y in case(*xs) if type_of(y).is_float], leaves)
    forward = pushed(primal, leaves, dots)
    back = evaluate(gradient(case, leaves, gs), [*leaves, *gs])
    by_forward = sum(np.sum(g * t) for g, t in zip(gs, forward, strict=True))
    by_reverse = sum(np.sum(c * d) for c, d in zip(back, dots, strict=True) if d is not None)
    np.testing.assert_allclose(by_forward, by_reverse, **tolerance_of_case(case, 1e-11, 1e-5))


@cases
def test_second_order(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    dots = directions(leaves)
    first = gradient(case, leaves, gs)
    got = pushed(first, [*leaves, *gs], [*dots, *(None for _ in gs)])
    for n, x in enumerate(leaves):
        if is_float(x):
            want = along(lambda *xs, n=n: evaluate(first, [*xs, *gs])[n], leaves, dots)
            np.testing.assert_allclose(got[n], want, **tolerance_of_case(case, 1e-7, 2e-3))


@cases
def test_single_precision_stays_single(case):
    leaves = case.draw(np.float32)
    results = case.numpy(*leaves)
    if any(is_float(y) and y.dtype != np.float32 for y in results):
        return
    block = gradient(case, leaves, cotangents(results))
    made = [out.type for node in block.nodes for out in node.outs]
    assert not [t for t in made if t.dtype == np.float64]


@cases
def test_layout_of_arguments_does_not_matter(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    block = gradient(case, leaves, gs)
    want = evaluate(block, [*leaves, *gs])
    for arranged in (fortran, strided, frozen):
        got = evaluate(block, [*map(arranged, leaves), *map(arranged, gs)])
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-14)


def fortran(x):
    """The same numbers in Fortran's order."""
    return np.asfortranarray(x) if np.ndim(x) else x


def strided(x):
    """The same numbers, every other one of a larger array."""
    if np.ndim(x) == 0:
        return x
    return np.repeat(np.repeat(x, 2, axis=0), 2, axis=-1)[::2, ..., ::2] if x.ndim > 1 else np.repeat(x, 2)[::2]


def frozen(x):
    """The same numbers, read-only."""
    copy = np.array(x)
    copy.flags.writeable = False
    return copy[()]


def test_what_has_no_derivative_is_known():
    without = {case.entry.name for case in CASES if isinstance(case.entry, Op) and case.entry.vjp is None}
    assert without == {
        "all", "any", "arange", "argmax", "argmin", "basis", "bitwise_and", "bitwise_or", "bitwise_xor", "ceil",
        "equal", "floor", "floor_divide", "greater", "greater_equal", "invert", "isfinite", "isinf", "isnan",
        "left_shift", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "not_equal",
        "right_shift", "rint", "slogdet_sign", "stop_gradient",
    }  # fmt: skip
