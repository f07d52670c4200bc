"""Numbers that iterations hand on: in one step where that is linear, and never another number than a rounded one."""

import re

import numpy as np
import pytest

from jitdiff.codegen.linear import linearise
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.sliding import slide
from jitdiff.codegen.text import render
from jitdiff.ir import ArrayType, Builder, Value
from jitdiff.native.runtime import muladd
from tests.codegen.programs import agrees_with_the_tape
from tests.codegen.test_distribute import statements
from tests.codegen.test_sliding import SLID, random_sweep

SHAPES = {"x": (12,), "y": (12,), "z": (12,), "A": (12, 12), "B": (12, 12), "k": (12,)}

ONE_STEP = {
    "a mean": "for i in range(10):\n    x[i + 1] = (x[i] + 2.0 * x[i + 1] + y[i]) / 4.0",
    "through names": """
for i in range(10):
    t = x[i]
    r = -t * y[i]
    q = r - x[i + 1]
    x[i + 1] = y[i + 1] - q * 0.5""",
    "downwards, with additions": """
for i in range(10):
    a = 10 - i
    t = x[a]
    x[a] = t / 3.0
    x[a + 1] += t
    x[a - 1] += t * y[a]
    x[a - 1] -= t * 0.25""",
    "a quotient": "for i in range(10):\n    t = y[i] - 0.3 * x[i]\n    x[i + 1] = t / z[i]",
    "one side of a branch": """
for i in range(10):
    t = x[i] - 0.5
    if y[i] > 1.0:
        t = t * y[i]
    x[i + 1] = x[i + 1] + 0.5 * t""",
    "both sides, of which one has nothing of it": """
for i in range(10):
    if y[i] > 1.0:
        s = y[i] - x[i]
        t = 2.0 * s
    else:
        t = x[i + 1] * y[i]
    x[i + 1] = 0.25 * t + 0.1 * x[i]""",
    "changed in branches": """
for i in range(10):
    t = x[i] * 0.5
    x[i + 1] += t
    if y[i] > 1.0:
        x[i + 1] -= t * y[i]
    else:
        z[i] = t""",
    "used beside": """
for i in range(10):
    t = x[i] * y[i]
    z[i] = t * t
    r = t + x[i + 1]
    x[i + 1] = r * 0.5
    s += t""",
    "numbers of the loop around": """
for j in range(10):
    c = y[j] * 0.3
    for i in range(10):
        t = A[j + 1, i] * c
        A[j + 1, i + 1] = (t + A[j, i + 1]) * 0.5""",
    "what is handed on goes to the element before too": """
for i in range(10):
    t = x[i] * y[i]
    x[i] = x[i + 1]
    x[i + 1] += t""",
    "a number that goes on beside it": """
for i in range(10):
    t = x[i] * 0.5 + s
    s = y[i]
    x[i + 1] = (t + z[i]) * 0.5""",
}

AS_IT_WAS = {
    "nothing to gain": "for i in range(10):\n    x[i + 1] = 0.5 * x[i] + y[i]",
    "a square": "for i in range(10):\n    t = x[i] * x[i]\n    x[i + 1] = (t + y[i]) * 0.5",
    "a divisor": "for i in range(10):\n    t = 2.0 + x[i]\n    x[i + 1] = y[i] / t * 0.5",
    "a function": "for i in range(10):\n    t = abs(x[i]) * 0.5\n    x[i + 1] = (t + y[i]) * 0.5",
    "a condition": """
for i in range(10):
    t = x[i] * 0.5
    if x[i] > 1.0:
        t = t - 0.25
    x[i + 1] = (t + y[i]) * 0.5""",
    "read in between": """
for i in range(10):
    t = x[i] * 0.5
    x[i + 1] += t * y[i]
    y[i] = x[i + 1]
    x[i + 1] -= t""",
    "what a condition reads is changed": """
for i in range(10):
    t = x[i] * 0.5
    x[i + 1] += t
    if y[i] > 1.0:
        x[i + 1] -= t * y[i]
    else:
        y[i] = t""",
    "what an update reads is changed": """
for i in range(10):
    t = x[i] * 0.5
    x[i + 1] += t * z[i]
    z[i] = t
    x[i + 1] -= t""",
    "set anew": """
for i in range(10):
    t = x[i] * 0.5
    x[i + 1] = 0.5 * x[i + 1] + y[i]
    x[i + 1] -= t * z[i] * 0.5""",
    "any element is read in between": """
for i in range(10):
    t = x[i] * 0.5
    x[i + 1] += t * z[i]
    y[i] = x[k[i]]
    x[i + 1] -= t""",
    "nothing of it": "for i in range(10):\n    t = x[i] - x[i]\n    x[i + 1] = t * y[i] * 0.0 + y[i]",
}


def linear(text):
    values = {name: Value(ArrayType(np.dtype(float if name != "k" else int), s), name) for name, s in SHAPES.items()}
    values["f"] = Value(ArrayType(np.dtype(np.float32), (12,)), "f")
    program = Program(Builder(tuple(values.values())).finish([]))
    program.places |= {value: Place(name, value.type) for name, value in values.items()}
    program.aliases["x_view"] = "x"
    stmts, slid = slide(statements(text), program, {place.name: place for place in program.places.values()})
    before = "\n".join(render(stmts, 0))
    linearise(stmts, slid, program)
    return before, "\n".join(render(stmts, 0))


def outcome(text, special=None):
    """All that the text leaves behind, with some elements changed to `special` before."""
    rng = np.random.default_rng(3)
    scope = {name: rng.uniform(0.5, 1.5, shape) for name, shape in SHAPES.items()}
    scope["k"] = rng.integers(0, 3, 12)
    scope["f"] = rng.uniform(0.5, 1.5, 12).astype(np.float32)
    for name, place, value in special or ():
        scope[name].flat[place % scope[name].size] = value
    arrays = dict(scope)
    scope |= {"x_view": scope["x"], "np": np, "n": 4, "s": 0.25, "muladd": muladd, "double": lambda x: x.__imul__(2.0)}
    with np.errstate(all="ignore"):
        exec(text, scope)
    return [*arrays.values(), scope["s"]]


def agree(have, want, rtol=1e-12):
    for a, b in zip(have, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("text", ONE_STEP.values(), ids=ONE_STEP)
def test_one_step(text):
    _, new = linear(text)
    assert "= muladd(" in new
    agree(outcome(new), outcome(text))


@pytest.mark.parametrize("text", AS_IT_WAS.values(), ids=AS_IT_WAS)
def test_as_it_was(text):
    before, new = linear(text)
    assert new == before
    agree(outcome(new), outcome(text))


def test_single_precision_is_left():
    before, new = linear("for i in range(10):\n    t = f[i] * y[i]\n    f[i + 1] = (t + f[i + 1]) * y[i]")
    assert "f_here" in before
    assert new == before


@pytest.mark.parametrize("text", [*SLID.values(), *map(random_sweep, range(150))])
def test_other_sweeps(text):
    _, new = linear(text)
    agree(outcome(new), outcome(text), 1e-9)


def special(seed):
    """Elements that are no ordinary numbers, or are zero."""
    rng = np.random.default_rng(seed)
    values = [np.inf, -np.inf, np.nan, 0.0, 0.0, 1e-310, 1e306]
    return [(rng.choice(["x", "y", "z", "A"]), int(rng.integers(144)), rng.choice(values)) for _ in range(4)]


@pytest.mark.parametrize("text", ONE_STEP.values(), ids=ONE_STEP)
def test_infinities_and_nans_come_out_as_before(text):
    _, new = linear(text)
    for seed in range(60):
        agree(outcome(new, special(seed)), outcome(text, special(seed)))


def test_a_branch_that_does_not_look_keeps_nans_away():
    text = """
for i in range(10):
    r = x[i]
    if y[i] > 1.0:
        t = r * z[i]
    else:
        t = z[i]
    x[i + 1] = t * 0.5"""
    _, new = linear(text)
    assert "muladd" in new
    agree(outcome(new, [("x", 0, np.nan)]), outcome(text, [("x", 0, np.nan)]))
    assert np.isfinite(outcome(new, [("x", 0, np.nan)])[0][-2])


# Whole programs: value and gradient.


def sweep(a, b):
    x = a * 1.0
    n, m = x.shape
    for _ in range(3):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                x[i, j] = (x[i - 1, j] + x[i, j - 1] + x[i, j + 1] + b[i, j] * x[i + 1, j]) / 4.0
    return np.sum(x**2)


def upwind(a, b):
    x = a[0] * 1.0
    for k in range(12):
        for i in range(1, len(x) - 1):
            slope = x[i] - x[i - 1] if b[k % 8, i] > 1.0 else x[i + 1] - x[i]
            x[i] -= 0.1 * b[k % 8, i] * slope - 0.2 * (x[i - 1] - 2.0 * x[i] + x[i + 1])
    return np.sum(x**2)


@pytest.mark.parametrize("function", [sweep, upwind], ids=lambda f: f.__name__)
def test_programs(function):
    rng = np.random.default_rng(5)
    args = rng.normal(size=(8, 9)), rng.uniform(0.5, 1.5, (8, 9))
    source = agrees_with_the_tape(function, args)
    assert len(re.findall(r"= muladd\(", source)) == 2, source
