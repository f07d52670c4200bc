"""What changes in place cost: steps are in proportion to the writes, however many views there are and were."""

import gc

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.eager.recorder import Recorder, started


def views_kept(x):
    y, views = x * 1.0, []
    for i in range(x.size):
        views.append(y[i:])
        y[i] = x[i] * 2.0
    return views[0]


def views_dropped(x):
    y = x * 1.0
    for i in range(x.size):
        y[i] = np.sum(y[: i + 1])
    return y


def writes_through_views(x):
    y = x * 1.0
    views = [y[i:] for i in range(x.size)]
    for v in views:
        v[0] = v[0] * 2.0
    return y


def writes_through_ever_shorter_views(x):
    y = v = x * 1.0
    for _ in range(x.size - 1):
        v = v[1:]
        v *= 2.0
    return y


def views_of_views_of_other_kinds(x):
    y = np.stack([x, x])
    rows, flat = y.T, y.reshape(-1)
    for i in range(x.size):
        rows[i] *= 2.0
        flat[i] = x[i]
    return y


def elements_in_a_loop(x):
    y = np.zeros_like(x)
    for i in range(x.size):
        y[i] += x[i]
    return y


def parts_added_to(x):
    y = x * 1.0
    for i in range(x.size - 1):
        y[i : i + 2] += x[i : i + 2]
    return y


def many_views_and_few_reads(x):
    y = x * 1.0
    views = [y[i:] for i in range(x.size)]
    for i in range(x.size):
        y[i] = 1.0
    return views[0]


def a_view_read_after_each_write(x):
    y = x * 1.0
    first, total = y[:2], 0.0
    for i in range(x.size):
        y[i] = x[i]
        total = total + np.sum(first)
    return total


PROGRAMS = [
    views_kept, views_dropped, writes_through_views, writes_through_ever_shorter_views, views_of_views_of_other_kinds,
    elements_in_a_loop, parts_added_to, many_views_and_few_reads, a_view_read_after_each_write,
]  # fmt: skip


def steps(f, x):
    """How many steps a recorder gets while `f` runs."""
    recorder, source = Recorder(keeps_leaves=False), jd.constant(x)
    recorder.watch(source)
    with started(recorder):
        f(source)
    return len(recorder.steps)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_steps_are_in_proportion_to_writes(f) -> None:
    counts = [steps(f, np.arange(1.0, n + 1.0)) for n in (20, 40, 80)]
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0])
    assert counts[2] < 12 * 80


def test_a_cholesky_factorisation_by_slices_takes_the_same_steps_for_each_element() -> None:
    def factor(a):
        low = np.zeros_like(a)
        for j in range(len(a)):
            low[j, j] = np.sqrt(a[j, j] - np.sum(low[j, :j] ** 2))
            for i in range(j + 1, len(a)):
                low[i, j] = (a[i, j] - np.sum(low[i, :j] * low[j, :j])) / low[j, j]
        return low

    def for_each_element(n):
        return steps(factor, n * np.eye(n) + 1.0) / (n * (n + 1) / 2)

    assert for_each_element(20) < 1.1 * for_each_element(10) < 10.0


def test_a_view_that_is_not_read_costs_nothing() -> None:
    def program(views):
        def f(x):
            y = x * 1.0
            kept = views(y)
            for k in range(10):
                y[0] = x[0] * k
            return kept

        return f

    x = np.arange(4.0)
    without = steps(program(lambda y: []), x)
    assert steps(program(lambda y: [y[1:], y[::-1], y.reshape(2, 2)]), x) == without + 3
    assert np.sum(jd.grad(lambda x: np.sum(program(lambda y: y[::-1])(x)))(x)) == 9.0 + 3.0


def test_dead_views_are_forgotten() -> None:
    y = jd.constant(np.arange(4.0)) * 1.0
    for _ in range(1000):
        y[1:]
    gc.collect()
    assert len(y._views) <= 32
    y[0] = 1.0
    assert y._views is None
