"""Sequences, trees and tables in JAX, by scan."""

import jax
import jax.numpy as jnp
from jax import lax


def hmm(transition, emission, start, observations):
    p_next = jax.nn.softmax(transition, axis=1)
    p_symbol = jax.nn.softmax(emission, axis=1)
    alpha = start * p_symbol[:, observations[0]]
    first = jnp.sum(alpha)

    def step(alpha, symbol):
        alpha = (alpha @ p_next) * p_symbol[:, symbol]
        scale = jnp.sum(alpha)
        return alpha / scale, jnp.log(scale)

    _, logs = lax.scan(step, alpha / first, observations[1:])
    return -jnp.log(first) - jnp.sum(logs)


def lstm(W, b, readout, inputs, targets):
    n = readout.shape[0]

    def step(state, xy):
        h, c = state
        x, y = xy
        gates = W @ jnp.concatenate([x, h]) + b
        forget, update, output = jnp.split(jax.nn.sigmoid(gates[: 3 * n]), 3)
        c = forget * c + update * jnp.tanh(gates[3 * n :])
        h = output * jnp.tanh(c)
        return (h, c), (readout @ h - y) ** 2

    _, errors = lax.scan(step, (jnp.zeros(n), jnp.zeros(n)), (inputs, targets))
    return jnp.mean(errors)


def kalman(theta, observations):
    q, r = jnp.exp(theta)
    F = jnp.eye(4) + jnp.eye(4, k=2)
    H = jnp.eye(2, 4)
    Q = q * jnp.kron(jnp.array([[1 / 3, 1 / 2], [1 / 2, 1.0]]), jnp.eye(2))
    R = r * jnp.eye(2)

    def step(state, y):
        mean, P = state
        mean = F @ mean
        P = F @ P @ F.T + Q
        residual = y - H @ mean
        S = H @ P @ H.T + R
        K = P @ H.T @ jnp.linalg.inv(S)
        quadratic = residual @ jnp.linalg.solve(S, residual)
        loss = 0.5 * (quadratic + jnp.linalg.slogdet(S)[1] + 2 * jnp.log(2 * jnp.pi))
        return (mean + K @ residual, P - K @ H @ P), loss

    _, losses = lax.scan(step, (jnp.zeros(4), 10.0 * jnp.eye(4)), observations)
    return jnp.sum(losses)


def local_level(theta, observations):
    q, r = jnp.exp(theta[0]), jnp.exp(theta[1])

    def step(state, y):
        mean, variance = state
        variance = variance + q
        missing = jnp.isnan(y)
        total = variance + r
        error = jnp.where(missing, 0.0, y - mean)
        gain = jnp.where(missing, 0.0, variance / total)
        loss = jnp.where(missing, 0.0, 0.5 * (error**2 / total + jnp.log(2 * jnp.pi * total)))
        return (mean + gain * error, variance * (1 - gain)), loss

    _, losses = lax.scan(step, (theta[2], q + r), observations)
    return jnp.sum(losses)


def american_put(theta, strike, maturity, steps):
    spot, rate, volatility = theta
    dt = maturity / steps
    up = jnp.exp(volatility * jnp.sqrt(dt))
    discount = jnp.exp(-rate * dt)
    p = (jnp.exp(rate * dt) - 1.0 / up) / (up - 1.0 / up)
    j = jnp.arange(steps + 1)

    def layer(values, i):
        held = discount * (p * jnp.roll(values, -1) + (1.0 - p) * values)
        return jnp.maximum(held, strike - spot * up ** (2.0 * j - i)), None

    values = jnp.maximum(strike - spot * up ** (2.0 * j - steps), 0.0)
    # What lies above the layer is computed too, from what roll brings round, and read by nobody.
    values, _ = lax.scan(layer, values, jnp.arange(steps - 1, -1, -1.0))
    return values[0]


def soft_dtw(x, y, gamma):
    """Rows by scan, and in a row a scan over the columns."""

    def softmin(a, b, c):
        return -gamma * jax.nn.logsumexp(jnp.stack([-a, -b, -c]) / gamma)

    def row(above, xi):
        def cell(left, from_above):
            y_j, up, diagonal = from_above
            here = (xi - y_j) ** 2 + softmin(up, left, diagonal)
            return here, here

        _, here = lax.scan(cell, jnp.inf, (y, above[1:], above[:-1]))
        here = jnp.concatenate([jnp.array([jnp.inf]), here])
        return here, None

    last, _ = lax.scan(row, jnp.full(len(y) + 1, jnp.inf).at[0].set(0.0), x)
    return last[-1]


def gravity(velocities, positions, masses, dt, steps):
    def step(state, _):
        x, v = state
        d = x[:, None, :] - x[None, :, :]
        pulls = masses[:, None, None] * d / ((jnp.sum(d**2, axis=2) + 0.1) ** 1.5)[:, :, None]
        v = v + dt * jnp.sum(pulls, axis=0)
        return (x + dt * v, v), None

    (x, _), _ = lax.scan(step, (positions, velocities), None, length=steps)
    return jnp.sum(x**2)
