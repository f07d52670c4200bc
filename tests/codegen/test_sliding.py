"""Elements that one iteration changes and the next one reads: in scalars where they are, and left alone elsewhere."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.codegen.cut import cut
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.sliding import slide
from jitdiff.codegen.text import Stmt, render
from jitdiff.ir import ArrayType, Builder, Value
from tests.codegen.programs import run
from tests.codegen.test_distribute import statements

SHAPES = {"x": (12,), "y": (12,), "A": (12, 12), "B": (12, 12), "k": (12,)}
TYPES = {"k": np.dtype(np.int64)}

SLID = {
    "upwards": "for i in range(10):\n    x[i + 1] = 0.5 * x[i] + y[i]",
    "downwards": "for i in range(10):\n    x[10 - i] = 0.5 * x[11 - i] + y[i]",
    "through names of indices": """
for i in range(10):
    a = 10 - i
    b = a + 1
    x[a] = 0.5 * x[b] + x[a] * y[b]""",
    "three elements": "for i in range(10):\n    a = i + 1\n    x[a] = (x[a - 1] + 2.0 * x[a] + x[a + 1]) / 4.0",
    "additions": """
for i in range(10):
    a = 10 - i
    t = x[a]
    x[a] = 0.25 * t
    x[a + 1] += 0.5 * t
    x[a - 1] += 0.125 * t""",
    "two elements of the last": "for i in range(9):\n    x[i + 2] = 0.5 * x[i + 1] - 0.25 * x[i] + y[i]",
    "two elements changed": """
for i in range(9):
    x[i + 1] = 0.5 * x[i] + x[i + 2]
    x[i + 2] = x[i + 1] * y[i]""",
    "a row": "for i in range(10):\n    A[3, i + 1] = 0.5 * A[3, i] + A[2, i + 1] * x[i]",
    "a column": "for i in range(10):\n    A[i + 1, n] = 0.5 * A[i, n] + A[i + 1, n - 1]",
    "a diagonal": "for i in range(10):\n    A[i + 1, i + 1] = 0.5 * A[i, i] + A[i, i + 1]",
    "a pass over rows": """
for j in range(10):
    for i in range(10):
        A[j + 1, i + 1] = 0.5 * A[j + 1, i] + 0.25 * A[j, i + 1] + 0.125 * A[j + 1, i + 1]""",
    "a triangle": """
for j in range(12):
    for i in range(j):
        A[j, i + 1] = 0.5 * A[j, i] + A[j, i + 1]""",
    "a triangle downwards": """
for j in range(12):
    for i in range(j):
        A[j, j - 1 - i] = 0.5 * A[j, j - i] + A[j, j - 1 - i]""",
    "steps of two": "for i in range(5):\n    x[2 * i + 2] = 0.5 * x[2 * i] + x[2 * i + 1]",
    "in a branch, what is read after": """
for i in range(10):
    t = 0.5 * x[i]
    if y[i] > 1.0:
        x[i] = t * y[i]
    x[i + 1] += t""",
    "in a branch, what is read next": """
for i in range(10):
    t = x[i] + x[i + 1]
    if t > 2.0:
        x[i + 1] = 0.25 * t
    else:
        x[i + 1] -= 0.125 * t""",
    "what a branch depends on": """
for i in range(10):
    if x[i] > 1.0:
        y[i] = x[i + 1]
    x[i + 1] = 0.5 * x[i] + x[i + 1] * 0.25""",
    "two arrays": """
for i in range(10):
    x[i + 1] = 0.5 * x[i] + 0.25 * y[i]
    y[i + 1] = 0.5 * y[i] - 0.25 * x[i + 1]""",
    "another element that any index may be": """
for i in range(10):
    x[i + 1] = 0.5 * x[i] + x[k[i]] + x[11 - i]""",
    "no iterations": "for i in range(n - 4):\n    x[i + 1] = 0.5 * x[i]",
    "as many as there are": "for i in range(n + 4):\n    x[i + 1] = 0.5 * x[i]",
    "integers": "for i in range(10):\n    k[i + 1] = k[i] + 3",
    "a place that a loop around it moves": """
for j in range(4):
    b = 2 * j
    for i in range(2):
        x[b + i + 1] = 0.5 * x[b + i] + y[j]""",
}

LEFT = {
    "what is not changed": "for i in range(10):\n    y[i + 1] = x[i] + x[i + 1]",
    "what is not read": "for i in range(10):\n    x[i + 1] = y[i]\n    x[i] = y[i + 1]",
    "the same element": "for i in range(10):\n    x[i] = 0.5 * x[i] + y[i]",
    "one element": "for i in range(10):\n    x[3] = 0.5 * x[3] + y[i]",
    "the iteration before the last": "for i in range(10):\n    x[i + 2] = 0.5 * x[i] + y[i]",
    "an element yet to be changed": "for i in range(10):\n    x[i] = 0.5 * x[i + 1] + y[i]",
    "another row": "for i in range(10):\n    A[4, i + 1] = 0.5 * A[3, i]",
    "an element that any index may change": """
for i in range(10):
    x[i + 1] = 0.5 * x[i] + y[i]
    x[k[i]] = 0.25""",
    "an element at a distance that varies": """
for i in range(10):
    x[i + 1] = 0.5 * x[i] + y[i]
    x[11 - i] = 0.25""",
    "an element that a view changes": "for i in range(10):\n    x[i + 1] = 0.5 * x[i]\n    x_view[i + 2] = 0.25",
    "an element that a view reads": "for i in range(10):\n    x[i + 1] = 0.5 * x[i]\n    y[i] = x_view[i + 1]",
    "a call that may change the array": "for i in range(10):\n    x[i + 1] = 0.5 * x[i] + y[i]\n    double(x)",
    "only in a branch": "for i in range(10):\n    if y[i] > 1.0:\n        x[i + 1] = 0.5 * x[i]",
    "read in a branch only": """
for i in range(10):
    x[i + 1] = y[i]
    if i > 3:
        y[i] = x[i]""",
    "read in a choice": "for i in range(10):\n    x[i + 1] = x[i] if i > 3 else 0.5",
    "a row that a number of the iteration picks": """
for i in range(10):
    p = k[i] % 3
    A[p, i + 1] = 0.5 * A[p, i] + x[i]""",
    "a row that the iteration before picks": """
p = 0
for i in range(10):
    A[p, i + 1] = 0.5 * A[p, i] + x[i]
    p = k[i]""",
    "a row that takes turns": """
p = 0
for i in range(10):
    A[p, i + 1] = 0.5 * A[p, i] + x[i]
    q = 1 - p
    p = q""",
    "a place that moves further": """
p = 0
for i in range(5):
    x[p + i + 1] = 0.5 * x[p + i]
    p = p + 1""",
    "a row that an element picks": "for i in range(10):\n    A[k[2], i + 1] = 0.5 * A[k[2], i]\n    k[2] = k[i]",
    "loops inside": """
for i in range(10):
    x[i + 1] = 0.5 * x[i]
    for j in range(3):
        x[i + 1] += y[j]""",
    "until": """
i = 0
while i < 10:
    x[i + 1] = 0.5 * x[i]
    i += 1""",
}


def slid(text):
    values = {name: Value(ArrayType(TYPES.get(name, np.dtype(float)), s), name) for name, s in SHAPES.items()}
    program = Program(Builder(tuple(values.values())).finish([]))
    program.places |= {value: Place(name, value.type) for name, value in values.items()}
    program.aliases["x_view"] = "x"
    arrays = {place.name: place for place in program.places.values()}
    return "\n".join(render(slide(statements(text), program, arrays)[0], 0))


def double(x):
    x *= 2.0


def scope_of(text, wrap=lambda array: array):
    """The arrays that a text leaves behind, `wrap` put around each."""
    rng = np.random.default_rng(2)
    arrays = {name: rng.uniform(0.5, 1.5, shape) for name, shape in SHAPES.items()}
    arrays["k"] = rng.integers(0, 3, 12)
    arrays = {name: wrap(array) for name, array in arrays.items()}
    exec(text, {**arrays, "x_view": arrays["x"], "double": double, "n": 4})
    return arrays


def outcome(text):
    return list(scope_of(text).values())


class Counted:
    """An array that counts how many of its elements are read."""

    def __init__(self, array):
        self.array, self.loads = array, 0

    def __getitem__(self, index):
        self.loads += 1
        return self.array[index]

    def __setitem__(self, index, value):
        self.array[index] = value


def loads(text):
    return sum(array.loads for array in scope_of(text, Counted).values())


def agree(have, want):
    for a, b in zip(have, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


@pytest.mark.parametrize("text", SLID.values(), ids=SLID)
def test_elements_go_on_in_scalars(text):
    new = slid(text)
    assert "_here = " in new
    assert "_ahead" in new
    agree(outcome(new), outcome(text))


@pytest.mark.parametrize("text", SLID.values(), ids=SLID)
def test_fewer_elements_are_read(text):
    before, after = loads(text), loads(slid(text))
    assert after < before or before == 0


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_what_does_not_go_on_is_left(text):
    agree(outcome(slid(text)), outcome(text))
    assert slid(text) == text.strip()


def random_sweep(seed):
    """A loop that reads and changes elements near its variable, some of them in branches."""
    rng = np.random.default_rng(seed)
    down = rng.integers(2)

    def element(reads=True):
        offset = int(rng.integers(3))
        name = rng.choice(["x", "x", "x", "y", "A"])
        form = [f"11 - i - {offset}" if down else f"i + {offset}", f"a {'-' if down else '+'} {offset}"][
            rng.integers(2)
        ]
        if name == "A":
            form = f"{rng.choice(['3', '3', 'n', 'p'])}, {form}"
        elif rng.integers(12) == 0:
            form = rng.choice(["4", "k[i]", "p + i", "p + i + 1", "i", "11 - i"])
        return f"{name}[{form}]"

    lines = ["a = 11 - i" if down else "a = i", "p = k[i] % 2" if rng.integers(3) == 0 else "t = 0.0"]
    for _ in range(rng.integers(1, 5)):
        value = " + ".join(f"{rng.uniform(-0.6, 0.6):.2} * {element()}" for _ in range(rng.integers(1, 4)))
        change = f"{element()} {rng.choice(['=', '=', '+='])} {value}"
        kind = rng.integers(6)
        if kind == 0:
            lines += [f"if {element()} > 0.8:", f"    {change}"]
        elif kind == 1:
            lines += [f"if {element()} > 0.8:", f"    {change}", "else:", f"    {element()} -= {value}"]
        elif kind == 2:
            lines += [f"t = {value}"]
        else:
            lines += [change]
    inside = "\n".join(f"        {line}" for line in lines)
    return f"p = 1\nfor j in range(2):\n    for i in range({rng.choice(['9', 'n', 'n - 4', 'j'])}):\n{inside}"


@pytest.mark.parametrize("seed", range(150))
def test_random_sweeps(seed):
    text = random_sweep(seed)
    agree(outcome(slid(text)), outcome(text))


def test_many_random_sweeps_go_on_in_scalars():
    assert sum("_here" in slid(random_sweep(seed)) for seed in range(150)) > 50


# Whole programs: value and gradient.


def smoothed(x, w):
    y = x * 1.0
    for _ in range(3):
        for i in range(1, len(y) - 1):
            y[i] = 0.3 * y[i - 1] + 0.3 * y[i] + 0.4 * y[i + 1]
    return np.sum(y * y * w)


def smoothed_backwards(x, w):
    y = x * 1.0
    for i in range(len(y) - 2, 0, -1):
        y[i] = 0.3 * y[i + 1] * w[i] + 0.4 * np.sin(y[i])
    return np.sum(y * y)


def recurrence(x, w):
    y = x * 1.0
    for i in range(2, len(y)):
        y[i] = 0.5 * y[i - 1] - 0.25 * y[i - 2] + y[i] * w[i]
    return np.sum(y * y)


def pruned(x, w):
    y = x * 1.0
    for i in range(1, len(y)):
        t = y[i] * y[i - 1]
        if t > 0.2:
            y[i] = t * w[i]
        else:
            y[i] += 0.5 * y[i - 1]
    return np.sum(y * y)


def every_other(x, w):
    y = x * 1.0
    for i in range(0, len(y) - 3, 2):
        y[i + 2] = 0.5 * y[i] * w[i] + y[i + 1] * y[i + 2]
    return np.sum(y * y)


def seidel(x, w):
    y = np.outer(x, w)
    for _ in range(2):
        for i in range(1, y.shape[0] - 1):
            for j in range(1, y.shape[1] - 1):
                y[i, j] = 0.25 * (y[i - 1, j] + y[i, j - 1] + y[i, j + 1] + y[i + 1, j])
    return np.sum(y * y)


def triangular(x, w):
    y = np.outer(x, w)
    for i in range(y.shape[0]):
        for j in range(i):
            y[i, j + 1] = 0.5 * y[i, j] + y[j, i] * y[i, j + 1]
    return np.sum(y * y)


def through_a_view(x, w):
    y = np.outer(x, w)
    row = y[2]
    for i in range(1, len(row)):
        row[i] = 0.5 * row[i - 1] + y[1, i] * row[i]
    return np.sum(y * y)


MEANT = (smoothed, smoothed_backwards, recurrence, pruned, every_other, seidel, triangular)


def path(x, w):
    y, s = np.outer(x, w), 0.0
    for i in range(len(x) - 1):
        p = i * i % 3
        y[p, i + 1] = 0.5 * y[p, i] * x[i] + y[p, i + 1]
        s = s + y[p, i]
    return np.sum(y * y) * s


def turns(x, w):
    y, p = np.outer(x, w), 0
    for i in range(len(x) - 1):
        y[p, i + 1] = np.sin(y[p, i]) * x[i]
        p = 1 - p
    return np.sum(y * y)


def switched(x, w):
    y, p = np.outer(x, w), 0
    for i in range(len(x) - 1):
        y[p, i + 1] = np.sin(y[p, i]) * x[i]
        if x[i] > 0.8:
            p = (p + 1) % 3
    return np.sum(y * y)


def scattered(x, w):
    y = x * 1.0
    for i in range(1, len(y)):
        y[i] = 0.5 * y[i - 1] + w[i]
        y[i * 7 % 3] = 0.5 * y[i] * w[i]
    return np.sum(y * y)


NOT_MEANT = (path, turns, switched, scattered)
PROGRAMS = (*MEANT, *NOT_MEANT, through_a_view)


def arguments(n):
    return tuple(np.random.default_rng(n).uniform(0.25, 1.5, (2, n)))


def value_and_gradients(function, args, gradients=None):
    """The text of value and gradients, which is not compiled, and what it gives."""
    gradients = gradients or jd.value_and_grad(jd.compile(function), argnums=(0, 1))
    emitted = gradients.specialisation(*args).emitted
    return emitted.source, run(emitted, args, size=1_000_000)


def agrees(function, args, have, source):
    value, gradients = jd.value_and_grad(function, argnums=(0, 1))(*args)
    for a, b in zip(have, (value, *gradients), strict=True):
        scale = max(1.0, np.abs(b).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11 * scale, err_msg=source)


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_programs(function):
    args = arguments(20)
    source, have = value_and_gradients(function, args)
    agrees(function, args, have, source)
    if function in MEANT:
        assert "_here" in source
    if function in NOT_MEANT:
        assert "_here" not in source


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_one_program_for_all_sizes(function):
    gradients = jd.value_and_grad(jd.compile(function), argnums=(0, 1))
    gradients.specialisation(*arguments(20))
    for n in (23, 5, 4, 3):
        source, have = value_and_gradients(function, arguments(n), gradients)
        agrees(function, arguments(n), have, source)
    # A range in steps needs the number of them.
    assert function is every_other or "n = x.shape[0]" in source


@pytest.mark.parametrize("function", [smoothed, smoothed_backwards, recurrence, pruned], ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [1, 2])
def test_loops_that_do_not_run(function, n):
    gradients = jd.value_and_grad(jd.compile(function), argnums=(0, 1))
    gradients.specialisation(*arguments(30))
    source, have = value_and_gradients(function, arguments(n), gradients)
    agrees(function, arguments(n), have, source)


def test_as_many_iterations_as_an_argument_says():
    def swept(x, n):
        y = x * 1.0
        for i in range(n % len(x)):
            y[i + 1] = 0.5 * y[i] + np.sin(y[i + 1])
        return np.sum(y * y)

    gradients = jd.value_and_grad(jd.compile(swept))
    x = arguments(20)[0]
    for n in (7, 0, 19, 20, -3):
        value, gradient = gradients(x, n)
        want = jd.value_and_grad(swept)(x, n)
        np.testing.assert_allclose(value, want[0], rtol=1e-13)
        np.testing.assert_allclose(gradient, want[1], rtol=1e-12)
    assert "> 0 else 0.0" in gradients.source


@pytest.mark.parametrize("function", [pruned, seidel, path], ids=lambda f: f.__name__)
def test_machine_code(function):
    gradients = jd.value_and_grad(jd.compile(function), argnums=(0, 1))
    for n in (20, 9, 4):
        value, found = gradients(*arguments(n))
        agrees(function, arguments(n), (value, *found), gradients.source)


def test_single_precision():
    x, w = (a.astype(np.float32) for a in arguments(20))
    gradients = jd.value_and_grad(jd.compile(smoothed), argnums=(0, 1))
    for n in (20, 9, 2):
        value, found = gradients(x[:n], w[:n])
        want = jd.value_and_grad(smoothed, argnums=(0, 1))(x[:n], w[:n])
        assert "float64" not in gradients.source
        assert found[0].dtype == np.float32
        np.testing.assert_allclose(value, want[0], rtol=1e-5)
        np.testing.assert_allclose(found, want[1], rtol=1e-4, atol=1e-5)


def test_second_order():
    x, w = arguments(20)
    e = np.random.default_rng(4).normal(size=20)
    emitted = jd.compile(smoothed_backwards).hessp.specialisation(x, e, w).emitted
    assert "_here" in emitted.source
    (along,) = run(emitted, [x, e, w])
    ends = [jd.grad(smoothed_backwards)(x + h * e, w) for h in (1e-5, -1e-5)]
    np.testing.assert_allclose(along, (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-7)


def test_loops_that_are_cut_into_functions():
    body = [f"t{k} = t{k - 1} * 0.5 + x[i + 1]" for k in range(1, 40)]
    lines = "\n".join(f"    {line}" for line in ("t0 = x[i]", *body, "x[i + 1] = t39", "x[i + 1] += t20 * y[i]"))
    text = f"for i in range(10):\n{lines}"
    new = slid(text)
    functions = cut("f", ["x", "y"], [], [*statements(new), Stmt("return", pinned=True)], limit=12)
    assert len(functions) > 3
    assert "x_here" in new
    pieces = "\n".join(line for f in functions for line in render([f.stmt], 0))
    agree(outcome(f"{pieces}\nf(x, y)"), outcome(text))
