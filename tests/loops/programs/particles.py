"""Particles with forces between each two."""

import numpy as np

from tests.loops.programs.program import Program, draw


def gravity(velocities, positions, masses, dt, steps):
    """Spread of a cluster after some time, force by force."""
    x, v = positions.copy(), velocities.copy()
    n = len(masses)
    for _ in range(steps):
        force = np.zeros_like(x)
        for i in range(n):
            for j in range(i):
                d = x[i] - x[j]
                pull = masses[i] * masses[j] * d / (np.sum(d**2) + 0.1) ** 1.5
                force[i] -= pull
                force[j] += pull
        v += dt * force / masses[:, None]
        x += dt * v
    return np.sum(x**2)


def gravity_slices(velocities, positions, masses, dt, steps):
    """Spread of a cluster after some time, all forces at once."""
    x, v = positions, velocities
    for _ in range(steps):
        d = x[:, None, :] - x[None, :, :]
        pulls = masses[:, None, None] * d / ((np.sum(d**2, axis=2) + 0.1) ** 1.5)[:, :, None]
        v = v + dt * np.sum(pulls, axis=0)
        x = x + dt * v
    return np.sum(x**2)


def gravity_args(n, steps):
    return draw(n, 3), draw(n, 3, seed=1), draw(n, seed=2, low=0.5, high=1.5), 0.1, steps


def lennard_jones(positions, cutoff, dt, steps):
    """Energy on a line of atoms that feel only near ones, by velocity Verlet."""
    x = positions.copy()
    v = np.zeros_like(x)
    f = _lennard_jones_force(x, cutoff)
    for _ in range(steps):
        v += 0.5 * dt * f
        x += dt * v
        f = _lennard_jones_force(x, cutoff)
        v += 0.5 * dt * f
    return 0.5 * np.sum(v**2) + np.sum(np.diff(x))


def _lennard_jones_force(x, cutoff):
    n = x.shape[0]
    force = np.zeros_like(x)
    for i in range(n):
        for j in range(i + 1, n):
            d = x[j] - x[i]
            if abs(d) > cutoff:
                continue
            inverse6 = 1.0 / d**6
            f = 24.0 * inverse6 * (2.0 * inverse6 - 1.0) / d
            force[i] -= f
            force[j] += f
    return force


def lennard_jones_args(n, steps):
    return 1.15 * np.arange(float(n)) + 0.05 * draw(n), 2.8, 0.01, steps


PROGRAMS = [
    Program(gravity, gravity_args, (9, 9), (10, 12), (12, 20), (0, 1)),
    Program(gravity_slices, gravity_args, (9, 9), (10, 12), (12, 20), (0, 1)),
    Program(lennard_jones, lennard_jones_args, (9, 9), (12, 10), (30, 50)),
]
