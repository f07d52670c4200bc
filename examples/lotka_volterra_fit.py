"""Hares and lynxes: the Lotka-Volterra equations fitted to what the Hudson's Bay Company bought, 1900 to 1920.

    python examples/lotka_volterra_fit.py

The solver is a Python loop of 1,000 Runge-Kutta steps over two numbers. scipy minimises the squared errors of the
logarithms over four rates and both populations at the start, with the gradient that jitdiff compiles: the loop, run
backwards, as machine code. The rates agree with those of the Stan case study of the same data.
"""

from __future__ import annotations

import functools
import timeit
from typing import Any

import numpy as np
from scipy.optimize import minimize

import jitdiff as jd

# Thousands of pelts of lynxes and hares, from E. P. Odum, Fundamentals of Ecology (1953), after C. H. Flack (1934).
LYNXES = np.array([
    4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4,
    8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6,
])  # fmt: skip
HARES = np.array([
    30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1,
    40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7,
])  # fmt: skip

STEPS = 50  # a year
NAMES = ["growth of hares", "hares lost to a lynx", "death of lynxes", "lynxes fed by a hare", "hares", "lynxes"]
# The populations turn in ten years, around their means: death / conversion and growth / predation.
RATE = 2 * np.pi / 10
START = np.log([RATE, RATE / LYNXES.mean(), RATE, RATE / HARES.mean(), HARES[0], LYNXES[0]])
# Bob Carpenter, Predator-Prey Population Dynamics: the Lotka-Volterra model in Stan (2018), means and deviations.
STAN = np.array([0.55, 0.028, 0.80, 0.024])
STAN_SD = np.array([0.064, 0.0041, 0.091, 0.0034])


@jd.compile
def loss(log_theta: Any, hares: Any, lynxes: Any) -> Any:
    """Return the mean squared error of the logarithms of both populations, year by year."""
    growth, predation, death, conversion, x, y = np.exp(log_theta)

    def rates(x: Any, y: Any) -> Any:
        return growth * x - predation * x * y, conversion * x * y - death * y

    h = 1.0 / STEPS
    total = (np.log(x) - np.log(hares[0])) ** 2 + (np.log(y) - np.log(lynxes[0])) ** 2
    for year in range(1, len(hares)):
        for _ in range(STEPS):
            x1, y1 = rates(x, y)
            x2, y2 = rates(x + 0.5 * h * x1, y + 0.5 * h * y1)
            x3, y3 = rates(x + 0.5 * h * x2, y + 0.5 * h * y2)
            x4, y4 = rates(x + h * x3, y + h * y3)
            x += h / 6 * (x1 + 2 * x2 + 2 * x3 + x4)
            y += h / 6 * (y1 + 2 * y2 + 2 * y3 + y4)
        total += (np.log(x) - np.log(hares[year])) ** 2 + (np.log(y) - np.log(lynxes[year])) ** 2
    return total / (2 * len(hares))


def main() -> None:
    data = HARES, LYNXES
    slope = loss.grad(START, *data)[0]
    after, before = (loss(START + np.array([s, 0, 0, 0, 0, 0]), *data) for s in (1e-6, -1e-6))
    print(f"slope {slope:.8f}, by central difference {(after - before) / 2e-6:.8f}")
    if not abs(slope - (after - before) / 2e-6) < 1e-6:
        raise SystemExit("the gradient is wrong")

    fit = minimize(loss.value_and_grad, START, args=data, jac=True, method="BFGS", options={"gtol": 1e-7})
    theta = np.exp(fit.x)
    for name, value, stan in zip(NAMES, theta, [*STAN, None, None], strict=True):
        print(f"{name:22s} {value:8.4f}" + (f"   Stan {stan:.3f}" if stan else ""))
    print(f"{fit.nit} iterations, {fit.njev} gradients, error of the logarithms {np.sqrt(fit.fun):.3f}")
    if np.max(np.abs(fit.jac)) > 1e-5:
        raise SystemExit(f"no minimum: {fit.message}")
    if np.any(np.abs(theta[:4] - STAN) > STAN_SD):
        raise SystemExit("the rates are not those of the Stan case study")

    call = functools.partial(loss.value_and_grad, fit.x, *data)
    microseconds = 1e6 * min(timeit.repeat(call, number=50, repeat=9)) / 50
    print(f"{microseconds:.0f} us a value and gradient of {STEPS * (len(HARES) - 1)} steps")


if __name__ == "__main__":
    main()
