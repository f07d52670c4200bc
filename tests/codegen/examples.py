"""Functions whose emitted text is run in several ways, with arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitdiff.ops import control
from jitdiff.ops.index import index_add, index_update

rng = np.random.default_rng(7)
A, B = rng.uniform(0.5, 1.5, (4, 3)), rng.uniform(0.5, 1.5, (3, 5))
V, X = rng.uniform(0.5, 1.5, 3), rng.uniform(-1.0, 1.0, 7)
S = np.float64(0.75)

Case = tuple[Callable[..., Any], tuple[Any, ...]]


def softmax(a: Any) -> Any:
    e = np.exp(a - np.max(a, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def logistic(w: Any, a: Any) -> Any:
    z = a @ w
    p = np.exp(-z)
    return np.mean(np.log1p(p)), a.T @ (p / (1.0 + p))


def branch(x: Any) -> Any:
    total = np.sum(x)
    return tuple(control.cond(total > 0, lambda: [x * 2.0, total], lambda: [x - 1.0, -total]))


def scan(x: Any) -> Any:
    def body(i: Any, c: Any, s: Any) -> list[Any]:
        new = np.sin(c) * x
        return [new, s + np.sum(new), new, s]

    carries, stacked = control.fori(5, body, [x * 1.0, 0.0])
    return (*carries, *stacked)


def unused_and_swapped(x: Any) -> Any:
    carries, _ = control.fori(3, lambda i, a, b, c: [b, a, c], [x, np.cos(x), x + 1.0])
    return tuple(carries)


def seidel(x: Any) -> Any:
    def row(i: Any, y: Any) -> list[Any]:
        return [index_update(y, i + 1, (y[i] + y[i + 1] + y[i + 2]) / 3.0)]

    def sweep(t: Any, y: Any) -> list[Any]:
        return [control.fori(5, row, [y])[0][0]]

    return control.fori(4, sweep, [x])[0][0]


def recorded_sweeps(x: Any) -> Any:
    def body(i: Any, y: Any) -> list[Any]:
        return [index_add(y, i, np.sum(y) * 0.1), y]

    carries, stacked = control.fori(3, body, [x])
    return carries[0], stacked[0]


def neighbours(x: Any) -> Any:
    def body(i: Any, y: Any) -> list[Any]:
        return [index_update(y, slice(1, -1), y[:-2] + y[2:])]

    return control.fori(3, body, [x])[0][0]


def until(x: Any) -> Any:
    carries, stacked, count = control.while_(
        lambda a, k: np.sum(a) < 1e6, lambda a, k: [a * 2.0, k + 1, a, a[0]], [np.abs(x), 0]
    )
    return (*carries, *stacked, count, np.sum(stacked[0]), stacked[1] * 2.0)


def never(x: Any) -> Any:
    carries, stacked, _ = control.while_(lambda a: np.sum(a) < -100.0, lambda a: [a * 2.0, a], [x])
    return carries[0], stacked[0]


def branch_in_loop(x: Any) -> Any:
    def body(i: Any, y: Any, s: Any) -> list[Any]:
        new = control.cond(y[i] > 0, lambda: [index_update(y, i, np.sqrt(y[i]) * s)], lambda: [y])[0]
        return [new, s * 0.5]

    return tuple(control.fori(7, body, [x, 1.0])[0])


def dynamic_trip(x: Any, n: Any) -> Any:
    carries, stacked = control.fori(n, lambda i, s: [s + x[i], s * s], [0.0])
    return carries[0], stacked[0], np.sum(stacked[0])


def loop_of_products(a: Any) -> Any:
    square = a.T @ a
    carries, _ = control.fori(3, lambda i, m: [m @ square / np.sum(m)], [square])
    return carries[0]


def means_of_nothing(a: Any) -> Any:
    return control.fori(3, lambda i, s: [s + np.sum(np.sum(a[i], axis=0, keepdims=True) / 2.0), s], [1.0])[0][0]


def counts(a: Any) -> Any:
    def body(i: Any, n: Any) -> list[Any]:
        row = a[i] > 0.5
        return [n + np.sum(row), np.sum(row[:1]), np.sum(row)]

    carries, stacked = control.fori(3, body, [0])
    return carries[0], *stacked


def shared_tail(x: Any) -> Any:
    y = np.cumsum(x)
    z = index_update(y, 0, 5.0)
    return np.sum(z), index_add(z, slice(1, 4), z[:3])


CASES: dict[str, Case] = {
    "pointwise": (lambda a, v: np.sin(a) * v + 2.0, (A, V)),
    "scalar": (lambda s: (s * s + 1.0, np.exp(s)), (S,)),
    "constant": (lambda x: (1.5, x, x), (X,)),
    "full sum": (lambda a: np.sum(a * a), (A,)),
    "row sum": (lambda a: np.sum(a, axis=1), (A,)),
    "column sum": (lambda a: np.sum(np.exp(a), axis=0), (A,)),
    "middle sum": (lambda a: np.sum(np.reshape(a, (2, 2, 3)), axis=1), (A,)),
    "softmax": (softmax, (A,)),
    "logistic": (logistic, (V, A)),
    "matmul": (lambda a, b: a @ b, (A, B)),
    "transposed": (lambda a: (a.T, a.T @ a, a.T * 2.0), (A,)),
    "reshape": (lambda a: (np.reshape(a, (2, 6)), np.ravel(a) * 2.0, np.reshape(a.T, (2, 6)) + 1.0), (A,)),
    "reshaped operand": (lambda a, b: np.reshape(a, (3, 4)).T @ b, (A, B)),
    "slices": (lambda x: x[1:] - x[:-1] + x[::-1][1:], (X,)),
    "costly slices": (lambda x: np.exp(x)[1:] - np.exp(x)[:-1], (X,)),
    "outer": (lambda v, x: np.outer(np.exp(v), np.cos(x)), (V, X)),
    "where": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), (X,)),
    "tril": (lambda a: np.tril(a @ a.T, -1), (A,)),
    "scatter": (lambda x: index_add(x, np.array([0, 2, 2]), 1.0), (X,)),
    "updates": (lambda x: index_update(index_update(np.zeros(5), 0, x[1]), 2, x[2] * x[0]), (X,)),
    "gather": (lambda x: x[np.array([[1, -1], [0, 2]])], (X,)),
    "join": (lambda a, b: np.concatenate([np.ravel(a), np.ravel(b) * 2.0]), (A, B)),
    "solve": (lambda x: np.linalg.solve(np.outer(x, x) + np.eye(7), x), (X,)),
    "cumsum": (lambda x: np.cumsum(x) * 2.0, (X,)),
    "shared tail": (shared_tail, (X,)),
    "maximum": (lambda a: (np.max(a, axis=0), np.min(a), np.argmax(a, axis=1)), (A,)),
    "integers": (lambda a: np.sum(a * np.arange(12).reshape(4, 3)), (np.arange(12).reshape(4, 3),)),
    "booleans": (lambda x: (x > 0, np.sum(x > 0), (x > 0) & (x < 0.5)), (X,)),
    "empty": (lambda a: (np.sum(a), a * 2.0, np.sum(a, axis=0)), (np.zeros((0, 3)),)),
    "empty in a loop": (means_of_nothing, (np.zeros((3, 2, 0)),)),
    "counts in a loop": (counts, (np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [3.0, 4.0, 5.0]]),)),
    "small integers summed": (lambda k: (np.sum(k), np.sum(k[:1]), np.sum(k, axis=0)), (np.array([100, 50], np.int8),)),
    "one": (lambda a: (np.sum(a), a * 2.0, a[0] + a), (np.array([[3.0]]),)),
    "branch": (branch, (X,)),
    "scan": (scan, (X,)),
    "swapped": (unused_and_swapped, (X,)),
    "seidel": (seidel, (X,)),
    "recorded": (recorded_sweeps, (X,)),
    "neighbours": (neighbours, (X,)),
    "until": (until, (X,)),
    "never": (never, (X,)),
    "branch in loop": (branch_in_loop, (X,)),
    "dynamic trip": (dynamic_trip, (X, 4)),
    "no trips": (dynamic_trip, (X, 0)),
    "products": (loop_of_products, (A,)),
    "outer product": (lambda a, b: np.tanh(a[:, :1] @ b[:1]) @ b.T, (A, B)),
    "short rows": (lambda a: (np.exp(a) * 2.0, np.sum(a * a), a - a[0, 0]), (A,)),
    "packed": (lambda a, b: np.concatenate([np.ravel(a), np.ravel(b.T)])[::2], (A, B)),
    "placed": (lambda v: index_add(index_add(np.zeros(7), 1, v[0]), slice(2, 5), v), (V,)),
}

# Arrays too long to be kept in scalars.
LONG = rng.uniform(-1.0, 1.0, 40)
for _name in ("branch", "scan", "swapped", "seidel", "recorded", "neighbours", "until", "never", "branch in loop"):
    CASES[f"long {_name}"] = (CASES[_name][0], (LONG,))
CASES["long dynamic trip"] = (dynamic_trip, (LONG, 33))
