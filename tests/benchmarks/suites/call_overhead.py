"""Three arguments and next to no work: what is left is the call."""

import numpy as np

from tests.benchmarks.case import Case


def in_namespace(np):
    def loss(x, y, z):
        return np.sum(x * y * z)

    return loss


def by_hand(x, y, z):
    yz = y * z
    return np.sum(x * yz), yz


def cases(rng):
    yield Case("call overhead, 3 arrays of 2", tuple(rng.normal(size=(3, 2))), in_namespace, by_hand)
