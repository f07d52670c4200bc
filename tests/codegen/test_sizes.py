"""Symbolic sizes, the workspace, and functions cut in pieces."""

import numpy as np
import pytest

from jitdiff.codegen import emit
from jitdiff.codegen.cut import LIMIT, cut
from jitdiff.codegen.text import Stmt
from jitdiff.ir import Dim
from jitdiff.native.kernel import build
from jitdiff.native.runtime import NotMine, WorkspaceTooSmall
from jitdiff.ops.replay import evaluate
from tests.codegen.programs import prepared, run, same, trace

N, M = Dim.symbol("n"), Dim.symbol("m")


def statistics(w, X, y):
    p = np.exp(-y * (X @ w))
    d = np.exp(X - np.max(X, axis=0))
    g = p[1:] - p[:-1]
    return np.mean(p), X.T @ (p * y / (1 + p)), d / np.sum(d, axis=0), g * 2.0, np.sum(np.exp(g)) / y.shape[0]


def _arguments(rng, n, m):
    return [rng.normal(size=m), rng.normal(size=(n, m)), rng.normal(size=n)]


@pytest.fixture
def symbolic(rng):
    return trace(statistics, _arguments(rng, 6, 3), "w X y", [(M,), (N, M), (N,)])


@pytest.mark.parametrize("sizes", [(6, 3), (40, 7), (3, 1)])
def test_one_text_for_all_sizes(symbolic, rng, sizes) -> None:
    args = _arguments(rng, *sizes)
    emitted = emit(symbolic, "f")
    want = evaluate(symbolic, args)
    same(run(emitted, args, size=20_000), want)
    same(build(emitted, cache=False).call(*prepared(args)), want)


def test_sizes_that_do_not_fit_are_refused(symbolic, rng) -> None:
    emitted = emit(symbolic, "f")
    w, X, y = _arguments(rng, 6, 3)
    for args in ((w[:2], X, y), (w, X, y[:4]), (w, X[:0], y[:0])):
        with pytest.raises(NotMine):
            run(emitted, args, size=20_000)


def test_a_small_workspace_says_what_is_needed(symbolic, rng) -> None:
    emitted = emit(symbolic, "f")
    args = _arguments(rng, 6, 3)
    with pytest.raises(WorkspaceTooSmall) as caught:
        run(emitted, args, size=64)
    (size,) = caught.value.args
    same(run(emitted, args, size=size), evaluate(symbolic, args))


def test_dead_buffers_are_used_again(rng) -> None:
    def function(x):
        for _ in range(6):
            x = np.cumsum(np.sin(x))
        return np.sum(x)

    x = rng.normal(size=1000)
    emitted = emit(trace(function, (x,)), "f")
    assert emitted.workspace <= 2 * 8064
    same(run(emitted, (x,)), evaluate(trace(function, (x,)), (x,)))


def test_buffers_start_on_cache_lines(rng) -> None:
    source = emit(trace(lambda x: np.sum(np.cumsum(np.cumsum(x))), (rng.normal(size=9),)), "f").source
    starts = [int(text.split("buffer(ws, ")[1].split(",")[0]) for text in source.splitlines() if "buffer(ws" in text]
    assert len(starts) == 2
    assert all(start % 64 == 0 for start in starts)


def test_long_straight_programs_are_cut(rng) -> None:
    def function(x):
        a, b = x[0], x[1]
        for k in range(450):
            a, b = a + 0.01 * b * a, b - 0.01 * a * np.sin(b)
            if k == 100:
                x = x * a
        return a, b, x

    x = rng.uniform(0.5, 1.0, 5)
    block = trace(function, (x,))
    emitted = emit(block, "f")
    assert emitted.functions[-1] == "f"
    assert len(emitted.functions) > 2
    same(run(emitted, (x,)), evaluate(block, (x,)))
    longest = max(len(part.splitlines()) for part in emitted.source.split("def "))
    assert longest < LIMIT + 20


def test_long_loop_bodies_are_cut(rng) -> None:
    from jitdiff.ops import control

    def function(x):
        def body(i, a, b, y):
            for _ in range(225):
                a, b = a + 0.01 * b * a, b - 0.01 * a * np.sin(b)
            return [a, b, np.cumsum(y) * a, a]

        carries, stacked = control.fori(4, body, [x[0], x[1], x])
        return (*carries, *stacked)

    x = rng.uniform(0.5, 1.0, 5)
    block = trace(function, (x,))
    emitted = emit(block, "f")
    assert len(emitted.functions) > 2
    same(run(emitted, (x,)), evaluate(block, (x,)))


def test_pieces_hand_on_what_is_read_later() -> None:
    body = [Stmt(f"a{k} = a{k - 1} + x") for k in range(1, 40)]
    loop = Stmt("for i in range(3):", None, [Stmt("total += a39"), Stmt("if total > 50:", None, [Stmt("total -= a5")])])
    functions = cut("f", ["x", "a0"], [], [Stmt("total = x"), *body, loop, Stmt("return total", pinned=True)], limit=10)
    scope: dict = {}
    from jitdiff.codegen.text import render

    exec("\n".join(line for f in functions for line in render([f.stmt], 0)), scope)
    assert len(functions) > 3
    assert scope["f"](2, 1) == 2 + 3 * (79 - 11)


def test_pieces_return_names_in_the_order_of_the_text() -> None:
    names = [f"a{k}" for k in range(30)]
    loop = Stmt("for i in range(3):", None, [Stmt(f"{name} = x + i") for name in names])
    rest = [Stmt(f"x = x + {k}") for k in range(30)]
    functions = cut("f", ["x"], [], [loop, *rest, Stmt(f"return {' + '.join(names)}", pinned=True)], limit=40)
    returns = [s.text for function in functions[:-1] for s in function.body if s.text.startswith("return")]
    found = [name for text in returns for name in text.removeprefix("return ").split(", ")]
    assert found[:30] == names
