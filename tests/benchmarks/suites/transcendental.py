"""A sum of transcendental functions, element by element."""

import numpy as np

from tests.benchmarks.case import Case


def in_namespace(np):
    def loss(x):
        return np.sum(np.exp(x) * np.tanh(x) + np.log(x))

    return loss


def by_hand(x):
    e, t = np.exp(x), np.tanh(x)
    return np.sum(e * t + np.log(x)), e * (t + 1.0 - t * t) + 1.0 / x


def cases(rng):
    for size in (10_000, 1_000_000):
        yield Case(f"sum(exp*tanh+log) {size:,}", (rng.uniform(0.5, 2.0, size),), in_namespace, by_hand)
