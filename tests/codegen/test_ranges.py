"""Indices that prove to lie in range are read as they are; all others are checked."""

import numpy as np
import pytest

from jitdiff.codegen import emit
from jitdiff.ir import Dim
from jitdiff.ops import control
from tests.codegen.programs import check, run, trace

X = np.linspace(0.5, 1.5, 8)
A = np.arange(64.0).reshape(8, 8)
N = Dim.symbol("n")


def total(trip, term, init=0.0):
    return control.fori(trip, lambda i, s: [s + term(i)], [init])[0][0]


PROVED = {
    "index": lambda x: total(8, lambda i: x[i]),
    "shifted": lambda x: total(6, lambda i: x[i + 1 - 1] * x[i + 2]),
    "backwards": lambda x: total(8, lambda i: x[7 - i]),
    "from the end": lambda x: total(8, lambda i: x[-1 - i]),
    "every other": lambda x: total(4, lambda i: x[2 * i + 1]),
    "triangle": lambda x: total(8, lambda i: total(i, lambda j: x[j] * x[i - 1 - j])),
    "upper triangle": lambda x: total(8, lambda i: total(8 - i, lambda j: x[j + i])),
    "triangle in a triangle": lambda x: total(
        8, lambda i: total(i, lambda j: total(i - j, lambda k: x[j + k] * x[i - j - 1 - k]))
    ),
    "band": lambda x: total(8, lambda i: total(np.minimum(i + 3, 8), lambda j: x[j])),
    "wrapped": lambda x: total(20, lambda i: x[i % 8]),
    "halved": lambda x: total(16, lambda i: x[i // 2]),
}


@pytest.mark.parametrize("name", PROVED)
def test_proved(name: str) -> None:
    assert "check_index" not in check(PROVED[name], X).source


OPEN = {
    "one too far": lambda x, k: total(8, lambda i: x[i + 1]),
    "before the start": lambda x, k: total(8, lambda i: x[i - 1]),
    "across the start": lambda x, k: total(8, lambda i: x[2 - i]),
    "argument": lambda x, k: x[k],
    "trips": lambda x, k: total(k, lambda i: x[i]),
    "triangle": lambda x, k: total(9, lambda i: total(i, lambda j: x[j + 1])),
    "huge": lambda x, k: total(8, lambda i: x[np.minimum(i + 2**62 + 2**62, 5)]),
    "carried": lambda x, k: control.fori(3, lambda i, k, s: [k + 1, s + x[k]], [k, 0.0])[0][1],
}


@pytest.mark.parametrize("name", OPEN)
def test_not_proved(name: str) -> None:
    assert "check_index" in emit(trace(OPEN[name], (X, 2)), "f").source


def test_symbolic_sizes() -> None:
    def function(x, a):
        n = x.shape[0]
        inner = total(n - 2, lambda i: x[i + 2] * x[i] + x[n - 1 - i])
        return inner + total(n, lambda i: total(i, lambda j: a[i, j] * a[i - 1 - j, n - 1]))

    emitted = emit(trace(function, (X, A), "x a", [(N,), (N, N)]), "f")
    assert "check_index" not in emitted.source
    np.testing.assert_allclose(run(emitted, (X, A))[0], sum(x for x in run(emit(trace(function, (X, A)), "f"), (X, A))))


def test_counters_of_while_loops() -> None:
    def function(x):
        def body(k, s):
            return [k + 1, s + x[k] * x[k - 1]]

        return control.while_(lambda k, s: k < 8, body, [1, 0.0])[0][1]

    assert "check_index" not in check(function, X).source


def test_counters_that_may_leave_are_checked() -> None:
    def function(x, step):
        return control.while_(lambda k, s: k < 8, lambda k, s: [k + step, s + x[k]], [0, 0.0])[0][1]

    emitted = emit(trace(function, (X, 1)), "f")
    assert "check_index" in emitted.source
    with pytest.raises(IndexError):
        run(emitted, (X, -5))


def test_histories_of_triangular_loops() -> None:
    def function(x):
        def outer(i, s):
            _, (rows,) = control.fori(i, lambda j, y: [y * x[j], y], [1.0])
            return [s + total(i, lambda k: rows[i - 1 - k])]

        return control.fori(8, outer, [0.0])[0][0]

    assert "check_index" not in check(function, X).source
