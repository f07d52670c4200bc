"""Batches: what is computed with all rows at once is what each row gives."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import TracingError
from jitdiff.ops import OPS, Op
from jitdiff.ops.batched import Batched, by_rows
from jitdiff.ops.table import computed
from tests.ops.cases import CASES
from tests.ops.harness import cotangents, is_array, is_float

OP_CASES = [case for case in CASES if isinstance(case.entry, Op)]
PULLED = [case for case in OP_CASES if case.differentiable]


def rows_of(x, count):
    """Different arrays of the kind of `x`."""
    if is_float(x):
        return [(x * scale).astype(x.dtype)[()] for scale in (1.0, 0.97, 1.02)[:count]]
    return [np.roll(x, shift) if np.ndim(x) else x for shift in range(count)]


def batch(rows, like):
    return Batched(np.stack(rows)) if rows else Batched(np.zeros((0, *like.shape), like.dtype))


def choices(case):
    """Which leaves are batches: of an op all of them, and each alone; of a function of NumPy's the floating ones."""
    leaves = case.draw()
    every = list(range(len(leaves)))
    if isinstance(case.entry, Op):
        return [every, *([k] for k in every if len(every) > 1)]
    return [[k for k in every if is_float(leaves[k])]]


def numbers(y):
    return y.value if isinstance(y, Batched) else y


def matches(found, want, dtype=np.float64):
    tolerance = 1e-11 if dtype == np.float64 else 2e-5
    assert found.dtype == want.dtype
    assert found.shape == want.shape
    np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_rows(case, dtype) -> None:
    leaves = case.draw(dtype)
    for chosen in filter(None, choices(case)):
        rows = {k: rows_of(leaves[k], 3) for k in chosen}
        found = case(*(batch(rows[k], x) if k in chosen else x for k, x in enumerate(leaves)))
        each = [case.numpy(*(rows[k][i] if k in chosen else x for k, x in enumerate(leaves))) for i in range(3)]
        for y, want in zip(found, zip(*each, strict=True), strict=True):
            if is_array(want[0]):
                got = numbers(y)
                want = np.stack(want)
                matches(got if isinstance(y, Batched) else np.broadcast_to(got, want.shape), want, dtype)
            else:
                assert y == want[0]


@pytest.mark.parametrize("case", OP_CASES, ids=repr)
def test_no_rows(case) -> None:
    leaves = case.draw()
    for chosen in filter(None, choices(case)):
        found = case(*(batch([], x) if k in chosen else x for k, x in enumerate(leaves)))
        for y, want in zip(found, case.numpy(*leaves), strict=True):
            assert y.value.shape == (0, *want.shape)
            assert y.dtype == want.dtype


@pytest.mark.parametrize("case", PULLED, ids=repr)
def test_pullbacks(case) -> None:
    leaves, op = case.draw(), case.entry
    attrs = dict(case.sample.kwargs)
    xs = arguments(case, leaves)
    y = op.evaluate(*xs, **attrs)
    (g,) = cotangents((y,))
    gs = [g, -0.5 * g, 0.0 * g]
    one_by_one = [[computed(ct) for ct in op.pullback(xs, y, one, attrs)] for one in gs]
    found = [computed(ct) for ct in op.pullback(xs, y, Batched(np.stack(gs)), attrs)]
    for ct, each in zip(found, zip(*one_by_one, strict=True), strict=True):
        if each[0] is None:
            assert ct is None
        else:
            matches(ct.value, np.stack(each))


@pytest.mark.parametrize("case", PULLED, ids=repr)
def test_pullbacks_at_the_rows_of_a_batch(case) -> None:
    leaves, op = case.draw(), case.entry
    attrs = dict(case.sample.kwargs)
    each = [arguments(case, row) for row in zip(*(rows_of(x, 2) for x in leaves), strict=True)]
    ys = [op.evaluate(*xs, **attrs) for xs in each]
    gs = [cotangents((y,))[0] for y in ys]
    want = [[computed(ct) for ct in op.pullback(xs, y, g, attrs)] for xs, y, g in zip(each, ys, gs, strict=True)]
    xs = [Batched(np.stack(column)) if is_array(column[0]) else column[0] for column in zip(*each, strict=True)]
    found = [computed(ct) for ct in op.pullback(xs, Batched(np.stack(ys)), Batched(np.stack(gs)), attrs)]
    for ct, column in zip(found, zip(*want, strict=True), strict=True):
        if column[0] is None:
            assert ct is None
        else:
            matches(ct.value, np.stack(column))


def arguments(case, leaves):
    """The operands of a case, its arrays drawn."""
    given = iter(leaves)
    return [next(given) if hasattr(a, "draw") else a for a in case.sample.args]


@pytest.mark.parametrize("name", sorted(OPS))
def test_on_tensors_the_rows_are_recorded(name) -> None:
    case = next(c for c in OP_CASES if c.entry.name == name)
    if not case.differentiable:
        return
    leaves = case.draw()
    chosen = [k for k, x in enumerate(leaves) if is_float(x)]
    tensors = {k: jd.constant(np.stack(rows_of(leaves[k], 2))) for k in chosen}
    with jd.GradientTape() as tape:
        tape.watch(list(tensors.values()))
        (y,) = case(*(Batched(tensors[k]) if k in chosen else x for k, x in enumerate(leaves)))
    assert isinstance(y.value, jd.Tensor)
    found = tape.gradient(y.value, list(tensors.values()), unconnected_gradients="zero")
    for i in range(2):
        xs = [jd.constant(tensors[k].numpy()[i]) if k in chosen else x for k, x in enumerate(leaves)]
        with jd.GradientTape() as single:
            single.watch([xs[k] for k in chosen])
            (z,) = case(*xs)
        for g, want in zip(
            found, single.gradient(z, [xs[k] for k in chosen], unconnected_gradients="zero"), strict=True
        ):
            matches(g.numpy()[i], want.numpy())


def test_a_batch_has_no_one_number() -> None:
    x = Batched(np.ones((3, 2)))
    for ask in (bool, float, int, np.asarray):
        with pytest.raises(TracingError, match=r"a batch of 3 arrays f64\[2\] has no one number"):
            ask(x)
    assert repr(x) == "<batch of 3: f64[2]>"


def test_rules_of_users_see_one_cotangent_at_a_time() -> None:
    seen = []

    def rule(xs, y, g):
        seen.append(float(np.sum(g)))
        return [g * xs[0], None, None if np.sum(g) > 1 else g]

    found = by_rows(rule)((np.ones(2),), None, Batched(np.array([[1.0, 2.0], [0.5, 0.0]])))
    assert seen == [3.0, 0.5]
    assert found[0].value.tolist() == [[1.0, 2.0], [0.5, 0.0]]
    assert found[1] is None
    assert found[2].value.tolist() == [[0.0, 0.0], [0.5, 0.0]]
    assert by_rows(rule)((2.0,), None, 0.25)[0] == 0.5
