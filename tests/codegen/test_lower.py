"""Sums of placed values, as adjoints make them."""

import numpy as np

from jitdiff.codegen import emit
from jitdiff.codegen.lower import lower
from jitdiff.ir import verify
from jitdiff.ops import control
from jitdiff.ops.replay import evaluate
from jitdiff.ops.slices import place
from tests.codegen.programs import check, trace

X = np.linspace(0.5, 1.5, 20)


def _at(value, k, size=1):
    return place(np.reshape(value, (size,)), shape=(20,), ranges=((k, 1, size),), fill=0)


def _names(block):
    return [node.op.name for node in block.nodes]


def test_gradients_of_elements_are_added_where_they_belong() -> None:
    def function(x):
        return _at(x[0], 3) + (_at(x[1] * x[2], 5) + _at(x[3], 3))

    block = trace(function, (X,))
    lowered = verify(lower(block))
    assert "add" in _names(lowered)
    assert _names(lowered).count("place") == 1
    assert _names(lowered).count("index_add") == 1
    np.testing.assert_allclose(evaluate(lowered, [X]), evaluate(block, [X]))
    assert check(function, X).workspace == 0


def test_sums_that_are_read_twice_stay() -> None:
    def function(x):
        once = _at(x[0], 3) + _at(x[1], 5)
        return once * 2.0, once + _at(x[2], 5)

    check(function, X)


def test_a_carried_sum_stays_where_it_is() -> None:
    def function(x):
        def body(i, total):
            return [total + _at(x[:4] * x[i], 2, 4) + _at(x[i], 7)]

        return control.fori(9, body, [x * 0.0])[0][0]

    emitted = check(function, X)
    assert emitted.workspace == 0
    loop = emitted.source.split("for step0")[1]
    assert "range(20)" not in loop


def test_the_program_itself_is_left_alone() -> None:
    block = trace(lambda x: _at(x[0], 3) + _at(x[1], 5), (X,))
    before = repr(block)
    emit(block, "f")
    assert repr(block) == before
