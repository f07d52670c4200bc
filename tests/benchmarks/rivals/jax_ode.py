"""Differential equations in JAX, by scan."""

import jax.numpy as jnp
from jax import lax


def lotka_volterra(p, start, data, dt):
    def rhs(u):
        return jnp.stack([u[0] * (p[0] - p[1] * u[1]), u[1] * (p[3] * u[0] - p[2])])

    def step(u, point):
        k1 = rhs(u)
        k2 = rhs(u + 0.5 * dt * k1)
        k3 = rhs(u + 0.5 * dt * k2)
        k4 = rhs(u + dt * k3)
        u = u + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        return u, jnp.sum((u - point) ** 2)

    _, distances = lax.scan(step, start, data)
    return jnp.mean(distances)


def bouncing_ball(velocity, target, restitution, dt, steps):
    gravity = 9.81

    def step(state, _):
        x, y, vx, vy = state
        x_new, y_new = x + dt * vx, y + dt * vy - 0.5 * gravity * dt**2
        vy_new = vy - gravity * dt

        def bounce(_):
            fraction = y / (y - y_new)
            return x + fraction * dt * vx, 0.0, 0.9 * vx, -restitution * (vy - gravity * fraction * dt)

        def fly(_):
            return x_new, y_new, vx, vy_new

        return lax.cond((y_new < 0.0) & (vy_new < 0.0), bounce, fly, None), None

    (x, y, _, _), _ = lax.scan(step, (0.0, 1.0, velocity[0], velocity[1]), None, length=steps)
    return (x - target[0]) ** 2 + (y - target[1]) ** 2
