"""Where buffers begin: what the innermost loops write most often is at a boundary of cache lines."""

import re

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.codegen.boundaries import LINE, shifts
from jitdiff.ir import ArrayType
from tests.codegen.nests import statements

FLOAT = ArrayType(np.dtype(float), (8, 12))

PLACES = {
    "the inside": ("for i in range(6):\n    for j in range(10):\n        a[i + 1, j + 1] = 0.0", 64 - 13 * 8 % 64),
    "all of it": ("for i in range(96):\n    a_flat[i] = 0.0", 0),
    "what is written more often": (
        """
for i in range(96):
    a_flat[i] = 0.0
for k in range(steps):
    for i in range(6):
        r = i + 1
        for j in range(10):
            c = j + 2
            a[r, c] += 1.0""",
        64 - 14 * 8 % 64,
    ),
    "names that mean something else there": (
        """
for j in range(3):
    c = j + 5
for i in range(8):
    for j in range(10):
        a[i, j + 1] += c""",
        56,
    ),
}


@pytest.mark.parametrize(("text", "shift"), PLACES.values(), ids=PLACES)
def test_what_is_written_begins_at_a_boundary(text, shift):
    assert shifts(statements(text), {"a": FLOAT}, {"a_flat": "a"}) == {"a": shift}


@pytest.mark.parametrize(
    "text",
    [
        "for i in range(8):\n    a[i, 1] = 0.0",
        "for i in range(8):\n    for j in range(i):\n        a[i, 7 - j] = 0.0",
        "a[1, 1] = 0.0",
        "for i in range(8):\n    b[i, 1] = 0.0",
    ],
)
def test_other_stores_have_no_say(text):
    assert shifts(statements(text), {"a": FLOAT}, {}) == {}


def test_rows_that_begin_anywhere_have_no_say():
    text = "for i in range(6):\n    for j in range(9):\n        a[i + 1, j + 1] = 0.0"
    assert shifts(statements(text), {"a": ArrayType(np.dtype(float), (8, 11))}, {}) == {}


def test_single_precision():
    text = "for i in range(6):\n    for j in range(10):\n        a[i, j + 1] = 0.0"
    assert shifts(statements(text), {"a": ArrayType(np.dtype(np.float32), (8, 16))}, {}) == {"a": 60}


def test_buffers_do_not_overlap():
    """Values that lie side by side in the workspace, some of them a little later than they might."""

    def f(x):
        y = np.zeros_like(x)
        for _ in range(20):
            y[1:-1, 1:-1] = 0.25 * (x[1:-1, :-2] + x[1:-1, 2:] + x[:-2, 1:-1] + x[2:, 1:-1])
            x[1:-1, 1:-1] = 0.25 * (y[1:-1, :-2] + y[1:-1, 2:] + y[:-2, 1:-1] + y[2:, 1:-1])
        return np.sum(x * x)

    x = np.random.default_rng(0).normal(size=(12, 8))
    emitted = jd.compile(f).value_and_grad.specialisation(x).emitted
    declared = re.findall(r"buffer\(ws, (\d+), np.float64, \(([\d, ]+)\)", emitted.source)
    spans = sorted(
        (int(start), int(start) + 8 * int(np.prod([int(n) for n in shape.split(",") if n.strip()])))
        for start, shape in declared
    )
    assert any(start % LINE for start, _ in spans)
    assert max(stop for _, stop in spans) <= emitted.workspace
    value, gradient = jd.compile(f).value_and_grad(x)
    want, expected = jd.value_and_grad(f)(x)
    assert value == pytest.approx(want)
    np.testing.assert_allclose(gradient, expected)
