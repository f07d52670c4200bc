"""Loop nests as text: what the passes over text make of them, and what they compute."""

from __future__ import annotations

import numpy as np

from jitdiff.codegen.distribute import distribute
from jitdiff.codegen.gather import Gathering
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.text import render
from jitdiff.ir import ArrayType, Builder, Dim, Value
from tests.codegen.test_distribute import statements

N, M = Dim.symbol("n"), Dim.symbol("m")
EXACT = {"x": (7, 9), "y": (7, 9), "z": (7, 9), "u": (12,), "v": (12,), "p": (4, 5, 6), "q": (4, 5, 6)}
SYMBOLIC = {"x": (N, M), "y": (N, M), "z": (N, M), "u": (M,), "v": (M,)}
SIZES = {"n": 7, "m": 9}


def swept(body):
    lines = "".join(f"\n    {line}" for line in body.strip("\n").splitlines())
    return f"s = 0.5\nfor step in range(3):\n    s = s * 0.75 + 0.1{lines}\nend = s"


def gathered(text, shapes=EXACT, dtype=float, others=None, results=None):
    """The text after the pass, and what it allocates; all arrays are results unless it is said which."""
    dtypes = {name: np.dtype(dtype) for name in shapes} | (others or {})
    values = {name: Value(ArrayType(dtypes[name], shape), name) for name, shape in shapes.items()}
    program = Program(Builder(tuple(values.values())).finish([]))
    program.places |= {value: Place(name, value.type) for name, value in values.items()}
    program.symbols |= set(SIZES)
    program.aliases["x_flat"] = "x"
    arrays = {place.name: place for place in program.places.values()}
    stmts = distribute(
        statements(text), program.aliases, Gathering(program, arrays, set(shapes) if results is None else results)
    )
    return "\n".join(render(stmts, 0)), program.buffers


def outcome(text, buffers=(), shapes=EXACT, dtype=float, sizes=SIZES):
    """All that the text leaves behind; what it allocates holds no numbers at first."""
    rng = np.random.default_rng(1)
    scope = {"np": np, **sizes}
    for name, shape in shapes.items():
        scope[name] = rng.uniform(0.5, 1.5, [eval(str(k), {}, sizes) for k in shape]).astype(dtype)
    scope["x_flat"] = scope["x"].reshape(-1)
    for buffer in buffers:
        scope[buffer.name] = np.full([eval(str(k), {}, sizes) for k in buffer.type.shape], np.nan, dtype)
    exec(text, scope)
    return [scope[name] for name in (*shapes, "end")]


def agree(have, want, rtol=1e-12):
    for a, b in zip(have, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
        assert np.asarray(a).dtype == np.asarray(b).dtype


def random_stencil(seed):
    """A stencil with places, factors, box and directions at random."""
    rng = np.random.default_rng(seed)
    name, source = [("u", "v"), ("x", "y"), ("p", "q")][int(rng.choice(3, p=[0.2, 0.5, 0.3]))]
    shape = EXACT[name]
    low, high = rng.integers(0, 2, (2, len(shape)))
    lines = []
    terms = []
    for axis, (a, b, size) in enumerate(zip(low, high, shape, strict=True)):
        indent, variable, bound = "    " * axis, "ijk"[axis], size - a - b
        lines.append(f"{indent}for {variable} in range({bound}):")
        if rng.integers(2):
            lines.append(f"{indent}    {variable}_down = {bound - 1} - {variable}")
            variable = f"{variable}_down"
        terms.append(variable)
    indent += "    "

    def at(offset):
        return ", ".join(f"{v} + {k}" for v, k in zip(terms, low + offset, strict=True))

    cell = f"{source}[{at(0)}]"
    if rng.integers(2):
        lines.append(f"{indent}t = {cell}")
        if rng.integers(2):
            lines.append(f"{indent}{cell} = {rng.choice(['0.0', '0.5 * t'])}")
        cell = "t"
    for _ in range(rng.integers(3, 8)):
        offset = [int(rng.integers(-a, b + 1)) for a, b in zip(low, high, strict=True)]
        form = rng.choice(["{0}", "{1} * {0}", "{0} * {1}", "{0} / 4", "-{0}", "{0} * s", "({0} - {1} * {0}) * 0.5"])
        added = form.format(cell, f"{rng.uniform(-1, 1):.3}")
        lines.append(f"{indent}{name}[{at(np.array(offset))}] {rng.choice(['+=', '-='])} {added}")
    return "\n".join(lines)
