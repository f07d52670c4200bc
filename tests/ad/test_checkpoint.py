"""Checkpoints: gradients stay what they are, and what is saved shrinks as stated."""

import math
from typing import Any

import numpy as np
import pytest

import jitdiff as jd
from jitdiff import ad, passes
from jitdiff.errors import ArgumentError
from jitdiff.ops import replay, segments
from tests.ad.saved import program_of, saved
from tests.tracing import gradient_of, numerical, run, trace

X = np.linspace(0.4, 1.2, 10)


def counted(checkpoint: Any, trips: int = 21) -> Any:
    def fn(x: Any) -> list[Any]:
        return [np.sum(jd.fori_loop(0, trips, lambda i, c: np.sin(c) * x + 0.01 * i, x, checkpoint=checkpoint))]

    return fn


def until(checkpoint: Any) -> Any:
    def fn(x: Any) -> list[Any]:
        return [np.sum(jd.while_loop(lambda c: np.sum(c) < 40.0, lambda c: c * 1.1 + 0.1 * np.sin(x), x,
                                     checkpoint=checkpoint))]  # fmt: skip

    return fn


def scanned(checkpoint: Any) -> Any:
    def fn(x: Any) -> list[Any]:
        last, rows = jd.scan(lambda c, r: (np.tanh(c * r), c * c), x[0], x, reverse=True, checkpoint=checkpoint)
        return [last + np.sum(rows * np.arange(10.0))]

    return fn


def mapped(checkpoint: Any) -> Any:
    return lambda x: [np.sum(jd.map(lambda r: np.exp(np.sin(r)), x, checkpoint=checkpoint))]


@pytest.mark.parametrize("checkpoint", [1, 4, 7, 100, "sqrt"])
@pytest.mark.parametrize("make", [counted, until, scanned, mapped])
def test_gradients_are_the_same_in_segments(make, checkpoint):
    want = run(gradient_of(make(None)), X)[0]
    np.testing.assert_allclose(run(gradient_of(make(checkpoint)), X)[0], want, rtol=1e-12)
    np.testing.assert_allclose(run(make(checkpoint), X)[0], run(make(None), X)[0], rtol=1e-12)
    np.testing.assert_allclose(want, numerical(make(None), (X,), 0), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("make", [counted, until, scanned])
def test_second_derivatives_in_segments(make):
    def slope(checkpoint: Any) -> Any:
        return lambda x: [np.sum(gradient_of(make(checkpoint))(x)[0] ** 2)]

    block = passes.optimise(trace(gradient_of(slope(4)), X))
    found = ad.evaluate(block, [X, *block.captured])[0]
    np.testing.assert_allclose(found, run(gradient_of(slope(None)), X)[0], rtol=1e-10)


@pytest.mark.parametrize(("trips", "checkpoint", "length"), [(100, 10, 10), (100, "sqrt", 10), (90, "sqrt", 10)])
def test_carries_are_saved_once_in_a_segment(trips, checkpoint, length):
    assert saved(counted(None, trips), X) == [(trips, 10), (trips, 10)]  # sin and cos of each iteration
    assert saved(counted(checkpoint, trips), X) == [(math.ceil(trips / length), 10)]


def test_the_workspace_grows_as_the_root_of_the_trips():
    def bytes_for(trips: int, checkpoint: Any) -> int:
        f = jd.compile(lambda x: counted(checkpoint, trips)(x)[0])
        return f.grad.specialisation(X).emitted.workspace

    plain = [bytes_for(n, None) for n in (400, 1600)]
    root = [bytes_for(n, "sqrt") for n in (400, 1600)]
    assert plain[1] > 3.8 * plain[0]
    assert root[1] < 2.1 * root[0]
    assert root[0] < plain[0] / 6


def test_segments_of_a_loop_of_unknown_length_grow():
    def fn(x: Any) -> list[Any]:
        def body(*c: Any) -> list[Any]:
            return [c[0] + 1, c[1] * x]

        return segments.while_(lambda *c: c[0] < 55, body, [0, x], "sqrt")

    # Ten segments, of 1, 2, ... 10 iterations.
    (loop,) = trace(fn, 1.1).nodes
    assert run(fn, 1.1)[0] == 55
    carries, rows = [np.int64(0), np.int64(0), np.float64(1.1)], 0
    x = loop.init[-1]
    while replay.inner(loop.cond, carries, {x: 1.1})[0]:
        carries = replay.inner(loop.body, carries, {x: 1.1})
        rows += 1
        assert carries[1] == rows * (rows + 1) // 2
    assert rows == 10


def test_a_checkpointed_function_saves_what_goes_in():
    def block(x: Any) -> Any:
        return np.sin(np.exp(np.cos(x)))

    def chain(x: Any, f: Any) -> Any:
        return np.sum(f(f(f(x))))

    x = np.ones(1000)
    plain = jd.vjp(jd.compile(lambda x: chain(x, block)), x)
    again = jd.compile(lambda x: chain(x, jd.checkpoint(block)))
    split = ad.split(passes.optimise(ad.joint(trace(lambda x: [chain(x, jd.checkpoint(block))], x), [0])), 1, [])
    assert split.residuals <= 2  # The values between the three.
    np.testing.assert_allclose(again.grad(x), plain[1](1.0)[0], rtol=1e-12)
    np.testing.assert_allclose(
        jd.hessian(again)(x[:3]), jd.hessian(lambda x: chain(x, block))(x[:3]), rtol=1e-9, atol=1e-12
    )


def test_the_replay_is_not_merged_with_the_original():
    def fn(x: Any) -> list[Any]:
        return [np.sum(jd.checkpoint(lambda x: np.exp(np.sin(x)))(x))]

    text = repr(program_of(lambda x: [fn(x)[0] ** 2], X))
    assert text.count("exp(") == 2


def test_checkpoint_reads_what_is_around_in_both_worlds():
    def f(w: Any) -> Any:
        return jd.checkpoint(lambda x: {"y": np.sin(x * w)})(3.0)["y"]

    want = 3.0 * np.cos(6.0)
    np.testing.assert_allclose(jd.grad(f)(2.0), want, rtol=1e-12)
    np.testing.assert_allclose(jd.grad(jd.compile(f))(2.0), want, rtol=1e-12)
    np.testing.assert_allclose(jd.grad(jd.grad(f))(2.0), -9.0 * np.sin(6.0), rtol=1e-12)


@pytest.mark.parametrize("bad", [0, -3, 2.5, "root"])
def test_what_a_checkpoint_may_be(bad):
    with pytest.raises(ArgumentError, match="checkpoint must be a positive number"):
        trace(lambda x: segments.fori(3, lambda i, c: [c], [x], bad)[0], 1.0)
