"""Dynamic programming with a soft minimum."""

import numpy as np

from tests.loops.programs.program import Program, draw


def _softmin(a, b, c, gamma):
    least = np.minimum(np.minimum(a, b), c)
    total = np.exp((least - a) / gamma) + np.exp((least - b) / gamma) + np.exp((least - c) / gamma)
    return least - gamma * np.log(total)


def soft_dtw(x, y, gamma):
    """Soft dynamic time warping between two series."""
    n, m = len(x), len(y)
    D = np.full((n + 1, m + 1), np.inf)
    D[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = (x[i - 1] - y[j - 1]) ** 2
            D[i, j] = cost + _softmin(D[i - 1, j], D[i, j - 1], D[i - 1, j - 1], gamma)
    return D[n, m]


def soft_dtw_args(n, m):
    return draw(n), draw(m, seed=1), 0.3


def soft_edit_distance(costs, a, b):
    """Levenshtein's distance with a soft minimum, by the costs of a gap and of substitutions, two rows at a time."""
    gap, gamma = costs[0], 0.2
    previous = gap * np.arange(len(b) + 1.0)
    for i in range(len(a)):
        current = np.zeros_like(previous)
        current[0] = gap * (i + 1)
        for j in range(len(b)):
            change = 0.0 if a[i] == b[j] else costs[1 + a[i]]
            current[j + 1] = _softmin(previous[j + 1] + gap, current[j] + gap, previous[j] + change, gamma)
        previous, current = current, previous
    return previous[-1]


def soft_edit_distance_args(n, m):
    rng = np.random.default_rng(5)
    return np.array([1.0, 0.8, 1.1, 1.3]), rng.integers(0, 3, n), rng.integers(0, 3, m)


PROGRAMS = [
    Program(soft_dtw, soft_dtw_args, (9, 10), (12, 11), (60, 60), (0, 1)),
    Program(soft_edit_distance, soft_edit_distance_args, (9, 10), (12, 11), (60, 60)),
]
