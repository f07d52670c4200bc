"""Logistic loss by its weights."""

import numpy as np

from tests.benchmarks.case import Case


def in_namespace(np):
    def loss(w, X, y):
        return np.mean(np.log1p(np.exp(-y * (X @ w))))

    return loss


def by_hand(w, X, y):
    e = np.exp(-y * (X @ w))
    return np.mean(np.log1p(e)), X.T @ (-y * e / (1 + e)) / len(y)


def cases(rng):
    for rows, columns in [(100, 10), (1_000, 20), (10_000, 30)]:
        X = rng.normal(size=(rows, columns))
        y = rng.choice([-1.0, 1.0], rows)
        yield Case(f"logistic {rows:,}x{columns}", (0.1 * rng.normal(size=columns), X, y), in_namespace, by_hand)
