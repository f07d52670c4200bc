"""Arrays over memory of others, and indices."""

from __future__ import annotations

import numpy as np
import pytest

from tests.native.modules import module, native, run, run_in_python


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool_", "uint8"])
def test_a_buffer_is_a_part_of_the_workspace(dtype):
    body = f"""
    x = buffer(ws, 64, np.{dtype}, (2, 3))
    for i in range(2):
        for j in range(3):
            x[i, j] = 1
    y = buffer(ws, 64, np.{dtype}, (6,))
    total = 0.0
    for i in range(6):
        total += y[i]
    return total, x.shape[0], x.shape[1], x.size, x.ndim, x.strides[0]
    """
    size = np.dtype(dtype).itemsize
    assert native(body, workspace=128).call() == run_in_python(body, workspace=128) == (6, 2, 3, 6, 2, 3 * size)


def test_a_buffer_has_run_time_sizes_and_reaches_no_further_than_the_workspace():
    body = "return buffer(ws, b, np.float64, (a, 2)).size"
    assert native(body, 3, 16, workspace=64).call(3, 16) == 6
    for sizes in ((4, 16), (10**6, 0), (1, 64)):
        with pytest.raises(IndexError, match="an array ends beyond its workspace"):
            native(body, 3, 16, workspace=64).call(*sizes)
        with pytest.raises(IndexError, match="an array ends beyond its workspace"):
            run_in_python(body, *sizes, workspace=64)


def test_a_returned_view_keeps_its_owner_alive():
    x = np.arange(6.0)
    owner = run("return seen_as(np.sqrt(a), (2, 3))", x)
    np.testing.assert_array_equal(owner, np.sqrt(x).reshape(2, 3))


@pytest.mark.parametrize("runner", [run, run_in_python])
def test_indices_are_counted_from_the_start_and_checked(runner):
    body = "return check_index(a, b)"
    assert [runner(body, i, 3) for i in (0, 2, -1, -3)] == [0, 2, 2, 0]
    for i in (3, -4, 2**40):
        with pytest.raises(IndexError, match="out of bounds"):
            runner(body, i, 3)


def test_text_is_the_same_for_python_and_for_numba():
    assert module("return a", [1.0]) == module("return a", [2.0])
