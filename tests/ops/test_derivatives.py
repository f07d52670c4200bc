"""Every rule of the table against differences, in every world, forward and reverse, to second order."""

import numpy as np
import pytest

from jitdiff import ad
from jitdiff.ir import type_of
from jitdiff.ir.builder import current_builder
from jitdiff.ops import OPS, Op, lift
from jitdiff.ops.fit import fit
from tests.ops.cases import CASES, DIFFERENTIABLE
from tests.tracing import trace

STENCIL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
STEP = 1e-3


def is_float(x):
    return isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f"


def tolerance(case, double, single=2e-3):
    """Differences of a result in single precision are rough."""
    leaves = case.draw()
    dtypes = {x.dtype for x in (*leaves, *case.numpy(*leaves)) if is_float(x)}
    rough = np.dtype(np.float32) in dtypes
    return {"rtol": single if rough else double, "atol": single if rough else double / 10}


def cotangents(results):
    """Weights for the floating results, as many as there are."""
    rng = np.random.default_rng(5)
    return [rng.uniform(0.5, 1.5, w.shape).astype(w.dtype)[()] for w in results if is_float(w)]


def weighted(case, gs):
    """Return the case as a function to a scalar: its floating results times weights, summed by NumPy."""

    def total(*leaves):
        floats = [y for y in case.numpy(*leaves) if is_float(y)]
        return sum(np.sum(y * g) for y, g in zip(floats, gs, strict=True))

    return total


def along(f, leaves, direction):
    """Return the derivative of f along a direction, by differences of fourth order."""
    return (
        sum(
            weight * f(*(x + k * STEP * d if d is not None else x for x, d in zip(leaves, direction, strict=True)))
            for k, weight in STENCIL.items()
        )
        / STEP
    )


def gradient_by_differences(f, leaves):
    """Return the derivatives of f by all elements of all floating leaves."""
    grads = []
    for n, x in enumerate(leaves):
        if not is_float(x):
            grads.append(None)
            continue
        grad = np.zeros(x.shape)
        for at in np.ndindex(*x.shape):
            unit = np.zeros(x.shape)
            unit[at] = 1.0
            grad[at] = along(f, leaves, [unit if k == n else None for k in range(len(leaves))])
        grads.append(grad)
    return grads


def reverse(case, leaves, gs):
    """Return the program of the gradients of the weighted case by its leaves, zeros where none is connected."""

    def program(*args):
        xs, weights = args[: len(leaves)], args[len(leaves) :]
        builder, fresh = current_builder(), [OPS["identity"](x) for x in xs]
        start = len(builder.block.nodes)
        floats = [lift(y) for y in case(*fresh) if type_of(y).is_float]
        found = ad.pull(builder, start, list(zip(floats, weights, strict=True)), [x.atom for x in fresh])
        return [np.zeros(x.shape) if g is None else g for x, g in zip(leaves, found, strict=True)]

    return trace(program, *leaves, *gs, names=[f"x{k}" for k in range(len(leaves) + len(gs))])


def evaluate(block, args):
    return ad.evaluate(block, [*args, *block.captured])


def directions(leaves):
    rng = np.random.default_rng(7)
    return [rng.uniform(-1, 1, x.shape)[()] if is_float(x) else None for x in leaves]


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if isinstance(c.entry, Op)], ids=repr)
def test_rule_on_arrays(case):
    leaves = case.draw()
    results = case.numpy(*leaves)
    gs = cotangents(results)
    op = case.entry
    every = iter(gs)
    g = tuple(next(every) if is_float(y) else None for y in results)
    with np.errstate(all="ignore"):
        found = op.pullback(
            leaves_in_place(case, leaves), results if op.multiple else results[0], g if op.multiple else g[0],
            case.sample.kwargs,
        )  # fmt: skip
    by_leaf = cotangents_of_leaves(case, found)
    want = gradient_by_differences(weighted(case, gs), leaves)
    for ct, w, x in zip(by_leaf, want, leaves, strict=True):
        if w is not None:
            got = np.zeros(x.shape) if ct is None else fit(ct, type_of(x))
            np.testing.assert_allclose(got, w, **tolerance(case, 1e-8))
            assert got.dtype == x.dtype


def leaves_in_place(case, leaves):
    """Return the operands of an op: the leaves where arrays are drawn, literal values elsewhere."""
    each = iter(leaves)
    return [next(each) if hasattr(a, "draw") else a for a in case.sample.args]


def cotangents_of_leaves(case, found):
    return [ct for ct, a in zip(found, case.sample.args, strict=True) if hasattr(a, "draw")]


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_gradient_program(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    got = evaluate(reverse(case, leaves, gs), [*leaves, *gs])
    want = gradient_by_differences(weighted(case, gs), leaves)
    for g, w in zip(got, want, strict=True):
        if w is not None:
            np.testing.assert_allclose(g, w, **tolerance(case, 1e-8))


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_forward_mode_is_the_transpose(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    dots = directions(leaves)
    primal = trace(lambda *xs: [y for y in case(*xs) if type_of(y).is_float], *leaves, names=names(leaves))

    def tangents(*args):
        moving = iter(args[len(leaves) :])
        ts = [None if d is None else next(moving) for d in dots]
        none = [None] * len(primal.captured)
        _, found = ad.push(primal, [*args[: len(leaves)], *primal.captured], [*ts, *none])
        return [np.zeros(g.shape) if t is None else t for t, g in zip(found, gs, strict=True)]

    given = [*leaves, *(d for d in dots if d is not None)]
    forward = evaluate(trace(tangents, *given, names=names(given)), given)
    back = evaluate(reverse(case, leaves, gs), [*leaves, *gs])
    by_forward = sum(np.sum(g * t) for g, t in zip(gs, forward, strict=True))
    by_reverse = sum(np.sum(c * d) for c, d in zip(back, dots, strict=True) if d is not None)
    np.testing.assert_allclose(by_forward, by_reverse, **tolerance(case, 1e-11, 1e-5))


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_second_order(case):
    leaves = case.draw()
    gs = cotangents(case.numpy(*leaves))
    dots = directions(leaves)
    first = reverse(case, leaves, gs)
    args = [*leaves, *gs]

    def tangents(*xs):
        moving = iter(xs[len(args) :])
        ts = [*(None if d is None else next(moving) for d in dots), *(None for _ in gs)]
        none = [None] * len(first.captured)
        _, found = ad.push(first, [*xs[: len(args)], *first.captured], [*ts, *none])
        return [np.zeros(x.shape) if t is None else t for t, x in zip(found, leaves, strict=True)]

    given = [*args, *(d for d in dots if d is not None)]
    got = evaluate(trace(tangents, *given, names=names(given)), given)
    for n, x in enumerate(leaves):
        if is_float(x):
            want = along(lambda *xs, n=n: evaluate(first, [*xs, *gs])[n], leaves, dots)
            np.testing.assert_allclose(got[n], want, **tolerance(case, 1e-7))


def names(args):
    return [f"x{k}" for k in range(len(args))]


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_single_precision_stays_single(case):
    leaves = case.draw(np.float32)
    results = case.numpy(*leaves)
    if any(is_float(y) and y.dtype != np.float32 for y in results):
        return
    block = reverse(case, leaves, cotangents(results))
    made = [out.type for node in block.nodes for out in node.outs]
    assert not [t for t in made if t.dtype == np.float64]


def test_what_has_no_derivative_is_known():
    without = {case.entry.name for case in CASES if isinstance(case.entry, Op) and case.entry.vjp is None}
    assert without == {
        "all", "any", "argmax", "argmin", "basis", "bitwise_and", "bitwise_or", "bitwise_xor", "equal", "greater",
        "greater_equal", "invert", "isfinite", "isinf", "isnan", "less", "less_equal", "logical_and", "logical_not",
        "logical_or", "logical_xor", "not_equal", "slogdet_sign", "stop_gradient",
    }  # fmt: skip


@pytest.mark.parametrize("entry", {c.entry.name: c.entry for c in CASES}.values(), ids=lambda e: e.name)
def test_every_entry_has_samples(entry):
    assert entry.samples
