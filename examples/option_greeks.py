"""Options on a binomial tree: prices, Greeks and implied volatilities from one loop that works in place.

    python examples/option_greeks.py

The tree of Cox, Ross and Rubinstein is two Python loops over one array, and each node decides whether to exercise.
One gradient gives delta, rho, vega and theta. The European prices and Greeks are checked against Black and Scholes,
the American prices against those of F. A. Longstaff and E. S. Schwartz (2001), table 1, by finite differences.
"""

from __future__ import annotations

import functools
import timeit
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

import jitdiff as jd

STRIKE, STEPS = 40.0, 400
# Spot, volatility, years, and the price of an American put struck at 40 with interest of 6%.
PUBLISHED = [(36, 0.2, 1, 4.478), (36, 0.4, 1, 7.101), (40, 0.2, 1, 2.314), (40, 0.2, 2, 2.885), (44, 0.4, 2, 5.647)]
# How far a tree of 400 steps is from Black and Scholes: by spot, rate, volatility and years.
CLOSE = np.array([0.02, 0.2, 0.2, 0.02])


@jd.compile
def put(market: Any, american: bool) -> Any:
    """Return the price of a put by spot, rate, volatility and years to go."""
    spot, rate, volatility, years = market
    dt = years / STEPS
    up = np.exp(volatility * np.sqrt(dt))
    discount = np.exp(-rate * dt)
    p = (1 / discount - 1 / up) / (up - 1 / up)
    values = np.empty(STEPS + 1)
    for j in range(STEPS + 1):
        values[j] = np.maximum(STRIKE - spot * up ** (2 * j - STEPS), 0.0)
    for i in range(STEPS - 1, -1, -1):
        for j in range(i + 1):
            held = discount * (p * values[j + 1] + (1 - p) * values[j])
            exercised = STRIKE - spot * up ** (2 * j - i)
            values[j] = exercised if american and exercised > held else held
    return values[0]


def black_scholes(spot: float, rate: float, volatility: float, years: float) -> tuple[float, Any]:
    """Return price, and derivatives by the four arguments, of a European put."""
    root = volatility * np.sqrt(years)
    d1 = (np.log(spot / STRIKE) + (rate + 0.5 * volatility**2) * years) / root
    d2 = d1 - root
    money = STRIKE * np.exp(-rate * years)
    decay = rate * money * norm.cdf(-d2) - spot * norm.pdf(d1) * volatility / (2 * np.sqrt(years))
    greeks = [-norm.cdf(-d1), -years * money * norm.cdf(-d2), spot * norm.pdf(d1) * np.sqrt(years), -decay]
    return money * norm.cdf(-d2) - spot * norm.cdf(-d1), np.array(greeks)


def implied_volatility(price: float, spot: float, rate: float, years: float) -> tuple[float, int]:
    """Newton's method with the vega of the tree; return the volatility and the number of steps."""
    volatility = 0.3
    for steps in range(1, 20):
        value, greeks = put.value_and_grad(np.array([spot, rate, volatility, years]), True)
        change = (value - price) / greeks[2]
        volatility -= change
        if abs(change) < 1e-10:
            return volatility, steps
    raise SystemExit("no implied volatility found")


def main() -> None:
    print("spot  volatility  years   American  published     delta       rho      vega     theta")
    for spot, volatility, years, published in PUBLISHED:
        market = np.array([spot, 0.06, volatility, years])
        price, greeks = put.value_and_grad(market, True)
        shown = "".join(f"{g:10.4f}" for g in [*greeks[:3], -greeks[3]])
        print(f"{spot:4d}  {volatility:10.1f}  {years:5d}  {price:9.4f}  {published:9.3f}{shown}")
        if abs(price - published) > 0.02:
            raise SystemExit("this is not the published price")
        european, slopes = put.value_and_grad(market, False)
        want, greeks = black_scholes(*market)
        if abs(european - want) > 0.01 or np.any(np.abs(slopes - greeks) > CLOSE):
            raise SystemExit(f"European: {european} {slopes}, by Black and Scholes {want} {greeks}")

    found, steps = implied_volatility(4.478, 36.0, 0.06, 1.0)
    bracketed = brentq(lambda v: put(np.array([36.0, 0.06, v, 1.0]), True) - 4.478, 0.1, 0.5, xtol=1e-12)
    print(f"volatility implied by 4.478: {found:.8f} after {steps} steps of Newton, {bracketed:.8f} by brentq")
    if abs(found - bracketed) > 1e-8:
        raise SystemExit("Newton and brentq disagree")

    call = functools.partial(put.value_and_grad, market, True)
    milliseconds = 1e3 * min(timeit.repeat(call, number=5, repeat=9)) / 5
    nodes = STEPS * (STEPS + 1) // 2
    print(f"{milliseconds:.2f} ms a price with its Greeks, {nodes:,} nodes")


if __name__ == "__main__":
    main()
