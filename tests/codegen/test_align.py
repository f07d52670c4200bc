"""Additions to places along one axis: one loop that writes each element once, the first and last peeled off."""

import re

import numpy as np
import pytest

from tests.codegen.nests import EXACT, SYMBOLIC, agree, gathered, outcome, random_stencil, swept
from tests.codegen.programs import agrees_with_the_tape

# Each stands in a loop, after a statement that depends on the iteration before.
ALIGNED = {
    "three of a row": """
for i in range(10):
    t = v[i + 1]
    u[i] += 0.25 * t
    u[i + 1] += t
    u[i + 2] -= t / 4.0""",
    "three of a row, the last at a distance": """
for i in range(8):
    u[i + 4] += v[i + 2]
    u[i + 3] += v[i + 2] * 3.0
    u[i] -= -v[i + 2] * 0.5""",
    "the same place twice": """
for i in range(10):
    u[i + 1] += v[i] * 0.5
    u[i + 1] += v[i]
    u[i + 2] += v[i] - 0.25 * v[i]""",
    "no multiples of one number": """
for i in range(10):
    u[i] += v[i]
    u[i + 1] += v[i + 1] * v[i]
    u[i + 2] += v[i] * s""",
    "numbers plus others": """
for i in range(10):
    u[i] += v[i] + 1.0
    u[i + 1] += v[i] + s
    u[i + 2] += v[i]""",
    "a small part": """
for i in range(4):
    for j in range(7):
        x[i, j] += y[i, j]
        x[i, j + 1] += y[i, j]
        x[i, j + 2] += y[i, j]""",
    "a row of a matrix": "for i in range(7):\n    x[3, i] += v[i]\n    x[3, i + 1] += v[i]\n    x[3, i + 2] += v[i]",
    "two places": "for i in range(10):\n    u[i] += v[i]\n    u[i + 2] += v[i]",
    "a difference of rows, and one of columns": """
for i in range(6):
    for j in range(8):
        t = -y[i, j] * 0.7
        x[i, j] -= t
        z[i, j] -= t
        x[i + 1, j] += t
        z[i, j + 1] += t""",
    "going down, what is read emptied": """
for i in range(6):
    a = 5 - i
    for j in range(8):
        b = 7 - j
        t = y[a, b] * z[a, b + 1]
        y[a, b] = 0.0
        x[a + 1, b] -= t / 3.0
        x[a, b] += t""",
    "nests one after the other": """
for i in range(6):
    for j in range(9):
        x[i, j] += y[i, j] * 0.5
for i in range(6):
    for j in range(9):
        x[i + 1, j] += y[i + 1, j] * y[i, j]""",
    "beside a total, and numbers from further out": """
for i in range(6):
    a = i + 1
    s += v[a]
    r = v[i] * 0.5
    for j in range(8):
        s += y[i, j]
        x[a, j] += y[i, j]
        x[a, j + 1] -= y[i, j + 1]
        z[i, j] += r""",
    "in space": """
for i in range(4):
    for j in range(4):
        for k in range(6):
            p[i, j, k] += q[i, j, k]
            p[i, j + 1, k] += 0.5 * q[i, j, k]""",
    "elements told by a number of the loop around": """
for i in range(8):
    u[i + step] += v[i]
    u[i + step + 1] -= v[i] * 0.5""",
    "as far as the loop goes": """
for i in range(4):
    u[i] += v[i]
    u[i + 4] += v[i + 1]
    u[i + 2] += v[i + 2]""",
    "the number of the cell": "for i in range(9):\n    u[i] += v[i] * i\n    u[i + 1] += v[i] * (2 - i)",
}

ALSO = {
    "totals that have a place, a row further each": """
for i in range(6):
    for j in range(9):
        u[i] += y[i, j]
        u[i + 1] -= x[i, j]""",
    "a sum longer than a line": """
for i in range(10):
    u[i] += v[i] * v[i + 1] * v[i + 2] + v[i] / v[i + 1]
    u[i + 1] -= v[i] * v[i + 1] * v[i + 2] - v[i] / v[i + 1] + 0.75 * v[i + 2]
    u[i + 1] += v[i] / v[i + 1]
    u[i + 2] += v[i] / v[i + 2]""",
    "triangles": """
for i in range(8):
    for j in range(i):
        x[3, j] += y[1, j] * v[i]
        x[3, j + 1] -= y[1, j]""",
}

LEFT = {
    "further apart than the loop goes": "for i in range(3):\n    u[i] += v[i]\n    u[i + 4] += v[i + 1]",
    "along the diagonal": "for i in range(6):\n    x[i, i] += v[i]\n    x[i, i + 1] += v[i + 1]",
    "every second element": "for i in range(5):\n    u[2 * i] += v[i]\n    u[2 * i + 1] += v[i + 1]",
    "what is added to is read": "for i in range(9):\n    u[i] += u[i + 1]\n    u[i + 1] += v[i]",
    "calls": "for i in range(9):\n    t = abs(v[i])\n    u[i] += t\n    u[i + 1] += t",
    "a number of the row": """
for i in range(6):
    t = v[i] * v[i + 1]
    for j in range(8):
        x[i, j] += t * y[i, j]
        x[i, j + 1] -= t * y[i, j]""",
    "much to compute again": """
for i in range(9):
    t = v[i] * v[i + 1] * v[i] * v[i + 1] * v[i] + v[i] / v[i + 1] / v[i] / v[i + 1] - v[i] * 0.5 / v[i + 1]
    u[i] += t
    u[i + 1] += t""",
}


class Counted:
    """An array that counts how often each element is written to."""

    def __init__(self, array):
        self.array, self.writes = array, np.zeros(array.shape, int)

    def __getitem__(self, index):
        return self.array[index]

    def __setitem__(self, index, value):
        self.array[index] = value
        self.writes[index] += 1


def writes(text):
    """How often one sweep writes to each element of the arrays that it adds to."""
    scope = {name: Counted(np.ones(shape)) for name, shape in EXACT.items()}
    exec(text.replace("for step in range(3)", "for step in range(1)"), {"np": np, **scope})
    added = dict.fromkeys(re.findall(r"(\w)\[[^=\n]*\] [+-]=", text))
    return np.concatenate([scope[name].writes.ravel() for name in added])


@pytest.mark.parametrize("body", ALIGNED.values(), ids=ALIGNED)
def test_each_element_is_written_once(body):
    text = swept(body)
    new, buffers = gathered(text)
    assert not buffers
    agree(outcome(new), outcome(text))
    assert writes(text).max() > 1
    assert writes(new).max() == 1, new


@pytest.mark.parametrize("body", ALSO.values(), ids=ALSO)
def test_an_element_may_be_written_more_often(body):
    text = swept(body)
    new, _ = gathered(text)
    agree(outcome(new), outcome(text))
    assert writes(new).sum() < writes(text).sum(), new
    assert writes(new).max() > 1, new


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_no_loop_has_what_comes_from_two_cells(body):
    text = swept(body)
    new, _ = gathered(text)
    agree(outcome(new), outcome(text))
    assert writes(new).sum() == writes(text).sum()


@pytest.mark.parametrize("name", ["a difference of rows, and one of columns", "nests one after the other"])
@pytest.mark.parametrize("sizes", [(7, 9), (2, 2), (1, 1), (1, 4), (4, 1)])
def test_symbolic_sizes(name, sizes):
    text = ALIGNED[name].replace("range(6)", "range(n - 1)").replace("range(8)", "range(m - 1)")
    text = swept(text.replace("range(9)", "range(m)"))
    sizes = dict(zip("nm", sizes, strict=True))
    new, _ = gathered(text, SYMBOLIC)
    assert "if n - 1 > 0:" in new
    agree(outcome(new, (), SYMBOLIC, sizes=sizes), outcome(text, (), SYMBOLIC, sizes=sizes))


def test_symbolic_sizes_that_may_be_less_than_the_reach_are_left():
    text = swept("for i in range(m - 2):\n    u[i] += v[i]\n    u[i + 2] -= v[i + 1]")
    new, _ = gathered(text, SYMBOLIC)
    agree(outcome(new, (), SYMBOLIC), outcome(text, (), SYMBOLIC))
    assert new.count("range(m - 2)") == 2


@pytest.mark.parametrize("name", ["a difference of rows, and one of columns", "in space"])
def test_single_precision(name):
    text = swept(re.sub(r"(\d+\.\d+)", r"np.float32(\1)", ALIGNED[name]))
    new, _ = gathered(text, dtype=np.float32)
    agree(outcome(new, dtype=np.float32), outcome(text, dtype=np.float32), 1e-5)


def along_one_axis(seed):
    """A stencil at random whose places lie along an axis, and the axis."""
    rng = np.random.default_rng(seed)
    while True:
        text = random_stencil(int(rng.integers(1 << 30)))
        places = re.findall(r"\w\[([^]]*)\] [+-]= ", text)
        apart = [len(set(terms)) > 1 for terms in zip(*(place.split(", ") for place in places), strict=True)]
        if sum(apart) == 1:
            return text


@pytest.mark.parametrize("seed", range(40))
def test_random_stencils(seed):
    text = swept(along_one_axis(seed))
    new, buffers = gathered(text)
    assert not buffers
    agree(outcome(new), outcome(text))
    assert writes(new).sum() <= writes(text).sum()


def test_most_random_stencils_are_aligned():
    texts = [swept(along_one_axis(seed)) for seed in range(40)]
    assert sum(bool(writes(gathered(text)[0]).sum() < writes(text).sum()) for text in texts) > 30


# Whole programs: value and gradient.


def fields(a, w):
    x, y = a * 1.0, w * 1.0
    n, m = a.shape
    for _ in range(12):
        for i in range(1, n):
            for j in range(m):
                x[i, j] -= 0.5 * (y[i, j] - y[i - 1, j])
        y[:, :-1] += 0.7 * w[0, 0] * (x[:, 1:] - x[:, :-1]) * x[:, 1:]
    return np.sum(x * x * w)


def convection(a, w):
    x = a * 1.0
    for _ in range(9):
        flux = w[:, :-1] * x[:, :-1] ** 2
        x[:, 1:-1] -= 0.1 * (flux[:, 1:] - flux[:, :-1])
    return np.sum(np.diff(x, axis=0) ** 2)


@pytest.mark.parametrize("shape", [(9, 8), (2, 3), (1, 2), (3, 1)])
@pytest.mark.parametrize("function", [fields, convection], ids=lambda f: f.__name__)
def test_programs(function, shape):
    rng = np.random.default_rng(5)
    args = rng.normal(size=shape) * 0.5, rng.uniform(0.5, 1.0, shape)
    agrees_with_the_tape(function, args)
