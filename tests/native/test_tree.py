"""What Numba is handed in place of the text."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from jitdiff.ir import ArrayType, Emitted
from jitdiff.native.tree import tree_of
from tests.native.modules import native, run, run_in_python


@pytest.mark.parametrize(
    "text",
    ["x[0]", "x[-1]", "x[:]", "x[1:, ::-1]", "x[i:j]", "x.shape[0]", "x.shape[k]", "x[i, :] = 0.0"],
)
def test_constants_slices_and_attributes_stay(text):
    tree = ast.unparse(tree_of(Emitted(text, "f", ("f",), (), (), 0), text, ""))
    assert tree.replace("__from_start__(i)", "i") == text


@pytest.mark.parametrize("runner", [run, run_in_python])
def test_computed_indices_of_every_kind(runner):
    body = """
    x = seen_as(np.arange(9.0), (3, 3))
    total = 0.0
    for i in range(3):
        x[2 - i, np.int32(i)] += 1.0
        x[check_index(-1 - i, 3), i % 2] += 10.0
        total += x[i, x.shape[1] - 1] + x[-1, 0] + x[a[i], 0]
    x[:, 1] = total
    return total
    """
    expected = np.arange(9.0).reshape(3, 3)
    total = 0.0
    for i in range(3):
        expected[2 - i, i] += 1.0
        expected[-1 - i, i % 2] += 10.0
        total += expected[i, 2] + expected[-1, 0] + expected[2 - i, 0]
    assert runner(body, np.array([2, 1, 0])) == total


def test_changes_of_arguments_are_refused():
    vector = ArrayType(np.dtype(float), (3,))
    text = "def f(ws, x, y):\n    y[0] = x[0]\n    x[1] = 0.0\n"
    with pytest.raises(TypeError, match="changes its argument x"):
        tree_of(Emitted(text, "f", ("f",), (vector,), (vector,), 0, (0,)), text, "")


def test_arguments_and_other_arrays_are_of_one_type():
    x = np.ones(4)
    x.setflags(write=False)
    body = """
    y = buffer(ws, 0, np.float64, (4,))
    y[:] = 2.0
    both = a if a[0] > 1.0 else y
    return dot(both, a)
    """
    assert native(body, x, workspace=32).call(x) == 8.0


def test_an_index_does_not_choose_between_two_ends():
    body = """
    total = 0.0
    for i in range(b):
        total += a[b - i - 1]
    return total
    """
    kernel = native(body, np.ones(4), 4)
    (llvm,) = kernel.dispatcher.inspect_llvm().values()
    assert kernel.call(np.ones(4), 4) == 4.0
    assert " select " not in llvm
