"""The text itself: readable, the same for the same program, in the user's names."""

import numpy as np
import pytest

from jitdiff.codegen import emit
from jitdiff.ir import Block
from jitdiff.ops import control
from tests.codegen.examples import CASES
from tests.codegen.programs import trace

W, X, Y = np.ones(10), np.ones((100, 10)), np.ones(100)


def value_and_gradient(w, X, y):
    z = X @ w
    p = np.exp(-y * z)
    value = np.mean(np.log1p(p))
    return value, X.T @ (-y * p / (1.0 + p) / 100.0)


def without_lines(block: Block) -> Block:
    from dataclasses import replace

    from jitdiff.ir import Apply, blocks_of

    for k, node in enumerate(block.nodes):
        for inner in blocks_of(node):
            without_lines(inner)
        block.nodes[k] = replace(node, loc=None)
        assert isinstance(block.nodes[k], Apply) or block.nodes[k].loc is None
    return block


def test_logistic_loss_and_gradient(golden) -> None:
    golden(emit(without_lines(trace(value_and_gradient, (W, X, Y), "w X y")), "loss_value_and_grad").source)


@pytest.mark.parametrize("name", ["softmax", "seidel", "until", "long recorded", "neighbours"])
def test_emitted(name: str, golden) -> None:
    function, args = CASES[name]
    golden(emit(without_lines(trace(function, args, "x")), "f").source)


def test_lines_of_the_user_are_marked() -> None:
    source = emit(trace(value_and_gradient, (W, X, Y), "w X y"), "f").source
    line = value_and_gradient.__code__.co_firstlineno + 1
    (product,) = (text for text in source.splitlines() if "matmul(X, w" in text)
    assert product.endswith(f"# test_text.py:{line}")


def test_names_of_the_user_survive_and_do_not_clash() -> None:
    def function(i, exp, ws):
        return np.exp(i) + exp * ws

    source = emit(trace(function, (Y, Y, Y), "i exp ws"), "f").source
    assert "def f(ws, i, exp_0, ws_0, out):" in source
    assert "exp(i[j]) + exp_0[j] * ws_0[j]" in source


def test_only_used_names_are_imported_in_order() -> None:
    source = emit(trace(lambda x: np.sin(x) + np.exp(x), (Y,)), "f").source
    assert "from jitdiff.native.runtime import NotMine, exp, sin\n" in source


def test_the_document_string_comes_first() -> None:
    source = emit(trace(lambda x: x * 2.0, (Y,)), "f", "Doubles.").source
    assert source.startswith('"""Doubles."""\n')


def test_costly_elements_are_computed_once() -> None:
    def function(x):
        e = np.exp(x)
        return e / np.sum(e), e[1:] - e[:-1]

    source = emit(trace(function, (Y,)), "f").source
    assert source.count(" exp(") == 1


def test_cheap_broadcasts_are_not_stored() -> None:
    emitted = emit(trace(lambda a, x: np.sum(a * (x + 1.0), axis=1), (X, W)), "f")
    assert emitted.workspace == 0


def test_a_costly_operand_is_not_computed_for_each_row() -> None:
    emitted = emit(trace(lambda a, x: np.sum(a * np.exp(x), axis=1), (X, W)), "f")
    assert emitted.workspace == 128


def test_carries_are_updated_in_place() -> None:
    function, args = CASES["long seidel"]
    emitted = emit(trace(function, args), "f")
    assert emitted.workspace == 0
    assert "_next" not in emitted.source


def test_small_carries_are_scalars() -> None:
    function, args = CASES["neighbours"]
    emitted = emit(trace(function, args), "f")
    loop = emitted.source.split("for step0")[1].split("    out[0]")[0]
    assert emitted.workspace == 0
    assert "[" not in loop


def test_a_carry_that_is_read_after_its_update_is_not() -> None:
    function, args = CASES["long neighbours"]
    assert "_next" in emit(trace(function, args), "f").source


def test_loop_bodies_allocate_nothing() -> None:
    def function(x):
        return control.fori(9, lambda i, y: [np.cumsum(np.sin(y)) * 0.1], [x])[0][0]

    lines = emit(trace(function, (Y,)), "f").source.splitlines()
    body = lines[next(k for k, text in enumerate(lines) if "for step0" in text) + 1 :]
    assert not [text for text in body if "np.empty" in text or "buffer(" in text]
