"""What loops and branches change stays where it is: no copies of arrays, at any depth."""

import re

import numpy as np
import pytest

from jitdiff.codegen import emit
from jitdiff.ops import control
from jitdiff.ops.index import index_add, index_update
from tests.codegen.programs import check, trace

X = np.linspace(0.5, 1.5, 20)
A = np.linspace(0.1, 1.0, 400).reshape(20, 20)


def fori(trip, body, *init):
    carries = control.fori(trip, lambda i, *c: [*_tuple(body(i, *c))], list(init))[0]
    return carries[0] if len(carries) == 1 else tuple(carries)


def _tuple(x):
    return x if isinstance(x, tuple) else (x,)


def cond(pred, then, orelse):
    return control.cond(pred, lambda: [then()], lambda: [orelse()])[0]


def stencil(a):
    def point(i, j, a):
        return index_update(a, (i + 1, j + 1), (a[i, j + 1] + a[i + 1, j] + a[i + 1, j + 1] * a[i + 2, j + 1]) / 3.0)

    return fori(3, lambda t, a: fori(18, lambda i, a: fori(18, lambda j, a: point(i, j, a), a), a), a)


def factor(a):
    def row(i, a):
        def column(j, a):
            a = fori(j, lambda k, a: index_add(a, (i, j), -a[i, k] * a[j, k]), a)
            return index_update(a, (i, j), a[i, j] / (1.0 + a[j, j]))

        return fori(i, column, a)

    return fori(20, row, a)


def branch(x):
    def step(i, y):
        return cond(x[i] > 1.0, lambda: index_update(y, i, y[i] * 2.0), lambda: y)

    return fori(20, step, x * 3.0)


def both_branches(x):
    def step(i, y):
        return cond(x[i] > 1.0, lambda: index_update(y, i, y[19 - i]), lambda: index_add(y, i, 1.0))

    return fori(20, step, x * 3.0)


def branch_in_a_branch(x):
    def inner(i, y):
        return cond(x[i] < 1.2, lambda: index_update(y, i, 0.0), lambda: y)

    def step(i, y):
        return cond(x[i] > 1.0, lambda: inner(i, y), lambda: fori(3, lambda k, y: index_add(y, k, 1.0), y))

    return fori(20, step, x * 3.0)


def branch_beside_a_reader(x):
    def step(i, y, s):
        old = y[i]
        z = cond(x[i] > 1.0, lambda: index_update(y, i, y[19 - i]), lambda: y)
        return z, s + old * z[i]

    return fori(20, step, x * 3.0, 0.0)


def rows(a):
    return fori(19, lambda i, a: index_update(a, i + 1, np.tanh(a[i] + a[i + 1])), a)


def row_read_late(a):
    def step(i, a, s):
        row = a[i]
        b = index_update(a, i, row * 2.0)
        return b, s + np.sum(b[0] * row)

    return fori(20, step, a, 0.0)


def short_rows(x):
    p = np.reshape(x[:18], (6, 3))

    def pair(i, j, f):
        d = p[i] - p[j]
        return index_add(f, i, d / (0.1 + np.sum(d * d)))

    return fori(6, lambda i, f: fori(i, lambda j, f: pair(i, j, f), f), np.tile(p, (4, 1)) * 0.0)


def until(x):
    carries, _, _ = control.while_(
        lambda k, y: k < 20, lambda k, y: [k + 1, index_update(y, k, y[k - 1] * 0.5 + x[k])], [1, x * 2.0]
    )
    return carries[1]


PROGRAMS = {
    "stencil": (stencil, A),
    "factor": (factor, A),
    "branch": (branch, X),
    "both branches": (both_branches, X),
    "branch in a branch": (branch_in_a_branch, X),
    "branch beside a reader": (branch_beside_a_reader, X),
    "rows": (rows, A),
    "row read late": (row_read_late, A),
    "short rows": (short_rows, X),
    "until": (until, X),
}


COPY = re.compile(r" *\w+\[(\w+(?:, \w+)*)\] = \w+\[\1\](?: +#.*)?")


def loops_of(source: str) -> list[str]:
    """The lines from the first loop of the program on."""
    lines = source.splitlines()
    return lines[next(k for k, line in enumerate(lines) if "for step" in line or "while" in line) :]


@pytest.mark.parametrize("name", PROGRAMS)
def test_arrays_are_not_copied(name: str) -> None:
    function, x = PROGRAMS[name]
    source = check(function, x).source
    copies = [line for line in loops_of(source) if COPY.fullmatch(line)]
    assert not copies, source
    assert "_next" not in source
    assert "np.empty" not in source


def test_what_a_loop_still_reads_is_copied_first() -> None:
    def function(x):
        return fori(3, lambda i, y: index_update(y, i, y[19 - i] * x[i]), x)

    check(function, X)
    square = A.T @ A
    check(lambda a: fori(3, lambda i, m: m @ a / np.sum(m), a), square)


def test_a_branch_leaves_what_is_read_later() -> None:
    def function(x):
        y = x * 2.0
        z = cond(x[0] > 0.0, lambda: index_update(y, 3, 7.0), lambda: y)
        w = cond(x[0] > 9.0, lambda: index_update(y, 4, 7.0), lambda: y)
        return y, z, w

    check(function, X)


def test_branches_that_swap() -> None:
    def function(x):
        def step(i, a, b):
            return tuple(control.cond(x[i] > 1.0, lambda: [index_update(b, i, 0.0), a], lambda: [a, b]))

        return tuple(fori(20, step, x * 2.0, x * 3.0))

    check(function, X)


def test_a_single_statement_reads_before_it_stores() -> None:
    source = emit(trace(stencil, (A,), "a"), "f").source
    (loop,) = (line for line in source.splitlines() if "for step2" in line)
    named = re.findall(r"(\w+) = out\[", source.split(loop)[1])
    # The element that goes on to the next iteration.
    assert named == ["out_ahead"]
