"""What a loop saves of an array is read from the array after the loop, but only where it is the same."""

import numpy as np
import pytest

from jitdiff import passes
from jitdiff.ir import For, blocks_of, verify
from jitdiff.ops import control
from jitdiff.ops.index import index_add, index_update
from jitdiff.ops.replay import evaluate
from tests.tracing import gradient_of, trace

X = np.linspace(0.5, 1.5, 6)
A = np.linspace(0.1, 1.0, 36).reshape(6, 6) + 3.0 * np.eye(6)


def fori(trip, body, *init):
    return control.fori(trip, lambda i, *c: [body(i, *c)], list(init))[0][0]


def stacks(block):
    """The shapes of all that loops save."""
    found = []
    for node in block.nodes:
        if isinstance(node, For):
            found += [s.shape for s in node.stacked]
        found += [shape for b in blocks_of(node) for shape in stacks(b)]
    return found


def gradient(function, x):
    """The program of the gradient after the passes, which gives what it gave before."""
    block = trace(gradient_of(function), x)
    small = verify(passes.optimise(trace(gradient_of(function), x)))
    for have, want in zip(evaluate(small, [x]), evaluate(block, [x]), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-10)
    return small


def cholesky(a):
    def row(i, a):
        def column(j, a):
            a = fori(j, lambda k, a: index_update(a, (i, j), a[i, j] - a[i, k] * a[j, k]), a)
            return index_update(a, (i, j), a[i, j] / a[j, j])

        a = fori(i, column, a)
        return fori(i, lambda k, a: index_update(a, (i, i), a[i, i] - a[i, k] * a[i, k]), a)

    return [np.sum(fori(6, row, a) ** 2)]


def lu(a):
    def row(i, a):
        def lower(j, a):
            a = fori(j, lambda k, a: index_add(a, (i, j), -a[i, k] * a[k, j]), a)
            return index_update(a, (i, j), a[i, j] / a[j, j])

        def upper(j, a):
            return fori(i, lambda k, a: index_add(a, (i, j + i), -a[i, k] * a[k, j + i]), a)

        return fori(6 - i, upper, fori(i, lower, a))

    return [np.sum(fori(6, row, a) ** 2)]


def recurrence(x):
    return [np.sum(fori(5, lambda i, y: index_update(y, i + 1, y[i] * y[i] * x[i]), x) ** 2)]


def branching(x):
    def step(i, y):
        return control.cond(
            x[i] > 0.9, lambda: [index_update(y, i + 1, y[i] * y[i])], lambda: [index_update(y, i + 1, y[i])]
        )[0]

    return [np.sum(fori(5, step, x) ** 2)]


@pytest.mark.parametrize(("function", "x"), [(cholesky, A), (lu, A)])
def test_factorisations_save_nothing(function, x):
    assert not stacks(gradient(function, x))


def test_a_recurrence_saves_nothing():
    assert not stacks(gradient(recurrence, X))


def test_what_branches_write_is_counted():
    gradient(branching, X)


def backwards(x):
    return [np.sum(fori(5, lambda i, y: index_update(y, 4 - i, y[5 - i] * y[5 - i] * x[i]), x) ** 2)]


def overwritten_later(x):
    return [np.sum(fori(5, lambda i, y: index_update(y, i, y[i + 1] * y[i + 1]), x) ** 2)]


def overwritten_at_once(x):
    return [np.sum(fori(6, lambda i, y: index_update(y, i, y[i] * y[i]), x) ** 2)]


def overwritten_by_a_second_loop(x):
    def step(i, y):
        y = index_update(y, i + 1, y[i] * y[i])
        return fori(3, lambda j, y: index_add(y, j, x[j]), y)

    return [np.sum(fori(5, step, x) ** 2)]


def overwritten_next_time(x):
    def sweep(t, y):
        return fori(5, lambda i, y: index_update(y, i + 1, y[i] * y[i]), y)

    return [np.sum(fori(2, sweep, x) ** 2)]


def overwritten_at_an_unknown_place(x):
    def step(i, y):
        k = np.argmax(x[:3] * y[i])
        return index_update(index_update(y, i + 1, y[i] * y[i]), k, x[i])

    return [np.sum(fori(5, step, x) ** 2)]


def discarded(x):
    def step(i, y):
        other = index_update(y, i, x[i] * 3.0)
        return index_update(y, i + 1, other[i] * other[i] + y[i])

    return [np.sum(fori(5, step, x) ** 2)]


def counted_from_the_end(x):
    return [np.sum(fori(5, lambda i, y: index_update(y, i - 5, y[i - 6] * y[i - 6]), x) ** 2)]


@pytest.mark.parametrize(
    "function",
    [
        overwritten_later,
        overwritten_at_once,
        overwritten_by_a_second_loop,
        overwritten_next_time,
        overwritten_at_an_unknown_place,
        discarded,
    ],
)
def test_what_is_overwritten_is_saved(function):
    assert stacks(gradient(function, X))


@pytest.mark.parametrize("function", [backwards, counted_from_the_end])
def test_other_orders(function):
    gradient(function, X)


@pytest.mark.parametrize("seed", range(40))
def test_random_nests(seed):
    rng = np.random.default_rng(seed)
    shift, places = rng.integers(0, 3, 6), rng.integers(0, 4, 3)
    triangular, again = rng.random(2) < 0.5

    def function(x):
        def place(kind, i, j):
            return (i + shift[0], j + shift[1], i + j + shift[2] - 1, 7 - i)[kind]

        def inner(i, j, y):
            value = 0.5 + 0.1 * y[place(places[0], i, j)] * y[place(places[1], i, j)]
            return index_update(y, place(places[2], i, j), value)

        def outer(i, y):
            y = fori(i if triangular else 3, lambda j, y: inner(i, j, y), y)
            return index_update(y, i + shift[3], y[i + shift[4]] ** 2) if again else y

        return [np.sum(fori(4, outer, np.concatenate([x, x * 2.0])) ** 2)]

    gradient(function, X)


def sums(f, g, trips=lambda k: (5, 5), between=lambda y: y):
    """Two inner loops that read elements of one array, which then changes: nonlinear, so they save what they read."""

    def function(x):
        def step(k, y):
            a, b = trips(k)
            total = fori(a, lambda i, s: s + np.sin(y[f(k, i)] * x[0]), 0.1 * x[0])
            y = between(y)
            other = fori(b, lambda i, s: s * 0.9 + np.cos(y[g(k, i)] * x[1]), 0.1 * x[1])
            return fori(6, lambda i, y: index_update(y, i, y[i] * total + other), y)

        return [np.sum(fori(4, step, x) ** 2)]

    return function


ONCE = {
    "the same": sums(lambda k, i: i, lambda k, i: i),
    "backwards": sums(lambda k, i: i, lambda k, i: 4 - i),
    "backwards first": sums(lambda k, i: 4 - i, lambda k, i: i),
    "part of it": sums(lambda k, i: i, lambda k, i: i + 2, lambda k: (6, 3)),
    "triangles": sums(lambda k, i: i, lambda k, i: k - i, lambda k: (k + 1, k + 1)),
    "more of it": sums(lambda k, i: i, lambda k, i: i, lambda k: (4, 5)),
    "one element of the loop around": sums(lambda k, i: i, lambda k, i: k, lambda k: (6, 3)),
}

TWICE = {
    "elements beside": sums(lambda k, i: i, lambda k, i: i + 1),
    "more than a triangle": sums(lambda k, i: i, lambda k, i: k + 1 - i, lambda k: (k + 1, k + 2)),
    "neither from the first on": sums(lambda k, i: i + 1, lambda k, i: i + 1),
}


def rows(function):
    """How many rows each iteration saves, but for the state."""
    return sum(len(shape) == 2 for shape in stacks(gradient(function, X))) - 1


@pytest.mark.parametrize("function", ONCE.values(), ids=ONCE)
def test_what_two_loops_read_is_saved_once(function):
    assert rows(function) == 3


@pytest.mark.parametrize("function", TWICE.values(), ids=TWICE)
def test_what_differs_is_saved_twice(function):
    assert rows(function) == 4


def test_what_changes_in_between_is_saved_before():
    gradient(sums(lambda k, i: i, lambda k, i: i, between=lambda y: index_update(y, 2, y[2] * y[1])), X)
