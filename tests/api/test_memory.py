"""Memory that is predicted, against what the program allocates when its text runs."""

from typing import Any

import numpy as np
import pytest

import jitdiff as jd


def _allocated(compiled: Any, monkeypatch: Any, *args: Any) -> list[int]:
    """Return the bytes of the arrays that the text of a compiled function makes while it runs under Python."""
    kernel = compiled.kernel(*args)
    scope: dict[str, Any] = {}
    exec(compile(kernel.emitted.source, "<emitted>", "exec"), scope)
    outs = kernel.emitted.fresh(args)
    workspace = np.empty(kernel.emitted.workspace, np.uint8)
    made: list[int] = []
    empty = np.empty

    def counted(*given: Any, **more: Any) -> Any:
        made.append((array := empty(*given, **more)).nbytes)
        return array

    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", counted)
        scope[kernel.emitted.entry](workspace, *args, *outs)
    return made


X = np.linspace(0.5, 1.0, 30)


@jd.compile
def fixed(x):
    return np.sum(jd.fori_loop(0, 100, lambda i, c: np.sin(c) * 0.9, x))


@jd.compile
def given(x, n):
    return np.sum(jd.fori_loop(0, 2 * n, lambda i, c: np.sin(c) * 0.9, x))


@jd.compile
def until(x):
    return np.sum(jd.while_loop(lambda c: np.sum(c) < 1e4, lambda c: c * 1.1 + 0.05 * np.sin(c), x))


def test_a_history_of_known_length_is_part_of_the_workspace(monkeypatch):
    memory = fixed.grad.memory(X)
    assert memory.saved == 100 * 30 * 8
    assert memory.saved < memory.workspace < memory.saved + 5 * 30 * 8
    assert (memory.results, memory.grown, memory.per_trip) == (240, 0, {})
    assert memory.workspace == fixed.grad.kernel(X).emitted.workspace
    assert _allocated(fixed.grad, monkeypatch, X) == []
    assert fixed.memory(X).saved == 0


@pytest.mark.parametrize("n", [1, 20])
def test_arguments_may_give_the_trips(n, monkeypatch):
    memory = given.grad.memory(X, n)
    assert memory.grown == memory.saved == 2 * n * 30 * 8
    assert sum(_allocated(given.grad, monkeypatch, X, n)) == memory.grown
    assert memory.total == memory.workspace + memory.results + memory.grown


def test_the_trips_of_a_while_loop_are_not_known(monkeypatch):
    memory = until.grad.memory(X)
    ((line, each),) = memory.per_trip.items()
    assert (memory.grown, memory.saved, each) == (0, 0, 30 * 8)
    assert "test_memory.py" in line
    assert f"{each} for each trip of the loop at {line}" in str(memory)
    trips = 0
    x = X
    while np.sum(x) < 1e4:
        x, trips = x * 1.1 + 0.05 * np.sin(x), trips + 1
    last = max(_allocated(until.grad, monkeypatch, X))
    assert trips * each <= last < 2 * trips * each
