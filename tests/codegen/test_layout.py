"""Arrays that loops go along by columns lie by columns, and results of many sweeps in the workspace."""

import re

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.codegen.layout import lay_out
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.text import render
from jitdiff.ir import ArrayType, Builder, Value
from tests.codegen.programs import agrees_with_the_tape, run
from tests.codegen.test_distribute import statements

SHAPES = {"x": (30, 20), "y": (30, 20), "z": (20, 30), "p": (8, 9, 10), "out": (30, 20), "u": (30,)}

TURNED = {
    "columns": ("x", "for j in range(20):\n    for i in range(30):\n        x[i, j] += y[i, j]"),
    "by names": (
        "x",
        "for j in range(20):\n    for i in range(28):\n        r = i + 1\n        u[r] = x[r, j] * x[i, j + 0]",
    ),
    "more columns than rows": (
        "x",
        """
for i in range(10):
    for j in range(20):
        u[i] += x[i, j]
for j in range(20):
    for i in range(30):
        x[i, j] += u[i]""",
    ),
    "with rows of all elements": (
        "x",
        """
x_flat = x.reshape(600)
y_flat = y.reshape(600)
for i in range(600):
    r = y_flat[i] * 2.0
    x_flat[i] = r + x_flat[i]
for j in range(20):
    for i in range(30):
        x[i, j] += u[i]""",
    ),
    "with rows in a loop": (
        "x",
        """
for step in range(3):
    x_flat = x.reshape(600)
    y_flat = y.reshape(600)
    for i in range(600):
        x_flat[i] += y_flat[i]
    for j in range(20):
        for i in range(30):
            x[i, j] += u[i]""",
    ),
    "in a branch": (
        "x",
        """
for j in range(20):
    for i in range(30):
        if x[i, j] > 1.0:
            x[i, j] = u[i]
        else:
            u[i] = x[i, j]""",
    ),
    "the first of three axes": (
        "p",
        """
for j in range(9):
    for k in range(10):
        for i in range(7):
            p[i + 1, j, k] += p[i, j, k]""",
    ),
    "the second of three axes": (
        "p",
        """
for i in range(8):
    for k in range(10):
        for j in range(8):
            p[i, j + 1, k] += p[i, j, k]""",
    ),
    "while": ("x", "j = 0\nwhile j < 20:\n    for i in range(30):\n        x[i, j] += u[i]\n    j += 1"),
}

AS_THEY_ARE = {
    "rows": "for i in range(30):\n    for j in range(20):\n        x[i, j] += y[i, j]",
    "as many rows": """
for i in range(30):
    for j in range(20):
        x[i, j] += u[i]
for j in range(20):
    for i in range(30):
        x[i, j] += u[i]""",
    "passed on": "for j in range(20):\n    for i in range(30):\n        x[i, j] += u[i]\nu[0] = total(x)",
    "a row": "for j in range(20):\n    for i in range(30):\n        x[i, j] += u[i]\nu[:20] = x[3]",
    "renamed": "w = x\nfor j in range(20):\n    for i in range(30):\n        x[i, j] += u[i]\nu[0] = w[1, 2]",
    "a view of another shape": """
x_flat = x.reshape(600)
z_flat = z.reshape(600)
for i in range(600):
    x_flat[i] = z_flat[i]
for j in range(20):
    for i in range(30):
        x[i, j] += u[i]""",
    "a view of part of it": """
x_flat = x.reshape(600)
for i in range(500):
    x_flat[i] = 1.0
for j in range(20):
    for i in range(30):
        x[i, j] += u[i]""",
    "a view shifted": """
x_flat = x.reshape(600)
for i in range(600):
    x_flat[599 - i] = 1.0
for j in range(20):
    for i in range(30):
        x[i, j] += u[i]""",
    "the number of the element": """
x_flat = x.reshape(600)
for i in range(600):
    x_flat[i] = i * 0.5
for j in range(20):
    for i in range(30):
        x[i, j] += u[i]""",
    "diagonals": "for j in range(20):\n    x[j, j] = u[j]",
}


def laid_out(text, buffers=("x", "p"), results=()):
    """The text after the pass, and the shapes of its buffers."""
    program = Program(Builder(()).finish([]))
    values = {name: Value(ArrayType(np.dtype(float), shape), name) for name, shape in SHAPES.items()}
    arrays = {name: Place(name, value.type) for name, value in values.items()}
    for name in SHAPES:
        program.names(values[name], "x")
    for name in buffers:
        program.buffer("", arrays[name].type)
        program.buffers[-1].name = name
    program.aliases.update({f"{name}_flat": name for name in SHAPES})
    stmts = lay_out(statements(f"{text.strip()}\nend = 0"), program, arrays, results)
    return "\n".join(render(stmts, 0)), {buffer.name: buffer.type.shape for buffer in program.buffers}


def outcome(text, shapes=None, homes=()):
    """All arrays that a text leaves behind, with those of other shapes turned back."""
    rng = np.random.default_rng(1)
    scope = {name: rng.uniform(0.5, 1.5, shape) for name, shape in SHAPES.items()}
    turned = {name: shape for name, shape in (shapes or {}).items() if shape != SHAPES.get(name)}
    for name, shape in turned.items():
        if name in homes:
            scope[name] = np.full(shape, np.nan)
        else:
            (axis,) = (k for k in range(len(shape)) if np.moveaxis(scope[name], k, -1).shape == shape)
            scope[name] = np.moveaxis(scope[name], axis, -1).copy()
            turned[name] = axis
    exec(text, {**scope, "total": np.sum, "scope": scope})
    return [np.moveaxis(scope[n], -1, turned[n]) if n in turned else scope[n] for n in SHAPES]


def agree(have, want):
    for a, b in zip(have, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(("name", "text"), TURNED.values(), ids=TURNED)
def test_turned(name, text):
    new, shapes = laid_out(text)
    assert shapes[name] != SHAPES[name]
    assert sorted(shapes[name]) == sorted(SHAPES[name])
    assert f"{name}_flat" not in new
    agree(outcome(new, shapes), outcome(text))


@pytest.mark.parametrize("text", AS_THEY_ARE.values(), ids=AS_THEY_ARE)
def test_as_they_are(text):
    new, shapes = laid_out(text)
    assert all(shapes[name] == SHAPES[name] for name in shapes)
    assert new == f"{text.strip()}\nend = 0"


def test_what_is_no_buffer_is_left():
    text = TURNED["columns"][1]
    assert laid_out(text, buffers=())[0] == f"{text}\nend = 0"


def test_a_result_by_columns_is_turned_back():
    text = "for i in range(30):\n    for j in range(20):\n        out[i, j] = 0.0\n" + TURNED["columns"][1].replace(
        "x[", "out["
    )
    text = "\n".join([text] + [TURNED["columns"][1].replace("x[", "out[")] * 3)
    new, shapes = laid_out(text, (), ("out",))
    ((home, shape),) = shapes.items()
    assert shape == (20, 30)
    assert new.count("out[") == 1
    scope = {name: np.ones(shape) for name, shape in SHAPES.items()} | {home: np.full(shape, np.nan)}
    want = {name: np.ones(shape) for name, shape in SHAPES.items()}
    exec(new, scope)
    exec(text, want)
    np.testing.assert_allclose(scope["out"], want["out"])


@pytest.mark.parametrize(("steps", "kept"), [(20, True), (3, False)])
def test_a_result_of_many_sweeps_is_kept_in_the_workspace(steps, kept):
    text = f"""
out_flat = out.reshape(600)
for i in range(600):
    out_flat[i] = 0.0
for k in range({steps}):
    for i in range(30):
        for j in range(20):
            out[i, j] += y[i, j]"""
    new, shapes = laid_out(text, (), ("out",))
    assert bool(shapes) == kept
    scope = {name: np.ones(shape) for name, shape in SHAPES.items()}
    exec(new, scope | {home: np.full(shape, np.nan) for home, shape in shapes.items()})
    assert np.all(scope["out"] == steps)


def test_small_results_are_not_kept():
    text = "for k in range(100):\n    for i in range(30):\n        u[i] += 1.0"
    assert laid_out(text, (), ("u",)) == (f"{text}\nend = 0", {})


def test_buffers_keep_the_loops_around_them():
    """Those of sizes that only the running program knows are made in the loop that they belong to."""

    def f(a, w):
        x = np.sin(a)
        n = len(a)
        for k in jd.range(1, n):
            t = 0.0
            for i in jd.range(0, k):
                t += w[k - i - 1, 0] * x[k - 1 - i, 0] * x[i, 0]
            x[k, 0] = t
        return np.sum(x)

    gradients = jd.value_and_grad(jd.compile(f), argnums=(0, 1))
    for n in (5, 7, 2):
        args = np.random.default_rng(0).normal(size=(2, n, 3))
        value, found = jd.value_and_grad(f, argnums=(0, 1))(*args)
        have = run(gradients.specialisation(*args).emitted, args, size=1_000_000)
        for a, b in zip(have, (value, *found), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)


# Whole programs: value and gradient.


def by_columns(a, b):
    """Norms of the columns, each less its part along the one before."""
    m, n = a.shape
    q = np.zeros_like(a)
    for j in range(n):
        for i in range(m):
            q[i, j] = a[i, j] * b[j % 3, 0]
        for k in range(j):
            dot = 0.0
            for i in range(m):
                dot += q[i, k] * q[i, j]
            for i in range(m):
                q[i, j] -= 0.1 * dot * q[i, k]
    return np.sum(q**3)


def transposed(a, b):
    n = a.shape[0]
    x = a * 1.0
    for _ in range(14):
        for j in range(1, n):
            for i in range(n):
                x[i, j] += 0.1 * b[i, 0] * x[i, j - 1]
    return np.sum(x.T @ x)


@pytest.mark.parametrize("function", [by_columns, transposed], ids=lambda f: f.__name__)
def test_programs(function):
    rng = np.random.default_rng(5)
    args = rng.uniform(0.1, 0.5, (24, 24)), rng.uniform(0.5, 1.0, (24, 2))
    agrees_with_the_tape(function, args, rtol=1e-10, size=1_000_000)


def test_innermost_loops_of_columns_go_along_memory():
    args = np.ones((24, 24)), np.ones((24, 2))
    source = jd.value_and_grad(jd.compile(by_columns), argnums=0).specialisation(*args).emitted.source
    loops = re.findall(r"for (step\d+) in range\(24\):\n((?: +(?!for).*\n)+)", source)
    for variable, body in loops[1:]:
        assert not re.search(rf"a\d+\[{variable}, ", body), source
