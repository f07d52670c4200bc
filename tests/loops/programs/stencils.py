"""Stencils of PolyBench, by loops over the cells and by slices, and two that are not linear."""

import numpy as np

from tests.loops.programs.program import Program, draw


def jacobi_2d(A, B, steps):
    """Five-point averages, back and forth between two arrays, cell by cell."""
    n = A.shape[0]
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                B[i, j] = 0.2 * (A[i, j] + A[i, j - 1] + A[i, 1 + j] + A[1 + i, j] + A[i - 1, j])
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                A[i, j] = 0.2 * (B[i, j] + B[i, j - 1] + B[i, 1 + j] + B[1 + i, j] + B[i - 1, j])
    return np.sum(A**2)


def jacobi_2d_slices(A, B, steps):
    """Five-point averages, back and forth between two arrays."""
    for _ in range(steps):
        B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])
        A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1])
    return np.sum(A**2)


def jacobi_2d_args(n, steps):
    return draw(n, n), draw(n, n, seed=1), steps


def seidel_2d(A, steps):
    """Nine-point averages in place: each cell reads what was just written."""
    A = A.copy()
    n = len(A)
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                A[i, j] = (
                    A[i - 1, j - 1] + A[i - 1, j] + A[i - 1, j + 1]
                    + A[i, j - 1] + A[i, j] + A[i, j + 1]
                    + A[i + 1, j - 1] + A[i + 1, j] + A[i + 1, j + 1]
                ) / 9.0  # fmt: skip
    return np.sum(A**2)


def seidel_2d_args(n, steps):
    return draw(n, n), steps


def heat_3d(A, B, steps):
    """Heat equation in a cube, back and forth between two arrays, cell by cell."""
    n = A.shape[0]
    for _ in range(steps):
        for source, result in ((A, B), (B, A)):
            for i in range(1, n - 1):
                for j in range(1, n - 1):
                    for k in range(1, n - 1):
                        here = source[i, j, k]
                        result[i, j, k] = (
                            0.125 * (source[i + 1, j, k] - 2.0 * here + source[i - 1, j, k])
                            + 0.125 * (source[i, j + 1, k] - 2.0 * here + source[i, j - 1, k])
                            + 0.125 * (source[i, j, k + 1] - 2.0 * here + source[i, j, k - 1])
                            + here
                        )
    return np.sum(A**2)


def _heat(u):
    inner = u[1:-1, 1:-1, 1:-1]
    return (
        inner
        + 0.125 * (u[2:, 1:-1, 1:-1] - 2.0 * inner + u[:-2, 1:-1, 1:-1])
        + 0.125 * (u[1:-1, 2:, 1:-1] - 2.0 * inner + u[1:-1, :-2, 1:-1])
        + 0.125 * (u[1:-1, 1:-1, 2:] - 2.0 * inner + u[1:-1, 1:-1, :-2])
    )


def heat_3d_slices(A, B, steps):
    """Heat equation in a cube, back and forth between two arrays."""
    for _ in range(steps):
        B[1:-1, 1:-1, 1:-1] = _heat(A)
        A[1:-1, 1:-1, 1:-1] = _heat(B)
    return np.sum(A**2)


def heat_3d_args(n, steps):
    return draw(n, n, n), draw(n, n, n, seed=1), steps


def fdtd_2d(hz, source, ex, ey):
    """Electric and magnetic field in the plane, driven from one side, cell by cell."""
    nx, ny = hz.shape
    for t in range(len(source)):
        for j in range(ny):
            ey[0, j] = source[t]
        for i in range(1, nx):
            for j in range(ny):
                ey[i, j] -= 0.5 * (hz[i, j] - hz[i - 1, j])
        for i in range(nx):
            for j in range(1, ny):
                ex[i, j] -= 0.5 * (hz[i, j] - hz[i, j - 1])
        for i in range(nx - 1):
            for j in range(ny - 1):
                hz[i, j] -= 0.7 * (ex[i, j + 1] - ex[i, j] + ey[i + 1, j] - ey[i, j])
    return np.sum(hz**2)


def fdtd_2d_slices(hz, source, ex, ey):
    """Electric and magnetic field in the plane, driven from one side."""
    for drive in source:
        ey[0, :] = drive
        ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])
    return np.sum(hz**2)


def fdtd_2d_args(nx, ny, steps):
    return draw(nx, ny), draw(steps, seed=1), draw(nx, ny, seed=2), draw(nx, ny, seed=3)


def burgers(u, viscosity, dt, steps):
    """Energy of a wave that steepens: upwind differences in place, against the wind where it blows the other way."""
    u = u.copy()
    n = len(u)
    for _ in range(steps):
        for i in range(1, n - 1):
            slope = u[i] - u[i - 1] if u[i] > 0.0 else u[i + 1] - u[i]
            u[i] += dt * (viscosity * (u[i + 1] - 2.0 * u[i] + u[i - 1]) - u[i] * slope)
    return np.sum(u**2)


def burgers_args(n, steps):
    return np.sin(np.linspace(0.1, 6.0, n)) + 0.1 * draw(n), 0.3, 0.2, steps


def gray_scott(u, v, feed, kill, steps):
    """Two substances that react and diffuse on a ring, by slices and `np.roll`."""
    for _ in range(steps):
        reaction = u * v * v
        u = u + 0.16 * (np.roll(u, 1) - 2 * u + np.roll(u, -1)) - reaction + feed * (1 - u)
        v += 0.08 * (np.roll(v, 1) - 2 * v + np.roll(v, -1)) + reaction - (feed + kill) * v
    return np.sum(v**2)


def gray_scott_args(n, steps):
    return 0.7 + 0.2 * draw(n), 0.25 + 0.1 * draw(n, seed=1), 0.035, 0.06, steps


PROGRAMS = [
    Program(jacobi_2d, jacobi_2d_args, (11, 9), (13, 12), (60, 20), (0, 1)),
    Program(jacobi_2d_slices, jacobi_2d_args, (11, 9), (13, 12), (60, 20), (0, 1)),
    Program(seidel_2d, seidel_2d_args, (11, 9), (13, 12), (40, 20)),
    Program(heat_3d, heat_3d_args, (11, 9), (12, 10), (20, 10), (0, 1)),
    Program(heat_3d_slices, heat_3d_args, (11, 9), (12, 10), (20, 10), (0, 1)),
    Program(fdtd_2d, fdtd_2d_args, (11, 12, 9), (14, 12, 10), (50, 60, 30), (0, 1, 2, 3)),
    Program(fdtd_2d_slices, fdtd_2d_args, (11, 12, 9), (14, 12, 10), (50, 60, 30), (0, 1, 2, 3)),
    Program(burgers, burgers_args, (12, 9), (14, 11), (100, 100), (0, 1)),
    Program(gray_scott, gray_scott_args, (6, 9), (8, 12), (200, 100), (0, 1, 2)),
]
