"""Boxes that sweeps empty and fill: their numbers are handed on past the arrays, where nothing else looks at them."""

import re

import numpy as np
import pytest

import jitdiff as jd
from tests.codegen.nests import EXACT, SYMBOLIC, agree, gathered, outcome
from tests.codegen.programs import agrees_with_the_tape

ZEROS = "for i in range(63):\n    x_flat[i] = 0.0"


def sweep(source, target, shares, box=((1, 5), (1, 7))):
    """A nest that takes the numbers of a box, empties it, and adds shares of them around each cell."""
    indices = "ijk"[: len(box)]
    lines = [f"{'    ' * k}for {v} in range({n}):" for k, (v, (_, n)) in enumerate(zip(indices, box, strict=True))]
    indent = "    " * len(box)
    first = [start for start, _ in box]

    def at(offset):
        return ", ".join(f"{v} + {a + b}" for v, a, b in zip(indices, first, offset, strict=True))

    cell = f"{source}[{at([0] * len(box))}]"
    lines += [f"{indent}t_{source} = {cell}", f"{indent}{cell} = 0.0"]
    lines += [f"{indent}{target}[{at(offset)}] += {factor} * t_{source}" for *offset, factor in shares]
    return "\n".join(lines)


FIVE = [(0, 0, 0.2), (-1, 0, 0.2), (1, 0, 0.2), (0, -1, 0.25), (0, 1, -0.3)]
NINE = [(a, b, 0.1 + a / 20 - b / 30) for a in (-1, 0, 1) for b in (-1, 0, 1)]
CORNER = [(0, 0, 0, 0.25), (1, 0, 0, 0.125), (0, 1, 0, 0.5), (0, 0, 1, 0.2), (1, 1, 1, -0.3)]
FAR = [(2, 0, 0.3), (0, 0, 0.1), (-1, 1, 0.2), (1, 1, 0.4)]

HANDED_ON = {
    "five in the plane": [ZEROS, sweep("y", "x", FIVE), sweep("x", "y", FIVE)],
    "nine in the plane, then five": [ZEROS, sweep("y", "x", NINE), sweep("x", "y", FIVE)],
    "zeros in rows": [
        "for i in range(7):\n    for j in range(9):\n        x[i, j] = 0.0\n        u[j] += 1.0",
        sweep("y", "x", NINE),
        sweep("x", "y", FIVE),
    ],
    "as far as two": [ZEROS, *(sweep(a, b, FAR, ((1, 4), (0, 8))) for a, b in ("yx", "xy"))],
    "on one side": [
        ZEROS,
        *(sweep(a, b, [(0, 0, 0.5), (1, 0, 0.2), (1, 1, 0.3)], ((0, 6), (0, 8))) for a, b in ("yx", "xy")),
    ],
    "three arrays": [
        f"{ZEROS}\nfor i in range(7):\n    for j in range(9):\n        z[i, j] = 0.0",
        sweep("y", "x", FIVE),
        sweep("x", "z", NINE),
        sweep("z", "y", FIVE),
    ],
    "the array that is zero first": [ZEROS, sweep("y", "x", FIVE), sweep("x", "y", NINE), "u[0] += z[1, 1] * s"],
    "in space": [
        "for i in range(4):\n    for j in range(5):\n        for k in range(6):\n            p[i, j, k] = 0.0",
        *(sweep(a, b, CORNER, ((0, 3), (0, 4), (0, 5))) for a, b in ("qp", "pq")),
    ],
    "going down": [
        ZEROS,
        sweep("y", "x", FIVE).replace("i + ", "4 - i + ").replace("j + ", "6 - j + "),
        sweep("x", "y", FIVE).replace("j + ", "6 - j + "),
    ],
}

BETWEEN = {
    "an element of the box is read": "u[0] += y[2, 2]",
    "an element beside the box is read": "u[0] += y[0, 0]",
    "a view is read": "u[0] += x_flat[3]",
    "an element of the box is changed": "x[3, 3] *= 0.5",
    "another sweep adds to it": sweep("z", "x", FIVE).replace("t_z", "t_0"),
    "another sweep takes it": sweep("x", "z", FIVE).replace("t_x", "t_0"),
}

OTHERWISE = {
    "not zero before": ["", sweep("y", "x", FIVE), sweep("x", "y", FIVE)],
    "zero in part": ["for i in range(62):\n    x_flat[i] = 0.0", sweep("y", "x", FIVE), sweep("x", "y", FIVE)],
    "zero in every second row": [
        "for i in range(7):\n    for j in range(9):\n        x[i, i] = 0.0",
        sweep("y", "x", FIVE),
        sweep("x", "y", FIVE),
    ],
    "zero, then not": [f"{ZEROS}\nx[2, 3] = 1.0", sweep("y", "x", FIVE), sweep("x", "y", FIVE)],
    "two boxes": [
        ZEROS,
        sweep("y", "x", FIVE),
        sweep("x", "y", [(0, 0, 0.3), (0, 1, 0.3), (1, 0, 0.3)], ((0, 6), (0, 8))),
    ],
    "not emptied": [ZEROS, sweep("y", "x", FIVE).replace("= 0.0", "= 0.5 * t_y"), sweep("x", "y", FIVE)],
    "emptied to one": [ZEROS, sweep("y", "x", FIVE).replace("= 0.0", "= 1.0"), sweep("x", "y", FIVE)],
    "never filled": [ZEROS, sweep("y", "x", FIVE), sweep("x", "z", FIVE)],
    "from an array to itself": ["", sweep("x", "x", FIVE)],
    "with a total": [ZEROS, f"{sweep('y', 'x', FIVE)}\n        u[0] += t_y", sweep("x", "y", FIVE)],
}


def swept(zeros, *sweeps, steps="3"):
    body = "\n".join(f"    {line}" for part in sweeps for line in part.splitlines())
    return f"s = 0.5\n{zeros}\nfor step in range({steps}):\n    s = s * 0.75 + 0.1\n{body}\nend = s"


def emptied(text):
    """The statements of the loop that empty cells of an array of the text's own."""
    return re.findall(r"\b[pqxyz]\[.*\] = 0\.0", text.partition("for step")[2])


@pytest.mark.parametrize("parts", HANDED_ON.values(), ids=HANDED_ON)
@pytest.mark.parametrize("steps", ["3", "1", "0"])
def test_numbers_are_handed_on(parts, steps):
    text = swept(*parts, steps=steps)
    new, buffers = gathered(text)
    assert len(buffers) == len(parts) - 1 - parts[-1].startswith("u")
    assert not emptied(new)
    agree(outcome(new, buffers), outcome(text))


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_others_that_look_at_the_arrays(between):
    first, *rest = HANDED_ON["five in the plane"]
    for parts in ((first, *rest, between), (first, between, *rest), (first, rest[0], between, rest[1])):
        text = swept(*parts)
        new, buffers = gathered(text)
        assert emptied(new)
        agree(outcome(new, buffers), outcome(text))


@pytest.mark.parametrize("parts", OTHERWISE.values(), ids=OTHERWISE)
def test_boxes_that_are_not_handed_on(parts):
    text = swept(*parts)
    new, buffers = gathered(text)
    assert "= 0.0" in new or "= 1.0" in new or "t_y" in new
    agree(outcome(new, buffers), outcome(text))


@pytest.mark.parametrize("name", ["five in the plane", "nine in the plane, then five"])
@pytest.mark.parametrize("sizes", [(7, 9), (3, 3), (3, 8), (9, 3), (2, 5), (5, 2), (1, 1), (0, 4), (4, 0)])
def test_symbolic_sizes(name, sizes):
    parts = [part.replace("range(5)", "range(n - 2)").replace("range(7)", "range(m - 2)") for part in HANDED_ON[name]]
    text = swept(*parts).replace("range(63)", "range(n * m)").replace("range(m * n)", "range(n * m)")
    sizes = dict(zip("nm", sizes, strict=True))
    new, buffers = gathered(text, SYMBOLIC)
    assert not emptied(new)
    agree(outcome(new, buffers, SYMBOLIC, sizes=sizes), outcome(text, (), SYMBOLIC, sizes=sizes))


def test_symbolic_sizes_with_nothing_beside_the_box():
    inside = [(0, 0, 0.2), (0, 0, 0.3), (0, 0, -0.1)]
    text = swept(ZEROS.replace("63", "n * m"), *(sweep(a, b, inside, ((0, 7), (0, 9))) for a, b in ("yx", "xy")))
    text = text.replace("range(7)", "range(n)").replace("range(9)", "range(m)")
    new, buffers = gathered(text, SYMBOLIC)
    assert not emptied(new)
    agree(outcome(new, buffers, SYMBOLIC), outcome(text, (), SYMBOLIC))


def test_single_precision():
    text = re.sub(r"(\d+\.\d+)", r"np.float32(\1)", swept(*HANDED_ON["nine in the plane, then five"]))
    new, buffers = gathered(text, dtype=np.float32)
    assert len(buffers) == 2
    agree(outcome(new, buffers, dtype=np.float32), outcome(text, dtype=np.float32), 1e-5)


def test_what_falls_beside_the_box_of_an_array_that_nothing_reads_is_not_added():
    text = swept(*HANDED_ON["five in the plane"])
    new, buffers = gathered(text, results=set(EXACT) - {"x"})
    assert "x" not in re.findall(r"\w+", new)
    agree(outcome(new, buffers)[1:], outcome(text)[1:])


def random_sweeps(seed):
    """Sweeps there and back with boxes, places and factors at random."""
    rng = np.random.default_rng(seed)
    names = "xy" if rng.integers(4) else "pq"
    shape = EXACT[names[0]]
    low, high = rng.integers(0, 2, (2, len(shape)))
    box = [(int(a), int(n - a - b)) for n, a, b in zip(shape, low, high, strict=True)]

    def shares():
        offsets = [[int(rng.integers(-a, b + 1)) for a, b in zip(low, high, strict=True)] for _ in range(5)]
        return [(*offset, round(rng.uniform(-0.5, 0.5), 3)) for offset in offsets]

    indices = "ijk"[: len(shape)]
    zeros = "\n".join(
        f"{'    ' * k}for {v} in range({n}):" for k, (v, n) in enumerate(zip(indices, shape, strict=True))
    )
    zeros += f"\n{'    ' * len(shape)}{names[1]}[{', '.join(indices)}] = 0.0"
    return swept(zeros, sweep(names[0], names[1], shares(), box), sweep(names[1], names[0], shares(), box), steps="5")


@pytest.mark.parametrize("seed", range(60))
def test_random_sweeps(seed):
    text = random_sweeps(seed)
    new, buffers = gathered(text)
    agree(outcome(new, buffers), outcome(text))


def test_many_random_sweeps_hand_on_numbers():
    assert sum(not emptied(gathered(random_sweeps(seed))[0]) for seed in range(60)) > 20


# Whole programs: value and gradient.


def there_and_back(a, b):
    for _ in range(12):
        b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        a[1:-1, 1:-1] = 0.2 * (b[1:-1, 1:-1] + b[:-2, :-2] + b[2:, 1:-1] + b[1:-1, :-2] + b[2:, 2:])
    return np.sum(a**2)


def both_matter(a, b):
    for _ in range(12):
        b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        a[1:-1, 1:-1] = 0.3 * (b[1:-1, 1:-1] + b[:-2, :-2] + b[2:, 1:-1] + b[1:-1, :-2] + b[2:, 2:])
    return np.sum(a**2 * b)


def one_cell_is_driven(a, b):
    for step in range(12):
        b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        b[0, 0] = np.sin(step * a[0, 0])
        a[1:-1, 1:-1] = 0.2 * (b[1:-1, 1:-1] + b[:-2, :-2] + b[2:, 1:-1] + b[1:-1, :-2] + b[2:, 2:])
    return np.sum(a**2)


@pytest.mark.parametrize("shape", [(9, 8), (3, 3), (2, 2), (1, 4)])
@pytest.mark.parametrize("function", [there_and_back, both_matter, one_cell_is_driven], ids=lambda f: f.__name__)
def test_programs(function, shape):
    args = np.random.default_rng(5).normal(size=(2, *shape))
    agrees_with_the_tape(function, args)


def test_the_gradient_of_there_and_back_hands_numbers_on():
    args = np.random.default_rng(5).normal(size=(2, 9, 8))
    for argnums in (0, (0, 1)):
        source = jd.value_and_grad(jd.compile(there_and_back), argnums=argnums).specialisation(*args).emitted.source
        adjoint = source.rpartition("for step")[2]
        assert not re.findall(r"\] = 0\.0", adjoint), source
