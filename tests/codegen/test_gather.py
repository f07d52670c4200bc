"""Additions to the neighbours of cells: sums over neighbours where that is right, and left alone elsewhere."""

import re

import numpy as np
import pytest

import jitdiff as jd
from tests.codegen.nests import SYMBOLIC, agree, gathered, outcome, random_stencil, swept
from tests.codegen.programs import run

# Each stands in a loop, after a statement that depends on the iteration before.
GATHERED = {
    "all elements": "for i in range(12):\n    u[i] += v[i]\n    u[i] += 0.5 * v[i]\n    u[i] -= v[i] / 3.0",
    "five in the plane": """
for i in range(5):
    for j in range(7):
        t = y[i + 1, j + 1]
        x[i, j + 1] += 0.1 * t
        x[i + 2, j + 1] += 0.1 * t
        x[i + 1, j] += 0.2 * t
        x[i + 1, j + 2] += 0.2 * t
        x[i + 1, j + 1] -= t""",
    "over the edge of a row": """
for i in range(6):
    for j in range(7):
        x[i, j] += y[i, j + 2]
        x[i, j + 2] -= y[i, j + 2]
        x[i + 1, j + 2] += 2.0 * y[i, j + 2]""",
    "going down, what is read emptied": """
for i in range(5):
    a = 4 - i
    b = a + 1
    for j in range(7):
        c = 7 - j
        t = y[b, c] * 0.5
        s_0 = t * -2.0
        y[b, c] = 0.0
        x[b, c - 1] += t
        x[b, c + 1] -= s_0
        x[a, c] += 0.3 * (t + s_0)
        x[a + 2, c] += t""",
    "in space": """
for i in range(3):
    for j in range(4):
        for k in range(5):
            t = q[i + 1, j, k + 1]
            p[i, j + 1, k] += t
            p[i + 1, j, k + 1] += 0.5 * t
            p[i + 1, j + 1, k] -= t
            p[i, j, k] += t""",
    "some, beside what is no multiple": """
for i in range(5):
    for j in range(7):
        t = y[i + 1, j + 1]
        x[i, j] += t * z[i, j]
        x[i + 1, j] += t
        x[i + 1, j + 2] += s * t
        x[i + 2, j + 1] += 0.5 * t
        x[i + 1, j + 1] += 0.5 * t""",
    "of one array and not of another": """
for i in range(5):
    for j in range(7):
        t = y[i + 1, j + 1]
        z[i + 1, j] += t * s
        z[i + 1, j + 1] += t * s
        z[i + 1, j + 2] += t * y[i + 1, j + 2]
        x[i + 1, j] += t
        x[i, j + 1] += t
        x[i + 1, j + 2] += t""",
    "a cell that gets something else after it is emptied": """
for i in range(5):
    for j in range(7):
        t = y[i + 1, j + 1]
        y[i + 1, j + 1] = 0.0
        x[i, j + 1] += 0.25 * t
        x[i + 2, j + 1] += 0.25 * t
        x[i + 1, j] += 0.25 * t
        y[i + 1, j + 1] += 0.5 * z[i, j]""",
    "nests one after the other": """
for i in range(5):
    for j in range(7):
        x[i, j + 1] += y[i + 1, j + 1]
for i in range(5):
    for j in range(7):
        x[i + 2, j + 1] += y[i + 1, j + 1]
for i in range(5):
    for j in range(7):
        x[i + 1, j] -= y[i + 1, j + 1]
for i in range(5):
    for j in range(7):
        y[i + 1, j + 1] = 0.0""",
    "there and back": """
for i in range(5):
    for j in range(7):
        t = y[i + 1, j + 1]
        x[i, j + 1] += 0.5 * t
        x[i + 2, j + 1] += 0.5 * t
        x[i + 1, j] -= t
for i in range(5):
    for j in range(7):
        t_0 = x[i + 1, j + 1]
        y[i, j + 1] += 0.5 * t_0
        y[i + 2, j + 1] += 0.5 * t_0
        y[i + 1, j] -= t_0""",
    "boxes of two kinds": """
for i in range(5):
    for j in range(7):
        t = y[i + 1, j + 1]
        x[i, j + 1] += t
        x[i + 2, j + 1] += t
        x[i + 1, j] -= t
for i in range(6):
    for j in range(7):
        t_0 = y[i, j + 1]
        z[i, j] += t_0
        z[i, j + 2] += t_0
        z[i + 1, j + 1] -= t_0""",
    "totals of the rows": """
for i in range(5):
    s += v[i]
    r = v[i + 1] * 0.5
    u[i] += r
    for j in range(7):
        t = y[i + 1, j + 1] * r
        x[i, j + 1] += t
        x[i + 2, j + 1] += t
        x[i + 1, j + 1] -= t""",
    "a total of the cells": """
for i in range(5):
    for j in range(7):
        t = y[i + 1, j + 1]
        s += t * z[i, j]
        x[i, j + 1] += t
        x[i + 2, j + 1] += t
        x[i + 1, j] -= t""",
}

LEFT = {
    "every second element": """
for i in range(5):
    u[2 * i] += v[i]
    u[2 * i + 1] += v[i]
    u[2 * i + 2] += v[i]""",
    "the transpose": """
for i in range(7):
    for j in range(7):
        x[j, i] += y[i, j]
        x[j, i + 1] += y[i, j]
        x[j, i + 2] += y[i, j]""",
    "a box that moves": """
for i in range(9):
    u[i + step] += v[i]
    u[i + step + 1] += v[i]
    u[i + step] -= 0.5 * v[i]""",
    "a box that grows": """
for i in range(step + 8):
    u[i] += v[i]
    u[i + 1] += v[i]
    u[i] -= 0.5 * v[i]""",
    "round the end": """
for i in range(12):
    u[i] += v[i]
    u[(i + 1) % 12] += v[i]
    u[(i + 11) % 12] += v[i]""",
    "a sum over an axis": """
for i in range(7):
    for j in range(7):
        u[j] += y[i, j]
        u[j + 1] += y[i, j]
        u[j + 2] += y[i, j]""",
    "what is added to is read": """
for i in range(10):
    t = u[i + 1]
    u[i] += t
    u[i + 1] += t
    u[i + 2] += t""",
    "what is added to is read through a view": """
for i in range(5):
    for j in range(7):
        t = x_flat[i]
        x[i, j] += t
        x[i + 1, j] += t
        x[i + 2, j] += t""",
    "a box that moves, after one that does not": """
for i in range(5):
    for j in range(7):
        t = y[i + 1, j + 1]
        x[i, j] += t * s
        x[i + step, j] += t
        x[i + step, j + 1] += 2.0 * t
        x[i + step, j + 2] += t""",
    "a factor beyond the largest number": """
for i in range(10):
    t = v[i + 1] * 1e-250
    u[i] += t * 1e200 * 1e200
    u[i + 1] += t * 1e200 * 1e200
    u[i + 2] += t""",
}


@pytest.mark.parametrize("body", GATHERED.values(), ids=GATHERED)
def test_neighbours_are_summed(body):
    text = swept(body)
    new, buffers = gathered(text)
    assert buffers
    assert "reshape" in new or "u[i] " in new
    agree(outcome(new, buffers), outcome(text))


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_no_sums_over_neighbours(body):
    text = swept(body)
    new, buffers = gathered(text)
    agree(outcome(new, buffers), outcome(text))
    assert not buffers


@pytest.mark.parametrize("body", GATHERED.values(), ids=GATHERED)
def test_each_iteration_leaves_the_rest_of_the_numbers_zero(body):
    """What the cells around a box get is not what was there at the iteration before."""
    text = swept(swept(body).replace("s = 0.5\n", "").replace("\nend = s", "").replace("step", "outer"))
    new, buffers = gathered(text)
    agree(outcome(new, buffers), outcome(text), 1e-9)


def test_boxes_of_one_kind_share_their_numbers():
    assert len(gathered(swept(GATHERED["there and back"]))[1]) == 1
    assert len(gathered(swept(GATHERED["boxes of two kinds"]))[1]) == 2


def test_neighbours_outside_of_a_loop_are_left():
    text = f"{GATHERED['five in the plane'].strip()}\nend = 0"
    new, buffers = gathered(text)
    assert not buffers
    agree(outcome(new), outcome(text))


def test_arrays_of_two_types_are_left():
    _, buffers = gathered(swept(GATHERED["five in the plane"]), others={"y": np.dtype(np.float32)})
    assert not buffers


def test_what_the_numbers_are_is_set_before_all_loops():
    new, (buffer,) = gathered(swept(GATHERED["five in the plane"]))
    assert new.index(f"{buffer.name}[i] = 0.0") < new.index("for step")


IN_THE_PLANE = ("five in the plane", "going down, what is read emptied", "there and back", "totals of the rows")


@pytest.mark.parametrize("name", IN_THE_PLANE)
@pytest.mark.parametrize("sizes", [(7, 9), (3, 3), (3, 8), (9, 3), (2, 5), (1, 1)])
def test_symbolic_sizes(name, sizes):
    body = GATHERED[name].replace("range(5)", "range(n - 2)").replace("range(7)", "range(m - 2)")
    text = swept(body.replace("4 - i", "n - 3 - i").replace("7 - j", "m - 2 - j"))
    sizes = dict(zip("nm", sizes, strict=True))
    new, buffers = gathered(text, SYMBOLIC)
    assert buffers
    if name == "totals of the rows":
        sizes["m"] = max(sizes["m"], sizes["n"])
    agree(outcome(new, buffers, SYMBOLIC, sizes=sizes), outcome(text, (), SYMBOLIC, sizes=sizes))


@pytest.mark.parametrize("name", ["five in the plane", "over the edge of a row", "in space"])
def test_single_precision(name):
    text = swept(re.sub(r"(\d+\.\d+)", r"np.float32(\1)", GATHERED[name]))
    new, buffers = gathered(text, dtype=np.float32)
    assert buffers[0].type.dtype == np.float32
    assert "np.float32(" in new.split("reshape")[-1]
    agree(outcome(new, buffers, dtype=np.float32), outcome(text, dtype=np.float32), 1e-5)


@pytest.mark.parametrize("seed", range(100))
def test_random_stencils(seed):
    text = swept(random_stencil(seed))
    new, buffers = gathered(text)
    agree(outcome(new, buffers), outcome(text))


def test_many_random_stencils_are_gathered():
    assert sum(bool(gathered(swept(random_stencil(seed)))[1]) for seed in range(100)) > 25


# Whole programs: value and gradient.


def jacobi(a, w):
    x = a * 1.0
    for _ in range(20):
        x[1:-1, 1:-1] = 0.25 * (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:])
    return np.sum(x * x * w)


def jacobi_there_and_back(a, w):
    x, y = a * 1.0, a * 0.5
    for _ in range(15):
        y[1:-1, 1:-1] = 0.2 * (x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:])
        x[1:-1, 1:-1] = 0.2 * (y[1:-1, 1:-1] + y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:])
    return np.sum(x * y * w)


def relaxed(a, w):
    x, y = a * 1.0, a * 0.5
    for _ in range(13):
        x[1:-1, 1:-1] = 0.5 * x[1:-1, 1:-1] + 0.1 * (y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, 1:-1] - y[1:-1, 2:])
        y[1:-1, 1:-1] = 0.5 * y[1:-1, 1:-1] + 0.1 * (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, 1:-1] - x[1:-1, 2:])
    return np.sum(x * x) + np.sum(y * w)


def coefficients_of_many_kinds(a, w):
    x, y = a * 1.0, a * 0.0
    for _ in range(13):
        y[:-1, 1:-1] = 0.3 * x[1:, :-2] - 0.2 * x[:-1, :-2] + w[0, 0] * x[1:, 1:-1] - x[:-1, 1:-1] / 8.0
        x[:-1, 1:-1] += 0.1 * (w[:-1, 1:-1] * y[1:, 2:] - y[1:, :-2] - y[:-1, :-2] / 4.0 + w[1, 1] * y[1:, 1:-1])
    return np.sum(x * x) + np.sum(y * w)


def elements(a, w):
    x, y = a * 1.0, a * 0.5
    n, m = a.shape
    for _ in range(12):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                y[i, j] = 0.3 * x[i, j] + 0.2 * x[i - 1, j] + 0.2 * x[i + 1, j] + 0.1 * x[i, j + 1]
        for i in range(n - 2, 0, -1):
            for j in range(1, m - 1):
                x[i, j] = 0.4 * y[i, j] + 0.3 * y[i, j - 1] + 0.2 * y[i, j + 1]
    return np.sum(x * x * w)


def additions(a, w):
    x, s = np.zeros_like(a), 0.5
    n, m = a.shape
    for _ in range(12):
        s = 0.9 * s + 0.01 * x[1, 1]
        for i in range(1, n - 1):
            s = s + 0.1 * a[i, 0]
            for j in range(1, m - 1):
                x[i - 1, j] += 0.1 * a[i, j]
                x[i, j] += 0.2 * a[i, j]
                x[i + 1, j + 1] += 0.3 * a[i, j]
    return s * np.sum(x * w)


def one_sided(a, w):
    x = a * 1.0
    for _ in range(10):
        x[:-2, 2:] += 0.3 * x[1:-1, :-2] - 0.2 * w[:-2, 2:] * x[:-2, 1:-1] + 0.4 * x[:-2, :-2]
    return np.sum(x * x * w)


def read_before_an_odd_number_of_steps(a, w):
    x = a * 1.0
    corner = np.sin(x[1, 2] * x[0, 0])
    for _ in range(21):
        x[1:-1, 1:-1] = 0.2 * (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]) + 0.1 * np.sin(x[1:-1, 1:-1])
    return np.sum(x * x * w) + corner


MEANT = (jacobi, jacobi_there_and_back, relaxed, elements, additions)
PROGRAMS = (*MEANT, coefficients_of_many_kinds, one_sided, read_before_an_odd_number_of_steps)


def arguments(n, m):
    rng = np.random.default_rng(n * m)
    return rng.normal(size=(n, m)), rng.uniform(0.5, 1.5, (n, m))


def value_and_gradients(function, args, gradients=None):
    """The text of value and gradients, which is not compiled, and what it gives."""
    gradients = gradients or jd.value_and_grad(jd.compile(function), argnums=(0, 1))
    emitted = gradients.specialisation(*args).emitted
    return emitted.source, run(emitted, args, size=100_000)


def agrees(function, args, have, source, rtol=1e-11):
    value, gradients = jd.value_and_grad(function, argnums=(0, 1))(*args)
    for a, b in zip(have, (value, *gradients), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1.0, np.abs(b).max(initial=0)), err_msg=source)


def sums_over_neighbours(source):
    """Loops over all elements in which three or more elements of an array around each are added to it."""
    added = re.findall(r"\w+\[i\] [+-]= .*", source)
    return [text for text in added if len(set(re.findall(r"(?<=[( ])a\d+\[i[^]]*\]", text))) >= 3]


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_programs(function):
    args = arguments(12, 11)
    source, have = value_and_gradients(function, args)
    agrees(function, args, have, source)
    assert function not in MEANT or sums_over_neighbours(source), source


@pytest.mark.parametrize("shape", [(3, 3), (3, 9), (9, 3), (4, 2), (2, 2), (6, 4)])
@pytest.mark.parametrize("function", [jacobi, relaxed, coefficients_of_many_kinds, one_sided], ids=lambda f: f.__name__)
def test_small_arrays(function, shape):
    args = arguments(*shape)
    source, have = value_and_gradients(function, args)
    agrees(function, args, have, source)


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_one_program_for_all_sizes(function):
    gradients = jd.value_and_grad(jd.compile(function), argnums=(0, 1))
    gradients.specialisation(*arguments(8, 9))
    for shape in ((12, 11), (4, 7), (3, 12)):
        source, have = value_and_gradients(function, arguments(*shape), gradients)
        assert "n = a.shape[0]" in source
        agrees(function, arguments(*shape), have, source)


def test_machine_code():
    gradients = jd.value_and_grad(jd.compile(relaxed), argnums=(0, 1))
    for shape in ((7, 8), (9, 8), (3, 5), (20, 30)):
        args = arguments(*shape)
        value, found = gradients(*args)
        agrees(relaxed, args, (value, *found), gradients.source)
        assert sums_over_neighbours(gradients.source)


def test_machine_code_in_single_precision():
    args = [a.astype(np.float32) for a in arguments(7, 8)]
    gradients = jd.value_and_grad(jd.compile(jacobi), argnums=(0, 1))
    value, found = gradients(*args)
    assert "float64" not in gradients.source
    agrees(jacobi, args, (value, *found), gradients.source, 1e-5)


def test_second_order():
    def smoothed(a):
        x = a * a
        for _ in range(12):
            x[1:-1, 1:-1] = 0.3 * x[:-2, 1:-1] + 0.4 * x[1:-1, 2:] + 0.3 * x[2:, 1:-1]
        return np.sum(x * x)

    a, e = np.random.default_rng(4).normal(size=(2, 8, 9))
    emitted = jd.compile(smoothed).hessp.specialisation(a, e).emitted
    assert sums_over_neighbours(emitted.source)
    (along,) = run(emitted, [a, e])
    ends = [jd.grad(smoothed)(a + h * e) for h in (1e-5, -1e-5)]
    np.testing.assert_allclose(along, (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-7)
