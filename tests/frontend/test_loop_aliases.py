"""Variables that are one array before a loop, bound anew or changed in place in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.ir import For, While
from tests.frontend.agree import differences

TRIPS = 12


def series(x):
    s = term = x
    for k in range(1, TRIPS):
        term = term * x / k
        s = s + term
    return np.sum(s)


def series_until(x):
    s = term = x
    while np.sum(term * term) > 1e-3:
        term = term * 0.5
        s = s + term
    return np.sum(s)


def largest(x):
    z = x * 1.0
    s = term = z
    for _ in range(TRIPS):
        term = term * 0.7
        s = np.maximum(s, term)
        s[0] += 1.0
    return np.sum(s * x) + np.sum(z)


def swapped(x):
    a = b = x * 1.0
    for _ in range(TRIPS):
        a, b = b, a
        a = a + x
    b[0] += 5.0
    return np.sum(a * b) + np.sum(x)


def turned(x):
    a = b = c = x * 1.0
    for _ in range(TRIPS):
        a, b, c = b, c, a * x
    return np.sum(a + 2.0 * b + 3.0 * c)


def pair(x):
    both = [x, x]
    for _ in range(TRIPS):
        both = [both[0] * x, both[1] + both[0]]
    return np.sum(both[0] * both[1])


def one_stays(x):
    s = t = x * 1.0
    for _ in range(TRIPS):
        s = s * 0.5 + t
    t[0] = 3.0
    return np.sum(s * t)


def viewed_afterwards(x):
    a = b = x * 1.0
    v = a[1:]
    for _ in range(TRIPS):
        a = a * 0.5
        b = b + a
    v[0] = 9.0
    return np.sum(a * b) + np.sum(v)


ROLLED = [series, series_until, largest, swapped, turned, pair, one_stays, viewed_afterwards]


def changed_under_another_name(x):
    y = x * 1.0
    s = y
    for _ in range(TRIPS):
        y[0] += 1.0
        s = s + y
    return np.sum(s)


def changed_under_either_name(x):
    s = term = x * 1.0
    for k in range(TRIPS):
        term[k % 4] *= 2.0
        if k > 0:
            s = s + term
    return np.sum(s)


def changed_and_handed_on(x):
    y = x * 1.0
    s = y
    t = x * 0.0
    for _ in range(TRIPS):
        y[0] += 1.0
        t = s
        s = y * 2.0
    return np.sum(s * t)


def changed_and_kept_in_a_list(x):
    y = x * 1.0
    s = y
    found = []
    for _ in range(TRIPS):
        y[0] += 1.0
        found.append(s)
        s = y * 2.0
    return np.sum(np.stack(found) * x)


def changed_through_a_view(x):
    a = b = x * 1.0
    v = a[1:]
    for _ in range(TRIPS):
        a = a * 0.5
        v[0] += 1.0
        b = b + a
    return np.sum(a * b) + np.sum(v)


CHANGED = [
    changed_under_another_name,
    changed_under_either_name,
    changed_and_handed_on,
    changed_and_kept_in_a_list,
    changed_through_a_view,
]

X = np.array([0.5, 1.2, 0.7, 0.3])


@pytest.mark.parametrize("function", ROLLED + CHANGED)
def test_values_and_gradients_are_those_of_python(function: Callable[[Any], Any]) -> None:
    value, gradient = jd.value_and_grad(jd.compile(function))(X)
    np.testing.assert_allclose(value, function(X.copy()), rtol=1e-12)
    np.testing.assert_allclose(gradient, jd.grad(function)(X), rtol=1e-12)
    np.testing.assert_allclose(gradient, differences(function, X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("function", ROLLED)
def test_arrays_that_only_begin_as_one_are_carried_apart(function: Callable[[Any], Any]) -> None:
    nodes = jd.compile(function).specialisation(X).traced.block.nodes
    assert sum(isinstance(node, For | While) for node in nodes) == 1


@pytest.mark.parametrize("trips", [60, 120])
def test_text_is_that_of_copies(trips: int) -> None:
    def apart(x):
        s, term = x.copy(), x.copy()
        for k in range(1, trips):
            term = term * x / k
            s = s + term
        return np.sum(s)

    def shared(x):
        s = term = x
        for k in range(1, trips):
            term = term * x / k
            s = s + term
        return np.sum(s)

    lines = [jd.compile(f).value_and_grad.specialisation(X).emitted.source.count("\n") for f in (apart, shared)]
    assert lines[1] <= lines[0] < 80
