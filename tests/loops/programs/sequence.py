"""Sequences: hidden Markov model, recurrent network, filters, volatility."""

import numpy as np
from scipy.special import logsumexp

from tests.loops.programs.program import Program, draw


def hmm_scaled(transition, emission, start, observations):
    """Negative log likelihood of symbols by the forward algorithm, the probabilities scaled at each symbol."""
    e = np.exp(transition)
    p_next = e / np.sum(e, axis=1, keepdims=True)
    e = np.exp(emission)
    p_symbol = e / np.sum(e, axis=1, keepdims=True)
    alpha = start * p_symbol[:, observations[0]]
    scale = np.sum(alpha)
    alpha = alpha / scale
    loss = -np.log(scale)
    for symbol in observations[1:]:
        alpha = (alpha @ p_next) * p_symbol[:, symbol]
        scale = np.sum(alpha)
        alpha /= scale
        loss -= np.log(scale)
    return loss


def hmm_log_space(transition, emission, start, observations):
    """Negative log likelihood of symbols by the forward algorithm in log space, a table filled row by row."""
    log_next = transition - logsumexp(transition, axis=1, keepdims=True)
    log_symbol = emission - logsumexp(emission, axis=1, keepdims=True)
    steps, states = len(observations), len(start)
    table = np.zeros((steps, states))
    table[0] = np.log(start) + log_symbol[:, observations[0]]
    for t in range(1, steps):
        for j in range(states):
            table[t, j] = logsumexp(table[t - 1] + log_next[:, j]) + log_symbol[j, observations[t]]
    return -logsumexp(table[-1])


def hmm_args(states, symbols, steps):
    observations = np.random.default_rng(3).integers(0, symbols, steps)
    return draw(states, states), draw(states, symbols, seed=1), np.full(states, 1 / states), observations


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm(W, b, readout, inputs, targets):
    """Mean squared error of an LSTM that predicts a number at each step."""
    n = readout.shape[0]
    h = np.zeros(n)
    c = np.zeros(n)
    loss = 0.0
    for x, y in zip(inputs, targets, strict=True):
        gates = W @ np.concatenate([x, h]) + b
        forget, update, output = _sigmoid(gates[:n]), _sigmoid(gates[n : 2 * n]), _sigmoid(gates[2 * n : 3 * n])
        c = forget * c + update * np.tanh(gates[3 * n :])
        h = output * np.tanh(c)
        loss += (readout @ h - y) ** 2
    return loss / len(inputs)


def lstm_args(hidden, features, steps):
    W = 0.5 * draw(4 * hidden, features + hidden)
    return W, 0.1 * draw(4 * hidden), draw(hidden, seed=1), draw(steps, features, seed=2), draw(steps, seed=3)


def kalman(theta, observations):
    """Negative log likelihood of noisy positions in the plane: constant velocity, four states, two observed."""
    q, r = np.exp(theta[0]), np.exp(theta[1])
    F = np.eye(4) + np.eye(4, k=2)
    H = np.eye(2, 4)
    Q = q * np.kron(np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]]), np.eye(2))
    R = r * np.eye(2)
    mean, P = np.zeros(4), 10.0 * np.eye(4)
    loss = 0.0
    for y in observations:
        mean = F @ mean
        P = F @ P @ F.T + Q
        residual = y - H @ mean
        S = H @ P @ H.T + R
        K = P @ H.T @ np.linalg.inv(S)
        mean = mean + K @ residual
        P = P - K @ H @ P
        loss += 0.5 * (residual @ np.linalg.solve(S, residual) + np.linalg.slogdet(S)[1] + 2 * np.log(2 * np.pi))
    return loss


def kalman_args(steps):
    walk = np.cumsum(np.cumsum(0.1 * draw(steps, 2), axis=0), axis=0)
    return np.array([-4.0, -1.0]), walk + 0.5 * draw(steps, 2, seed=1)


def local_level(theta, observations):
    """Negative log likelihood of a random walk seen through noise, where some observations are missing."""
    q, r, mean = np.exp(theta[0]), np.exp(theta[1]), theta[2]
    variance = q + r
    loss = 0.0
    for y in observations:
        variance = variance + q
        if np.isnan(y):
            continue
        total = variance + r
        gain = variance / total
        loss += 0.5 * ((y - mean) ** 2 / total + np.log(2 * np.pi * total))
        mean += gain * (y - mean)
        variance *= 1 - gain
    return loss


def local_level_args(steps):
    observations = np.cumsum(draw(steps, seed=1)) + 0.3 * draw(steps, seed=2)
    observations[2::5] = np.nan
    return np.array([-1.0, -2.0, 0.1]), observations


def garch(theta, returns):
    """Negative log likelihood of returns under GARCH(1, 1), the variances written into an array."""
    omega, alpha, beta = np.exp(theta[0]), _sigmoid(theta[1]), _sigmoid(theta[2])
    n = len(returns)
    variance = np.zeros(n)
    variance[0] = np.mean(returns**2)
    for t in range(1, n):
        variance[t] = omega + alpha * returns[t - 1] ** 2 + beta * variance[t - 1]
    return 0.5 * np.sum(np.log(variance) + returns**2 / variance)


def garch_args(steps):
    return np.array([-3.0, -1.5, 1.0]), draw(steps)


def holt_winters(theta, series, season):
    """Squared errors of one-step forecasts by level, trend and season, the season updated in place."""
    a, b, c = _sigmoid(theta)
    level, trend = series[0], theta[1] * 0.1
    seasonal = series[:season] - np.mean(series[:season])
    errors = []
    for i, y in enumerate(series):
        k = i % season
        forecast = level + trend + seasonal[k]
        errors.append(y - forecast)
        last = level
        level = a * (y - seasonal[k]) + (1 - a) * (level + trend)
        trend = b * (level - last) + (1 - b) * trend
        seasonal[k] = c * (y - level) + (1 - c) * seasonal[k]
    return np.sum(np.array(errors) ** 2)


def holt_winters_args(steps):
    t = np.arange(float(steps))
    return np.array([0.3, -0.5, 0.1]), 0.1 * t + np.sin(2 * np.pi * t / 4) + 0.2 * draw(steps), 4


PROGRAMS = [
    Program(hmm_scaled, hmm_args, (2, 3, 10), (3, 4, 12), (8, 10, 500), (0, 1)),
    Program(hmm_log_space, hmm_args, (2, 3, 10), (3, 4, 12), (8, 10, 500), (0, 1)),
    Program(lstm, lstm_args, (2, 3, 9), (3, 2, 12), (16, 8, 200), (0, 1, 2)),
    Program(kalman, kalman_args, (10,), (14,), (500,)),
    Program(local_level, local_level_args, (13,), (24,), (2_000,)),
    Program(garch, garch_args, (10,), (25,), (2_000,)),
    Program(holt_winters, holt_winters_args, (13,), (30,), (1_000,)),
]
