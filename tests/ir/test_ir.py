"""Types, sizes, printing and the checker."""

import numpy as np
import pytest

from jitdiff.errors import ShapeError, TracingError, VerificationError
from jitdiff.ir import (
    Apply,
    ArrayType,
    Block,
    Builder,
    Const,
    Dim,
    For,
    NeedsConcreteSize,
    Value,
    broadcast_shapes,
    verify,
)
from jitdiff.ir.builder import building
from jitdiff.ops import OPS, Tracer, control
from tests.tracing import gradient_of, trace

F8 = np.dtype(float)
n, m = Dim.symbol("n"), Dim.symbol("m")


def test_sizes_are_polynomials():
    assert 2 * n + m - n == n + m
    assert (n * m + 2 * n) // n == m + 2
    assert n - n == 0
    assert (n + 1) * (n - 1) == n * n - 1
    assert n * m == m * n
    assert hash(n + m) == hash(m + n)
    assert str(2 * n + m - 1) == "m + 2*n - 1"
    assert (3 * n + 1).substitute({"n": 4}) == 13


@pytest.mark.parametrize(
    "needs", [lambda: n < 3, lambda: int(n), lambda: range(n), lambda: n // 2, lambda: bool(n), lambda: n % m]
)
def test_what_a_symbol_cannot_tell_is_asked_for(needs):
    with pytest.raises(NeedsConcreteSize):
        needs()


@pytest.mark.parametrize(
    ("shapes", "whole"),
    [
        (((3,), (2, 1)), (2, 3)),
        (((), (4,)), (4,)),
        (((0,), (1,)), (0,)),
        (((n,), (n,)), (n,)),
        (((n, 1), (m,)), (n, m)),
        ((), ()),
    ],
)
def test_broadcasting(shapes, whole):
    assert broadcast_shapes(*shapes) == whole


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((n,), (m,)), ((n,), (3,)), ((0,), (2,))])
def test_sizes_that_differ_do_not_broadcast(shapes):
    with pytest.raises(ShapeError, match="do not broadcast"):
        broadcast_shapes(*shapes)


def test_a_program_prints_as_typed_python(golden):
    def loss(x, y):
        z = np.tanh(x * y)
        (c,) = control.cond(np.sum(z) > 0.5, lambda: [z * 2.0], lambda: [z])
        (a,), (rows,) = control.fori(3, lambda i, a: [a * y, a], [c])
        (b,), _, _ = control.while_(lambda b: np.sum(b) < 9.0, lambda b: [b * 2.0], [a])
        return [np.sum(b), rows]

    golden(repr(trace(loss, np.ones(3), np.ones(3), name="loss")) + "\n")


def test_a_gradient_prints_the_same_each_time():
    texts = {repr(trace(gradient_of(lambda x: [np.sum(np.sin(x) * x)]), np.ones(3))) for _ in range(3)}
    assert len(texts) == 1


def test_nodes_know_the_line_they_come_from():
    block = trace(lambda x: [x * 2.0], np.ones(3))
    assert block.nodes[0].loc.file == __file__
    assert "test_ir.py:" in repr(block)


def _value(*shape):
    return Value(ArrayType(F8, shape))


def test_the_checker_accepts_what_is_well_formed():
    x, y = _value(3), _value(3)
    block = Block((x,), [Apply(OPS["negative"], (x,), {}, (y,))], (y,))
    assert verify(block) is block


@pytest.mark.parametrize("case", ["undefined", "twice", "type", "carry", "trip"])
def test_the_checker_refuses(case):
    x, y, stray = _value(3), _value(3), _value(3)
    negative = Apply(OPS["negative"], (x,), {}, (y,))
    body = Block((Value(control.INDEX), (c := _value(3))), [], (c,))
    blocks = {
        "undefined": Block((x,), [Apply(OPS["negative"], (stray,), {}, (y,))], (y,)),
        "twice": Block((x,), [negative, negative], (y,)),
        "type": Block((x,), [Apply(OPS["negative"], (x,), {}, (bad := _value(4),))], (bad,)),
        "carry": Block((x,), [For(Const.of(3), (x,), body, (bad2 := _value(4),))], (bad2,)),
        "trip": Block((x,), [For(x, (x,), body, (y,))], (y,)),
    }
    with pytest.raises(VerificationError):
        verify(blocks[case])


def test_a_typing_error_names_the_op_and_the_users_line():
    x, y = Value(ArrayType(F8, (3,)), "x"), Value(ArrayType(F8, (4,)), "y")
    builder = Builder((x, y))
    with building(builder), pytest.raises(ShapeError, match=r"add: shapes \[3\], \[4\] do not broadcast") as error:
        Tracer(x) + Tracer(y)
    assert "test_ir.py" in str(error.value)


def test_branches_and_carries_must_agree():
    with pytest.raises(TracingError, match=r"return 1 and 2 values"):
        trace(lambda x: control.cond(x > 0, lambda: [x], lambda: [x, x]), np.float64(1.0))
    with pytest.raises(ShapeError, match=r"result 0 is f64\[\] in the true branch and f64\[3\]"):
        trace(lambda x, y: control.cond(x > 0, lambda: [x], lambda: [y]), np.float64(1.0), np.ones(3))
    with pytest.raises(TracingError, match=r"carry 0 of the loop changes from f64\[\] to f64\[3\]"):
        trace(lambda x, y: control.fori(3, lambda i, c: [c * y], [x])[0], np.float64(1.0), np.ones(3))
    with pytest.raises(TracingError, match="must be a scalar"):
        trace(lambda y: control.cond(y > 0, lambda: [y], lambda: [y]), np.ones(3))


def test_a_python_scalar_gives_way_to_what_the_loop_makes_of_it():
    (loop,) = trace(lambda x: control.fori(3, lambda i, c: [c + x], [0])[0], np.float32(1.0)).nodes
    assert loop.outs[0].type.dtype == np.float32  # as np.float32(1) + 0 is
