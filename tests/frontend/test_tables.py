"""Lists and tuples of numbers that a loop reads by its counter: tables, in loops of the program."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.ir import For
from tests.frontend.agree import agrees_in_every_mode

X = np.linspace(0.1, 1.0, 30)
WEIGHTS = [0.1, 0.5, 0.2, 0.9, 0.4] * 6
PAIRS = [[0.5, 1.5], [2.5, 0.25], [1.0, 3.0]] * 5


def of_a_list(x):
    s = 0.0
    for i in range(30):
        s += WEIGHTS[i] * x[i] ** 2
    return s


def of_a_tuple(x, weights=tuple(WEIGHTS)):
    s = 0.0
    for i in range(len(x)):
        s += weights[-i - 1] * x[i] ** 2
    return s


def of_whole_numbers(x):
    order = [3, 1, 4, 1, 5, 9, 2, 6] * 3
    s = 0.0
    for i in range(24):
        s += x[order[i]] * x[i] * order[i]
    return s


def of_mixed_numbers(x):
    c = [1, 0.5, 2, 0.25] * 5
    s = 0.0
    for k in range(20):
        s += c[k] * x[k] ** 2
    return s


def of_rows(x):
    s = 0.0
    for i in range(15):
        for j in range(2):
            s += PAIRS[i][j] * x[i + j] ** 2
    return s


def by_another_index(x):
    c = (0.5, 1.5, 2.5)
    s = 0.0
    for k in range(20):
        s += c[k % 3] * x[k] ** 2
    return s


def of_truth_values(x):
    use = [True, False, True] * 5
    s = 0.0
    for k in range(15):
        if use[k]:
            s += x[k] ** 2
    return s


def of_a_range(x):
    r = range(40, 0, -2)
    s = 0.0
    for k in range(20):
        s += r[k] * x[k] ** 2
    return s


def gone_through(x):
    s = 0.0
    for w, v in zip(WEIGHTS, x, strict=True):
        s += w * v * v
    for i, w in enumerate(WEIGHTS):
        s += w * x[i]
    for w in reversed(WEIGHTS):
        s = s * 0.9 + w * x[1]
    return s


def of_a_recurrence(x):
    c = [0.3, 0.2, 0.1, 0.05] * 5
    b1 = b2 = 0.0
    for k in range(len(c) - 1, 0, -1):
        b1, b2 = 2 * x[0] * b1 - b2 + c[k], b1
    return x[0] * b1 - b2 + c[0]


def of_an_argument(x, weights=(0.5, 1.5, 2.5) * 4):
    s = 0.0
    for k in range(12):
        s += weights[k] * x[k] ** 2
    return s


@pytest.mark.parametrize(
    "f",
    [
        of_a_list, of_a_tuple, of_whole_numbers, of_mixed_numbers, of_rows, by_another_index, of_truth_values,
        of_a_range, gone_through, of_a_recurrence, of_an_argument,
    ],
)  # fmt: skip
def test_programs(f):
    compiled = agrees_in_every_mode(f, X)
    block = compiled.specialisations[-1].traced.block
    loops = [node for node in block.nodes if isinstance(node, For)]
    assert loops
    assert len(block.nodes) < 30
    # A table is one array, however often it is read.
    assert len(block.captured) <= 1


@pytest.mark.parametrize("f", [of_a_list, of_rows, of_mixed_numbers, gone_through])
def test_elements_give_way_as_numbers_of_python_do(f):
    x = X.astype(np.float32)
    assert f(x).dtype == np.float32
    assert jd.compile(f)(x).dtype == np.float32


def test_elements_of_a_list_of_numpy_scalars_do_not_give_way():
    weights = [np.float64(w) for w in WEIGHTS]

    def f(x):
        s = 0.0
        for k in range(30):
            s += weights[k] * x[k]
        return s

    x = X.astype(np.float32)
    assert jd.compile(f)(x).dtype == f(x).dtype == np.float64


def test_positions_outside_a_table():
    @jd.compile
    def f(x, i):
        return [0.5, 1.5, 2.5][i] * x

    assert f(2.0, np.array([0, -1]).astype(int)[1]) == 5.0
    with pytest.raises(IndexError):
        f(2.0, 3)


def test_what_a_list_holds_beside_numbers_is_gone_through_by_python():
    names, shapes = ["a", "b"] * 6, [(2, 3), (3, 1)] * 6

    def f(x):
        s = 0.0
        for k in range(12):
            if names[k] == "a":
                s += x[k] * np.zeros(shapes[k]).size
        return s

    agrees_in_every_mode(f, X)
