"""Equations solved to a tolerance: loops that end when they are done."""

import numpy as np

from tests.loops.programs.program import Program, draw


def kepler(orbit, times, observed):
    """Fit of an orbit: at each time Kepler's equation is solved by Newton's method."""
    eccentricity, frequency, phase = orbit
    loss = 0.0
    for t, x in zip(times, observed, strict=True):
        mean_anomaly = frequency * t + phase
        E = mean_anomaly
        while True:
            step = (E - eccentricity * np.sin(E) - mean_anomaly) / (1.0 - eccentricity * np.cos(E))
            E -= step
            if abs(step) < 1e-10:
                break
        loss += (np.cos(E) - eccentricity - x) ** 2
    return loss


def kepler_args(n):
    return np.array([0.3, 1.3, 0.2]), np.linspace(0.1, 8.0, n), draw(n)


def newton_system(p, start):
    """Where an ellipse meets a curve, by Newton's method in two unknowns."""
    x = start
    f = np.stack([x[0] ** 2 / p[0] + x[1] ** 2 - p[1], x[1] - np.exp(p[2] * x[0])])
    while np.linalg.norm(f) > 1e-12:
        jacobian = np.stack([
            np.stack([2 * x[0] / p[0], 2 * x[1]]),
            np.stack([-p[2] * np.exp(p[2] * x[0]), np.ones_like(x[0])]),
        ])  # fmt: skip
        x = x - np.linalg.solve(jacobian, f)
        f = np.stack([x[0] ** 2 / p[0] + x[1] ** 2 - p[1], x[1] - np.exp(p[2] * x[0])])
    return x[0] * x[1] ** 2


def newton_system_args(hundredths):
    return np.array([2.0, 4.0 + hundredths / 100, 0.3]), np.array([1.0, 2.0])


def square_root(a):
    """Heron's square roots, leaving the function as soon as all are good enough."""
    x = np.ones_like(a)
    for _ in range(60):
        better = 0.5 * (x + a / x)
        if np.all(np.abs(better - x) < 1e-13 * better):
            return np.sum(better**3)
        x = better
    return np.nan * np.sum(x)


def square_root_args(n):
    return (draw(n, low=0.5, high=4.0),)


def _pull(x, m, width):
    return np.sum(np.tanh((x - m) / width))


def smooth_median(x, weights, width):
    """Smooth medians of the columns, each by bisection, without sorting.

    Halving alone would only see how the ends of the bracket move. Two steps of Newton's method at the end move
    the result by rounding errors and give it the derivatives, first and second, of the root.
    """
    loss = 0.0
    for k in range(x.shape[1]):
        column = x[:, k]
        low, high = np.min(column), np.max(column)
        while high - low > 1e-9:
            middle = 0.5 * (low + high)
            if _pull(column, middle, width) > 0:
                low = middle
            else:
                high = middle
        m = 0.5 * (low + high)
        for _ in range(2):
            m += _pull(column, m, width) * width / np.sum(1 - np.tanh((column - m) / width) ** 2)
        loss += weights[k] * m**2
    return loss


def smooth_median_args(n, columns):
    return draw(n, columns), draw(columns, seed=1), 0.5


def conjugate_gradient(A, b, target):
    """Distance of the solution of a linear system from a target, the iterates updated in place."""
    x = np.zeros_like(b)
    r = b.copy()
    p = r.copy()
    rr = r @ r
    while rr > 1e-16:
        Ap = A @ p
        alpha = rr / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        new = r @ r
        p *= new / rr
        p += r
        rr = new
    return np.sum((x - target) ** 2)


def conjugate_gradient_args(n):
    m = draw(n, n)
    return m @ m.T / n + 2 * np.eye(n), draw(n, seed=1), draw(n, seed=2)


PROGRAMS = [
    Program(kepler, kepler_args, (9,), (14,), (200,)),
    Program(newton_system, newton_system_args, (0,), (30,), (60,)),
    Program(square_root, square_root_args, (3,), (5,), (100,)),
    Program(smooth_median, smooth_median_args, (5, 2), (7, 9), (101, 10), (0, 1)),
    Program(conjugate_gradient, conjugate_gradient_args, (4,), (6,), (50,), (0, 1)),
]
