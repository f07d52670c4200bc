"""Random programs of pointwise, reduction, layout and indexing ops, reproducible from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitdiff.ir import type_of
from jitdiff.ops import control, index

Pool = list[Any]


def random_program(seed: int, steps: int = 12) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """A function of three arrays and the arrays."""
    rng = np.random.default_rng(seed)
    n, m = (int(k) for k in rng.choice([0, 1, 2, 3, 5], 2, p=[0.05, 0.15, 0.3, 0.3, 0.2]))
    args = [rng.uniform(0.5, 1.5, s) for s in ((n, m), (m,), (n, 1))]
    plan = rng.integers(0, 2**31, steps).tolist()

    def function(*xs: Any) -> Any:
        pool = [*xs, xs[1] * 0.5]
        for s in plan:
            pool += _step(np.random.default_rng(s), pool)
        picked = np.random.default_rng(seed).choice(len(pool), 3, replace=True)
        return tuple(pool[k] for k in picked)

    return function, args


def _step(rng: np.random.Generator, pool: Pool, depth: int = 0) -> Pool:
    x = pool[rng.integers(len(pool))]
    kind = rng.integers(12 if depth < 3 else 10)
    shape = type_of(x).shape
    if kind <= 2:
        return [_unary(rng, x)]
    if kind <= 4:
        return [_binary(rng, x, pool)]
    if kind == 5 and shape:
        axes = tuple(k for k in range(len(shape)) if rng.integers(2))
        f = (np.sum, np.mean, np.sum)[rng.integers(3 if 0 not in shape else 1)]
        return [f(x, axis=axes, keepdims=bool(rng.integers(2)))]
    if kind == 6 and shape:
        return [np.transpose(x)] if rng.integers(2) else [np.reshape(x, (-1,))] if 0 not in shape else []
    if kind == 7 and _longer(shape, 1):
        return [x[:: -1 if rng.integers(2) else 1][: shape[0] - 1]]
    if kind == 8 and _longer(shape, 0):
        k = int(rng.integers(shape[0]))
        update = (index.index_update, index.index_add)[rng.integers(2)]
        y = update(x, k, x[shape[0] - 1] * 0.5)
        return [y, update(y, 0, 1.25)] if rng.integers(2) else [y]
    if kind == 9 and len(shape) == 2:
        return [x @ np.transpose(x)]
    if kind == 10:
        total, seeds = np.sum(x), rng.integers(0, 2**31, 2).tolist()

        def branch() -> list[Any]:
            inner = [x, total]
            for seed in seeds:
                inner += _step(np.random.default_rng(seed), inner, depth + 1)
            return [[v for v in inner if type_of(v).shape == shape][-1], total]

        return list(control.cond(total > 1.0, branch, lambda: [x * 0.5, np.sum(x * x)]))
    if kind == 11:
        return _loop(rng, x, pool, depth)
    return []


def _longer(shape: tuple[Any, ...], least: int) -> bool:
    """Whether the first axis is surely longer than `least`; sizes may be symbolic."""
    return bool(shape) and isinstance(shape[0], int) and shape[0] > least


def _unary(rng: np.random.Generator, x: Any) -> Any:
    f = (np.sin, np.tanh, np.negative, lambda v: np.exp(-v * v), lambda v: np.where(v > 0.8, v * 2.0, np.cos(v)))
    return f[rng.integers(len(f))](x)


def _binary(rng: np.random.Generator, x: Any, pool: Pool) -> Any:
    def fits(y: Any) -> bool:
        a, b = type_of(x).shape, type_of(y).shape
        return all(p == q or 1 in (p, q) for p, q in zip(a[::-1], b[::-1], strict=False)) and len(a) + len(b) < 5

    others = [y for y in pool if fits(y)]
    y = others[rng.integers(len(others))]
    f = (np.add, np.subtract, np.multiply, lambda a, b: a / (1.5 + b * b), np.maximum)
    return f[rng.integers(len(f))](x, y)


def _loop(rng: np.random.Generator, x: Any, pool: Pool, depth: int) -> Pool:
    shape = type_of(x).shape
    kind, seeds = rng.integers(5), rng.integers(0, 2**31, 4).tolist()
    other = pool[rng.integers(len(pool))]

    def body(i: Any, y: Any, s: Any) -> list[Any]:
        if kind == 0:
            new = np.sin(y) + s
        elif kind == 1:
            new = np.tanh(y[::-1]) if shape else np.tanh(y)
        elif kind == 2 and _longer(shape, 0):
            new = index.index_add(y, np.minimum(i, shape[0] - 1), np.cos(s))
        else:
            inner = [y, other, s, y * 0.75]
            for seed in seeds:
                inner += _step(np.random.default_rng(seed), inner, depth + 1)
            alike = [v for v in inner if type_of(v).shape == shape]
            new = np.tanh(alike[-1])
        return [new, s * 0.5 + np.sum(other) * 0.01, y, s][: 4 if kind % 2 else 2]

    if kind == 3:
        carries, stacked, count = control.while_(
            lambda i, y, s: i < 3, lambda i, y, s: [i + 1, *body(i, y, s)], [0, x, 0.25]
        )
        return [*carries[1:], *stacked, *([] if count is None else [count * 1.0])]
    carries, stacked = control.fori(3, body, [x, 0.25])
    return [*carries, *stacked]
