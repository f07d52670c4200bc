"""The work of tracing, differentiating and emitting a program grows in proportion to its length."""

import cProfile
import pstats
from itertools import count, islice

import numpy as np
import pytest

import jitdiff as jd


def straight(x, n):
    a, b = x[0], x[1]
    for _ in islice(count(), n):
        a, b = a + 0.01 * b * a, b - 0.01 * a * np.sin(b)
    return a + b


def products(x, n):
    a = x[:, None] * x
    for _ in islice(count(), n):
        a = np.tanh(a @ a)
    return np.sum(a)


def loops(x, n):
    for _ in islice(count(), n):
        for i in range(len(x)):
            x[i] = np.sin(x[i]) * 0.9
    return np.sum(x)


def recurrences(x, n):
    total = 0.0
    for _ in islice(count(), n):
        y = x * 1.0
        for i in range(1, len(x)):
            y[i] = y[i - 1] * x[i]
        total = total + np.sum(y)
        x = x + 0.1
    return total


def stacked(x, n):
    rows = [x * float(k) for k in list(islice(count(), n))]
    return np.sum(np.stack(rows) ** 2)


def tree(d, n):
    return sum(np.sum(d[name] ** 2 * d["w0"]) for name in d)


def calls_made(function):
    """Return how many calls of functions a function makes, those of builtins too."""
    profile = cProfile.Profile()
    profile.runcall(function)
    return pstats.Stats(profile).total_calls  # type: ignore[attr-defined]


def work(f, argument, n):
    compiled = jd.compile(lambda x: f(x, n)).value_and_grad
    return calls_made(lambda: compiled.specialisation(argument).emitted)


@pytest.mark.parametrize(
    ("f", "n"), [(straight, 30), (products, 20), (loops, 40), (recurrences, 12), (stacked, 60), (tree, 30)]
)
def test_each_part_of_a_program_is_as_much_work_as_the_one_before(f, n) -> None:
    def argument(n):
        return {f"w{k}": np.linspace(0.5, 1, 70) for k in range(n)} if f is tree else np.linspace(0.5, 1, 70)

    work(f, argument(n), n)
    one, two, three = (work(f, argument(m), m) for m in (n, 2 * n, 3 * n))
    assert three - two < 1.25 * (two - one)


def test_long_chains_of_loops_do_not_exhaust_the_stack() -> None:
    compiled = jd.compile(lambda x: loops(x, 350))
    assert "for i in range(70):" in compiled.specialisation(np.linspace(0.5, 1, 70)).emitted.source
