"""What each pass does to small programs. That passes keep the meaning is tested in tests/ad and tests/codegen."""

import numpy as np
import pytest

from jitdiff import ad, passes
from jitdiff.ir import For, Value
from jitdiff.ops import OPS, control
from jitdiff.ops.index import index_add, index_update
from tests.tracing import gradient_of, numerical, run, trace

X = np.array([0.5, 1.0, 2.0])


def ops(block):
    return [node.op.name for node in block.nodes]


@pytest.mark.parametrize(
    ("fn", "left"),
    [
        (lambda x: [x + 0.0], []),
        (lambda x: [0.0 + x], []),
        (lambda x: [x - 0.0], []),
        (lambda x: [0.0 - x], ["negative"]),
        (lambda x: [x * 1.0], []),
        (lambda x: [-1.0 * x], ["negative"]),
        (lambda x: [x / 1.0], []),
        (lambda x: [np.negative(-x)], []),
        (lambda x: [x + (-x)], ["subtract"]),
        (lambda x: [x - (-x)], ["add"]),
        (lambda x: [x**1.0], []),
        (lambda x: [2.0 * (x * 3.0)], ["multiply"]),
        (lambda x: [x.T.T], []),
        (lambda x: [x.reshape(3, 1).reshape(3)], []),
        (lambda x: [np.sum(np.broadcast_to(x, (4, 3)), axis=0)], ["multiply"]),
        (lambda x: [np.sqrt(np.broadcast_to(x, (4, 3)))], ["sqrt"]),
        (lambda x: [np.broadcast_to(x[0], (4,)) * np.broadcast_to(2.0 * x[1], (4,))], ["multiply", "multiply"]),
        (lambda x: [x * np.broadcast_to(x[0], (3,))], ["getitem", "multiply"]),
    ],
)
def test_algebra(fn, left):
    names = ops(passes.optimise(trace(fn, X)))
    assert [n for n in names if n not in ("slice", "reshape", "broadcast_to")] == [n for n in left if n != "getitem"]


def test_cotangents_of_one_slice_are_added_before_they_are_placed():
    names = ops(passes.optimise(trace(gradient_of(lambda x: [np.sum(x[1:] ** 3) + np.sum(np.exp(x[1:]))]), X)))
    assert names.count("place") == 1


def test_cotangents_of_gathers_are_added_where_they_belong():
    first, second = np.array([0, 0]), np.array([1, 2])
    block = trace(gradient_of(lambda x: [np.sum(x[first] ** 2) + np.sum(x[second] ** 3) + np.sum(np.sin(x))]), X)
    names = ops(passes.optimise(block))
    assert "scatter" not in names
    assert names.count("index_add") == 2


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: [np.sum(np.sum(x, keepdims=True)[np.zeros(1, int)]) + np.sum(x[1:] ** 2)],
        lambda x: [np.sum(index_add(np.zeros(1), np.zeros(1, int), x[:1]) + index_add(x, 0, 1.0) ** 2)],
        lambda x: [index_set_first(x) + OPS["place"](x[:1] * 1.0, shape=(1,), ranges=((0, 1, 1),), fill=0)],
    ],
)
def test_what_is_spread_out_while_it_is_added_stays_so(fn):
    """Sums of an array and of a shorter one: what is scattered into one element belongs to all."""
    np.testing.assert_allclose(optimised(fn), run(fn, X))
    if np.ndim(run(fn, X)[0]) == 0:
        np.testing.assert_allclose(optimised(gradient_of(fn))[0], numerical(fn, [X], 0), rtol=1e-8)


def optimised(fn):
    block = passes.optimise(trace(fn, X))
    return ad.evaluate(block, [X, *block.captured])


def index_set_first(x):
    return index_update(x, slice(0, 1), 0.0)


def test_equal_expressions_are_computed_once():
    assert ops(passes.optimise(trace(lambda x: [np.exp(x) * np.exp(x)], X))) == ["exp", "multiply"]


def test_zeros_of_different_sign_are_not_the_same_constant():
    block = passes.cse(trace(lambda x: [np.maximum(x, 0.0), np.maximum(x, -0.0)], X))
    assert len(block.nodes) == 2


def test_constants_are_folded():
    block = passes.optimise(
        trace(lambda x: [x * (np.float64(2.0) * 3.0), control.cond(x[0] > 0, lambda: [1.0], lambda: [2.0])[0]], X)
    )
    assert ops_of_results(block)[0] == "multiply"
    assert str(block.nodes[0].args[1]) == "6.0"


def ops_of_results(block):
    return [n.op.name for n in block.nodes if hasattr(n, "op") and n.out in block.results]


def test_dead_code_goes_and_so_do_unread_carries():
    def fn(x):
        (a, _), _ = control.fori(3, lambda i, a, b: [a * 2.0, b + a, a], [x, x])
        return [a]

    (loop,) = passes.optimise(trace(fn, X)).nodes
    assert isinstance(loop, For)
    assert (len(loop.outs), len(loop.stacked), len(loop.init)) == (1, 0, 1)


def test_a_carry_that_feeds_a_live_one_stays():
    def fn(x):
        (a, _), _ = control.fori(3, lambda i, a, b: [a + b, b * 2.0], [x, x])
        return [a]

    (loop,) = passes.optimise(trace(fn, X)).nodes
    assert len(loop.outs) == 2


def test_invariant_code_leaves_the_loop():
    def fn(x):
        (a,), _ = control.fori(3, lambda i, a: [a + np.exp(x)], [x])
        return [a]

    exp, loop = passes.optimise(trace(fn, X)).nodes
    assert exp.op.name == "exp"
    assert ops(loop.body) == ["add"]


def test_histories_that_no_adjoint_reads_are_not_stacked():
    def linear(x):
        (a,), _ = control.fori(3, lambda i, a: [a * 0.5], [x])
        return [np.sum(a)]

    block = passes.optimise(trace(gradient_of(linear), X))
    assert all(not n.stacked for n in block.nodes if isinstance(n, For))


def test_names_of_the_user_survive():
    block = trace(lambda x: [np.exp(x) + 0.0], X)
    block.results[0].name = "weights"
    assert isinstance(block.results[0], Value)
    assert "weights" in repr(passes.optimise(block))


def test_captured_arrays_stay_with_the_program():
    k = np.arange(3.0)
    block = passes.optimise(trace(lambda x: [x * k], X))
    assert len(block.captured) == 1
    assert block.captured[0] is k


def nested_carries(last):
    def outer(i, kept, number, total):
        (number, total), _ = control.fori(
            4, lambda j, number, total: [np.float64(last), total * number + kept], [number, total]
        )
        return [kept, number, total]

    def fn(x):
        (kept, number, total), _ = control.fori(3, outer, [x, np.float64(0.5), x])
        return [kept, number, total]

    return passes.optimise(trace(fn, X))


def test_carries_that_never_change_are_dropped():
    block = nested_carries(0.5)
    (outer,) = block.nodes
    (inner,) = outer.body.nodes
    assert [len(outer.outs), len(inner.outs)] == [1, 1]
    assert block.results[0] is block.params[0]
    assert str(block.results[1]) == "0.5"


def test_carries_that_change_once_stay():
    (outer,) = nested_carries(0.25).nodes
    (inner,) = outer.body.nodes
    assert [len(outer.outs), len(inner.outs)] == [2, 2]


def test_a_part_emptied_and_put_back_is_the_whole():
    def fn(x, y):
        x = x * 2.0
        x[1:] -= y[1:]
        return [np.sum(x**2)]

    block = passes.optimise(trace(gradient_of(fn), X, X))
    assert all(str(n.args[1]) != "0.0" for n in block.nodes if n.op.name == "index_set")
    x, y = X, X**2
    expected = (2.0 * x - [0.0, *y[1:]]) * 2.0
    np.testing.assert_allclose(run(gradient_of(fn), x, y)[0], 2.0 * expected)
