"""Rosenbrock's function: a few numbers, many small operations."""

import numpy as np

from tests.benchmarks.case import Case


def in_namespace(np):
    def loss(x):
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return loss


def by_hand(x):
    bend = x[1:] - x[:-1] ** 2
    rest = 1.0 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[1:] = 200.0 * bend
    gradient[:-1] -= 400.0 * x[:-1] * bend + 2.0 * rest
    return np.sum(100.0 * bend**2 + rest**2), gradient


def cases(rng):
    yield Case("Rosenbrock n=10", (rng.normal(size=10),), in_namespace, by_hand)
