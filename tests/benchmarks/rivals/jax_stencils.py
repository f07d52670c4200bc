"""Stencils in JAX: sweeps by scan, cells by slices where they do not depend on each other."""

import jax.numpy as jnp
from jax import lax


def _repeat(step, state, steps):
    state, _ = lax.scan(lambda state, _: (step(state), None), state, None, length=steps)
    return state


def _cross(u):
    return 0.2 * (u[1:-1, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] + u[2:, 1:-1] + u[:-2, 1:-1])


def jacobi_2d(A, B, steps):
    def step(state):
        A, B = state
        B = B.at[1:-1, 1:-1].set(_cross(A))
        return A.at[1:-1, 1:-1].set(_cross(B)), B

    return jnp.sum(_repeat(step, (A, B), steps)[0] ** 2)


def _heat(u):
    inner = u[1:-1, 1:-1, 1:-1]
    return (
        inner
        + 0.125 * (u[2:, 1:-1, 1:-1] - 2.0 * inner + u[:-2, 1:-1, 1:-1])
        + 0.125 * (u[1:-1, 2:, 1:-1] - 2.0 * inner + u[1:-1, :-2, 1:-1])
        + 0.125 * (u[1:-1, 1:-1, 2:] - 2.0 * inner + u[1:-1, 1:-1, :-2])
    )


def heat_3d(A, B, steps):
    def step(state):
        A, B = state
        B = B.at[1:-1, 1:-1, 1:-1].set(_heat(A))
        return A.at[1:-1, 1:-1, 1:-1].set(_heat(B)), B

    return jnp.sum(_repeat(step, (A, B), steps)[0] ** 2)


def seidel_2d(A, steps):
    """Rows by scan, and in a row a scan over the cells: each reads the one before."""

    def row(above, here_and_below):
        here, below = here_and_below
        known = above[:-2] + above[1:-1] + above[2:] + here[1:-1] + here[2:] + below[:-2] + below[1:-1] + below[2:]

        def cell(left, rest):
            new = (left + rest) / 9.0
            return new, new

        _, inner = lax.scan(cell, here[0], known)
        new = here.at[1:-1].set(inner)
        return new, new

    def sweep(A):
        _, rows = lax.scan(row, A[0], (A[1:-1], A[2:]))
        return A.at[1:-1].set(rows)

    return jnp.sum(_repeat(sweep, A, steps) ** 2)


def fdtd_2d(hz, source, ex, ey):
    def step(state, drive):
        ex, ey, hz = state
        ey = ey.at[0, :].set(drive)
        ey = ey.at[1:, :].add(-0.5 * (hz[1:, :] - hz[:-1, :]))
        ex = ex.at[:, 1:].add(-0.5 * (hz[:, 1:] - hz[:, :-1]))
        hz = hz.at[:-1, :-1].add(-0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1]))
        return (ex, ey, hz), None

    (_, _, hz), _ = lax.scan(step, (ex, ey, hz), source)
    return jnp.sum(hz**2)


def burgers(u, viscosity, dt, steps):
    def sweep(u):
        def cell(left, here_and_right):
            here, right = here_and_right
            slope = jnp.where(here > 0.0, here - left, right - here)
            new = here + dt * (viscosity * (right - 2.0 * here + left) - here * slope)
            return new, new

        _, inner = lax.scan(cell, u[0], (u[1:-1], u[2:]))
        return u.at[1:-1].set(inner)

    return jnp.sum(_repeat(sweep, u, steps) ** 2)
