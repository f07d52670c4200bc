"""Loops over places to add to: split and turned round where that changes nothing, and left alone elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from jitdiff.codegen.distribute import distribute
from jitdiff.codegen.text import Stmt, render

X, Y, Z = (np.random.default_rng(k).uniform(size=(8, 8)) for k in range(3))

SPLIT = {
    "neighbours of a row": "for i in range(6):\n    t = y[2, 6 - i]\n    x[2, 7 - i] += t\n    x[2, 5 - i] += 2.0 * t",
    "neighbours in the plane, what is read emptied": """
for i in range(6):
    a = 5 - i + 1
    b = a - 1
    for j in range(6):
        c = 6 - j
        t = y[a, c] * 0.5
        y[a, c] = 0.0
        x[a, c - 1] += t
        x[a, c + 1] -= t
        x[b, c] += t
        z[a, c] += t""",
    "a transpose": "for i in range(8):\n    for j in range(8):\n        x[j, i] += y[i, j]\n        x[i, j] += y[i, j]",
}

TURNED = {
    "beside sums of the loop around": """
for i in range(8):
    z[2, 0] += y[i, 0]
    for j in range(8):
        x[i, 7 - j] += y[7 - j, i]""",
    "one addition": "for i in range(8):\n    t = 7 - i\n    x[3, t] += y[t, 3] * 1.5",
    "one assignment": "for i in range(7):\n    x[3, 6 - i] = y[3, 7 - i]",
}

KEPT = {
    "what is added to is read": "for i in range(6):\n    x[1, i] += x[1, i + 1]\n    x[1, i + 2] += 1.0",
    "what was written is read": """
for i in range(6):
    y[1, i] = 2.0
    t = y[1, i]
    x[1, i] += t
    x[1, i + 1] += t""",
    "a neighbour of what is written is read": """
for i in range(6):
    t = y[1, i + 1]
    y[1, i] = 3.0
    x[1, i] += t
    x[1, i + 1] += t""",
    "one element is written by all": """
for i in range(6):
    y[1, 1] = z[1, i]
    x[1, i] += 1.0
    x[1, i + 1] += 1.0""",
    "two iterations write one element": """
for i in range(6):
    y[i // 2, 0] = z[1, i]
    x[1, i] += 1.0
    x[1, i + 1] += 1.0""",
    "a number goes on": "s = 1.0\nfor i in range(6):\n    x[1, i] += s\n    x[1, i + 1] += s\n    s = z[1, i]",
    "a number is read after": "for i in range(6):\n    t = z[1, 5 - i]\n    x[1, 5 - i] += t\nx[0, 0] = t",
    "going down in one array, up in another": "for i in range(8):\n    x[1, 7 - i] += y[1, i]",
    "a view of what is added to is read": "for i in range(6):\n    x[1, i] += x_flat[i]\n    x[1, i + 1] += x_flat[i]",
    "a triangle": "for i in range(6):\n    for j in range(i):\n        x[i, j] += y[j, i]",
    "calls": "for i in range(6):\n    t = check(y[1, i])\n    x[1, i] += t\n    x[1, i + 1] += t",
}


def statements(text):
    """Return text as statements."""
    found = [[]]
    for line in text.strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        stmt = Stmt(line.strip(), None, [] if line.endswith(":") else None)
        del found[depth + 1 :]
        found[depth].append(stmt)
        if stmt.body is not None:
            found.append(stmt.body)
    return found[0]


def distributed(text):
    return "\n".join(render(distribute(statements(text), {"x_flat": "x"}), 0))


def outcome(text):
    x, y, z = X.copy(), Y.copy(), Z.copy()
    exec(text, {"x": x, "y": y, "z": z, "x_flat": x.reshape(-1), "check": np.sin})
    return x, y, z


@pytest.mark.parametrize("text", [*SPLIT.values(), *TURNED.values()], ids=[*SPLIT, *TURNED])
def test_the_same_is_computed(text):
    new = distributed(text)
    assert new != text.strip()
    for mine, right in zip(outcome(new), outcome(text.strip()), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-14)


@pytest.mark.parametrize("text", SPLIT.values(), ids=SPLIT)
def test_each_innermost_loop_adds_to_an_array_once(text):
    for loop in (s for stmt in distribute(statements(text), {}) for s in stmt.walk() if s.body):
        if all(s.body is None for s in loop.body):
            assert sum("x[" in s.text.split("=")[0] for s in loop.body) <= 1


@pytest.mark.parametrize("text", [*TURNED.values(), SPLIT["neighbours of a row"]], ids=[*TURNED, "neighbours"])
def test_loops_that_go_down_go_up(text):
    assert "- i" not in distributed(text)


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_dependent_iterations_keep_their_order(text):
    assert distributed(text) == text.strip()
