"""Programs of equal text: what each returns is its own, though they share machine code."""

import itertools

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.ir import ArrayType, Dim, Emitted
from jitdiff.native.kernel import build

FIRST_ELEMENT = [
    lambda x: x[0] * 2.0,
    lambda x: x[0] ** 2,
    lambda x: np.sum(x[:2]),
    lambda x: {"y": x[1] * x[0]},
]
"""Functions that read a fixed part of their argument, so that the text of the adjoint hardly shows its size."""


def seed(y):
    return {"y": 1.0} if isinstance(y, dict) else 1.0


@pytest.mark.parametrize("function", FIRST_ELEMENT)
@pytest.mark.parametrize("sizes", list(itertools.permutations([2, 3, 5], 2)))
def test_pullbacks_of_other_sizes(function, sizes):
    for n in sizes:
        x = np.arange(1.0, n + 1)
        value, pullback = jd.vjp(jd.compile(lambda x: function(x)), x)
        expected, reference = jd.vjp(function, x)
        assert value == expected
        np.testing.assert_array_equal(pullback(seed(value))[0], reference(seed(value))[0], strict=True)


@pytest.mark.parametrize(
    "shapes", [((3,), (5,)), ((2, 3), (4, 3)), ((2, 3), (2, 7)), ((3, 3), (9, 9)), ((1, 4), (4, 1))]
)
def test_gradients_of_other_shapes(shapes):
    for shape in (*shapes, *shapes[::-1]):
        x = np.ones(shape)
        for g in (
            jd.compile(lambda x: x.reshape(-1)[0] * 2.0).grad(x),
            jd.compile(lambda x: x.reshape(-1)[0] * 2.0).value_and_grad(x)[1],
            jd.vjp(jd.compile(lambda x: x.reshape(-1)[0] * 2.0), x)[1](1.0)[0],
            jd.jacobian(jd.compile(lambda x: x.reshape(-1)[:1] * 2.0))(x)[0],
        ):
            expected = np.zeros(shape)
            expected.flat[0] = 2.0
            np.testing.assert_array_equal(g, expected, strict=True)


def test_results_that_differ_in_dtype_and_in_shape():
    for n, dtype in itertools.product([3, 5], [np.float32, np.float64, np.int64]):
        made = jd.compile(lambda x: (np.zeros_like(x), x[0]))(np.ones(n, dtype))
        np.testing.assert_array_equal(made[0], np.zeros(n, dtype), strict=True)
        assert type(made[1]) is dtype


SOURCE = """import numpy as np


def fill(ws, x, out):
    for i in range(out.shape[0]):
        out[i] = x[0]
"""


def filling(out, workspace=0, param=(3,)):
    vector = ArrayType(np.dtype(float), param)
    return Emitted(SOURCE, "fill", ("fill",), (vector,), (ArrayType(np.dtype(float), out),), workspace, (0,))


def test_equal_text_is_compiled_once_for_all_shapes_of_outs():
    three, five = build(filling((3,))), build(filling((5,)))
    assert three.dispatcher is five.dispatcher
    assert (three.call(np.ones(3)).shape, five.call(np.ones(3)).shape) == ((3,), (5,))
    n = Dim.symbol("n")
    symbolic = build(filling((n + 1,), param=(n,)))
    assert symbolic.call(np.ones(3)).shape == (4,)
    assert build(filling((3,))) is three


def test_each_module_has_the_workspace_it_asks_for():
    source = "def size(ws, x):\n    return ws.shape[0]\n"
    scalar, integer = ArrayType(np.dtype(float)), ArrayType(np.dtype(np.int64))
    kernels = [build(Emitted(source, "size", ("size",), (scalar,), (integer,), bytes)) for bytes in (64, 4096)]
    assert [kernel.call(1.0) for kernel in kernels] == [64, 4096]


def test_what_was_compiled_without_the_cache_can_be_kept_later():
    scalar = (ArrayType(np.dtype(float)),)
    emitted = Emitted("def add(ws, x):\n    return x + 0.8125\n", "add", ("add",), scalar, scalar, 0)
    unkept = build(emitted, cache=False)
    kept = build(emitted)
    assert not unkept.path.endswith(".py")
    assert kept.path.endswith(".py")
    assert unkept.call(1.0) == kept.call(1.0) == 1.8125
