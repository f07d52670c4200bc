"""Options on a binomial tree (Cox, Ross and Rubinstein)."""

import numpy as np

from tests.loops.programs.program import Program


def american_put(theta, strike, maturity, steps):
    """Price of an American put by spot, rate and volatility, node by node and in place."""
    spot, rate, volatility = theta
    dt = maturity / steps
    up = np.exp(volatility * np.sqrt(dt))
    discount = np.exp(-rate * dt)
    p = (np.exp(rate * dt) - 1.0 / up) / (up - 1.0 / up)
    values = np.zeros(steps + 1)
    for j in range(steps + 1):
        values[j] = np.maximum(strike - spot * up ** (2 * j - steps), 0.0)
    for i in range(steps - 1, -1, -1):
        for j in range(i + 1):
            held = discount * (p * values[j + 1] + (1.0 - p) * values[j])
            exercised = strike - spot * up ** (2 * j - i)
            values[j] = exercised if exercised > held else held
    return values[0]


def american_put_slices(theta, strike, maturity, steps):
    """Price of an American put by spot, rate and volatility, a layer of the tree at a time."""
    spot, rate, volatility = theta
    dt = maturity / steps
    up = np.exp(volatility * np.sqrt(dt))
    discount = np.exp(-rate * dt)
    p = (np.exp(rate * dt) - 1 / up) / (up - 1 / up)
    prices = spot * up ** np.arange(-steps, steps + 1, 2.0)
    values = np.maximum(strike - prices, 0)
    for i in reversed(range(steps)):
        prices = prices[: i + 1] * up
        values = np.maximum(discount * (p * values[1:] + (1 - p) * values[:-1]), strike - prices)
    return values[0]


def put_args(steps):
    return np.array([100.3, 0.03, 0.25]), 105.0, 0.75, steps


PROGRAMS = [
    Program(american_put, put_args, (10,), (15,), (100,)),
    Program(american_put_slices, put_args, (10,), (15,), (100,)),
]
