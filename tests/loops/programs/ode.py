"""Differential equations: fixed and adaptive steps, events."""

import numpy as np

from tests.loops.programs.program import Program, draw

GRAVITY = 9.81


def lotka_volterra(p, start, data, dt):
    """Fit of the rates of growth, predation, death and conversion by RK4, the state an array."""

    def rhs(u):
        prey, predators = u
        return np.array([p[0] * prey - p[1] * prey * predators, p[3] * prey * predators - p[2] * predators])

    u = start
    total = 0.0
    for point in data:
        k1 = rhs(u)
        k2 = rhs(u + 0.5 * dt * k1)
        k3 = rhs(u + 0.5 * dt * k2)
        k4 = rhs(u + dt * k3)
        u = u + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        total += np.sum((u - point) ** 2)
    return total / len(data)


def lotka_volterra_scalars(p, start, data, dt):
    """Fit by RK4, the state two numbers."""
    growth, predation, death, conversion = p

    def rhs(x, y):
        return growth * x - predation * x * y, conversion * x * y - death * y

    x, y = start
    total = 0.0
    for i in range(len(data)):
        kx1, ky1 = rhs(x, y)
        kx2, ky2 = rhs(x + 0.5 * dt * kx1, y + 0.5 * dt * ky1)
        kx3, ky3 = rhs(x + 0.5 * dt * kx2, y + 0.5 * dt * ky2)
        kx4, ky4 = rhs(x + dt * kx3, y + dt * ky3)
        x += dt / 6.0 * (kx1 + 2.0 * kx2 + 2.0 * kx3 + kx4)
        y += dt / 6.0 * (ky1 + 2.0 * ky2 + 2.0 * ky3 + ky4)
        total += (x - data[i, 0]) ** 2 + (y - data[i, 1]) ** 2
    return total / len(data)


def _rates(p, u):
    return np.stack([u[0] * (p[0] - p[1] * u[1]), u[1] * (p[3] * u[0] - p[2])])


def _rk4(f, p, u, dt):
    k1 = f(p, u)
    k2 = f(p, u + dt / 2 * k1)
    k3 = f(p, u + dt / 2 * k2)
    k4 = f(p, u + dt * k3)
    return u + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def lotka_volterra_trajectory(p, start, data, dt):
    """Fit by RK4, the trajectory written into an array row by row."""
    n = data.shape[0]
    trajectory = np.empty((n + 1, 2))
    trajectory[0] = start
    for i in range(n):
        trajectory[i + 1] = _rk4(_rates, p, trajectory[i], dt)
    return np.mean(np.sum((trajectory[1:] - data) ** 2, axis=1))


def lotka_volterra_args(n):
    t = np.linspace(0.0, 1.0, n)
    data = np.stack([10 + 4 * np.sin(7 * t), 5 + 2 * np.cos(7 * t)], axis=1) + draw(n, 2)
    return np.array([1.1, 0.4, 0.4, 0.1]), np.array([10.0, 5.0]), data, 0.01


def observed_at_times(theta, times, observed):
    """Damped pendulum by symplectic Euler between uneven times, the states collected in a list."""
    angle, speed, damping, stiffness = theta
    states = []
    for before, after in zip(times[:-1], times[1:], strict=True):  # noqa: RUF007
        dt = (after - before) / 4
        for _ in range(4):
            speed = speed - dt * (damping * speed + stiffness * np.sin(angle))
            angle = angle + dt * speed
        states.append(angle)
    return np.sum((np.stack(states) - observed) ** 2)


def observed_at_times_args(n):
    times = np.concatenate([[0.0], np.cumsum(draw(n, low=0.05, high=0.2))])
    return np.array([1.0, 0.2, 0.3, 2.0]), times, draw(n, seed=1)


def adaptive_step(p, start, target, end, tolerance):
    """Where Lotka-Volterra is at `end`, by Bogacki and Shampine's method with error control."""
    t, u, dt = 0.0, start, 0.1
    k1 = _rates(p, u)
    while end - t > 1e-12:
        dt = np.minimum(dt, end - t)
        k2 = _rates(p, u + dt * 0.5 * k1)
        k3 = _rates(p, u + dt * 0.75 * k2)
        new = u + dt * (2 / 9 * k1 + 1 / 3 * k2 + 4 / 9 * k3)
        k4 = _rates(p, new)
        error = np.max(np.abs(dt * (-5 / 72 * k1 + 1 / 12 * k2 + 1 / 9 * k3 - 1 / 8 * k4)))
        if error <= tolerance:
            t += dt
            u, k1 = new, k4
        dt = dt * np.clip(0.9 * (tolerance / error) ** (1 / 3), 0.2, 5.0)
    return np.sum((u - target) ** 2)


def adaptive_step_args(tenths):
    p = np.array([1.1, 0.4, 0.4, 0.1])
    return p, np.array([10.0, 5.0]), np.array([5.0, 4.0]), tenths / 10, 1e-4


def bouncing_ball(velocity, target, restitution, dt, steps):
    """Distance of a thrown ball from a target, stepping through time and bouncing off the ground."""
    x, y = 0.0, 1.0
    vx, vy = velocity
    for _ in range(steps):
        x_new, y_new = x + dt * vx, y + dt * vy - 0.5 * GRAVITY * dt**2
        vy_new = vy - GRAVITY * dt
        if y_new < 0.0 and vy_new < 0.0:
            # The step ends on the ground, where the line between the two heights meets it.
            fraction = y / (y - y_new)
            x_new = x + fraction * dt * vx
            y_new = 0.0
            vy_new = -restitution * (vy - GRAVITY * fraction * dt)
            vx = 0.9 * vx
        x, y, vy = x_new, y_new, vy_new
    return (x - target[0]) ** 2 + (y - target[1]) ** 2


def bouncing_ball_args(steps):
    return np.array([3.0, 2.0]), np.array([4.0, 0.5]), 0.8, 0.02, steps


def bouncing_ball_events(velocity, target, restitution, end):
    """Distance of a thrown ball from a target, going from impact to impact."""
    t, x, y = 0.0, 0.0, 1.0
    vx, vy = velocity
    while True:
        impact_speed = np.sqrt(vy**2 + 2 * GRAVITY * y)
        flight = (vy + impact_speed) / GRAVITY
        if t + flight > end:
            break
        t += flight
        x += vx * flight
        y = 0.0
        vy = restitution * impact_speed
    rest = end - t
    x += vx * rest
    y += vy * rest - 0.5 * GRAVITY * rest**2
    return (x - target[0]) ** 2 + (y - target[1]) ** 2


def bouncing_ball_events_args(tenths):
    return np.array([3.0, 2.0]), np.array([4.0, 0.5]), 0.9, tenths / 10


PROGRAMS = [
    Program(lotka_volterra, lotka_volterra_args, (10,), (15,), (1_000,), (0, 1)),
    Program(lotka_volterra_scalars, lotka_volterra_args, (10,), (15,), (1_000,), (0, 1)),
    Program(lotka_volterra_trajectory, lotka_volterra_args, (10,), (15,), (1_000,), (0, 1)),
    Program(observed_at_times, observed_at_times_args, (9,), (17,), (500,), (0, 1)),
    Program(adaptive_step, adaptive_step_args, (12,), (31,), (200,)),
    Program(bouncing_ball, bouncing_ball_args, (60,), (95,), (1_000,)),
    Program(bouncing_ball_events, bouncing_ball_events_args, (23,), (55,), (80,)),
]
