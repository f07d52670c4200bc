"""Updates of elements: merged, turned into additions, kept in scalars while a loop runs."""

import numpy as np
import pytest

from jitdiff import passes
from jitdiff.ir import Apply, For, blocks_of, verify
from jitdiff.ops import control
from jitdiff.ops.index import index_add, index_update
from jitdiff.ops.replay import evaluate
from tests.tracing import gradient_of, trace

X = np.linspace(0.5, 1.5, 6)
A = np.linspace(0.1, 2.0, 36).reshape(6, 6)


def fori(trip, body, *init):
    return control.fori(trip, lambda i, *c: [body(i, *c)], list(init))[0][0]


def all_ops(block):
    names = []
    for node in block.nodes:
        names += [node.op.name] if isinstance(node, Apply) else [n for b in blocks_of(node) for n in all_ops(b)]
    return names


def loops(block):
    return [f for n in block.nodes if isinstance(n, For) for f in (n, *loops(n.body))]


def optimised(function, *args):
    """The program after the passes, which compute what it did before."""
    block = trace(function, *args)
    small = verify(passes.optimise(trace(function, *args)))
    for have, want in zip(evaluate(small, list(args)), evaluate(block, list(args)), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12)
    return small


K = np.int64(2)


def test_an_assignment_of_what_was_there_and_more_is_an_addition():
    names = all_ops(optimised(lambda x, k: [index_update(x, k, x[k] + x[0] * 2.0)], X, K))
    assert "index_add" in names
    assert "index_set" not in names
    assert "index_add" in all_ops(optimised(lambda x, k: [index_update(x, k, x[k] - x[0])], X, K))
    assert "index_set" in all_ops(optimised(lambda x, k: [index_update(x, k, x[0] - x[k])], X, K))
    assert "index_set" in all_ops(optimised(lambda x, k: [index_update(x, k, x[k - 1] + x[0])], X, K))


def test_repeated_positions_are_assigned_as_they_were():
    twice = np.array([1, 1])
    names = all_ops(optimised(lambda x, k: [index_update(x, k, x[k] + x[:2])], X, twice))
    assert "index_set" in names


def test_additions_in_one_place_are_one():
    def function(x):
        for k in (1, 3, 1, 1):
            x = index_add(x, k, x[0] * k)
        return [x]

    # Each addition reads what the one before gave.
    assert all_ops(optimised(function, X)).count("index_add") == 4

    def apart(x, y):
        for k in (1, 3, 1, 1):
            y = index_add(y, k, x[0] * k)
        return [y]

    assert all_ops(optimised(apart, X, X * 2.0)).count("index_add") == 2


def test_values_that_others_read_stay():
    def function(x, y):
        first = index_add(y, 1, x[0])
        return [index_add(first, 1, x[1]), first]

    assert all_ops(optimised(function, X, X)).count("index_add") == 2


def test_the_cotangent_of_an_addition_stays_as_it_is():
    def function(x):
        return [np.sum(fori(6, lambda i, y: index_update(y, i, y[i] - x[i] ** 2), x * 3.0) ** 2)]

    assert "index_set" not in all_ops(optimised(gradient_of(function), X))


def test_what_was_just_written_is_not_read_again():
    names = all_ops(optimised(lambda x, k: [index_update(x, k, np.sin(x[0]))[k] * x[2]], X, K))
    assert "index_set" not in names


def sums(x):
    return [fori(6, lambda i, y: fori(i, lambda j, y: index_add(y, i, x[j]), y), x * 2.0)]


def products(a):
    def row(i, a):
        return fori(i, lambda j, a: fori(j, lambda k, a: index_update(a, (i, j), a[i, j] - a[i, k] * a[j, k]), a), a)

    return [fori(6, row, a)]


def powers(x):
    return [fori(6, lambda i, y: fori(3, lambda j, y: index_update(y, i, y[i] * y[i] + 0.1), y), x)]


def never(x):
    return [fori(6, lambda i, y: fori(i - 9, lambda j, y: index_add(y, i, x[j]), y), x)]


@pytest.mark.parametrize(("function", "x"), [(sums, X), (products, A), (powers, X), (never, X)])
def test_one_element_is_carried_in_a_scalar(function, x):
    inner = loops(optimised(function, x))[-1]
    assert [out.shape for out in inner.outs] == [()]


def neighbour(x):
    return [fori(5, lambda i, y: fori(3, lambda j, y: index_update(y, i, y[i] * y[j]), y), x)]


def elsewhere(x, k):
    return [fori(3, lambda j, y: index_add(y, k, x[j]), x)]


def moving(x):
    return [fori(6, lambda j, y: index_add(y, j, x[j]), x)]


def whole(x):
    return [fori(3, lambda j, y: index_add(y, 1, np.sum(y)), x)]


@pytest.mark.parametrize(
    ("function", "args"), [(neighbour, (X,)), (elsewhere, (X, np.int64(2))), (moving, (X,)), (whole, (X,))]
)
def test_other_arrays_are_carried_whole(function, args):
    inner = loops(optimised(function, *args))[-1]
    assert [out.shape for out in inner.outs] == [(6,)]


def test_fixed_elements_are_read_before_the_loop():
    def function(a):
        return [fori(6, lambda i, a: fori(i, lambda j, a: index_add(a, (i, j), a[i, i] * 2.0), a), a)]

    inner = loops(optimised(function, A))[-1]
    assert "gather" not in all_ops(inner.body)


def test_an_element_that_changes_is_read_in_the_loop():
    def function(a):
        return [fori(6, lambda i, a: fori(6, lambda j, a: index_add(a, (i, j), a[i, 3] * 2.0), a), a)]

    inner = loops(optimised(function, A))[-1]
    assert "gather" in all_ops(inner.body)


def test_equal_rows_are_stacked_once():
    def function(x):
        _, (one, two) = control.fori(6, lambda i, s: [s + x[i], s * 2.0, s * 2.0], [0.0])
        return [one + two * 2.0]

    (loop,) = loops(optimised(function, X))
    assert len(loop.stacked) == 1
