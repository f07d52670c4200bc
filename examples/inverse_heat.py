"""What heated the rod? The temperature of one end, found from a sensor inside: an inverse problem of heat conduction.

    python examples/inverse_heat.py

The heat equation is stepped in place, cell by cell, for 300 steps. From the record of one sensor at a sixth of the
length, scipy finds the 300 temperatures of the heated end. The gradient is the adjoint of the loops; since they are
linear, it keeps none of the temperatures it passed through.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.optimize import minimize

import jitdiff as jd

CELLS, STEPS, SENSOR = 30, 300, 5
ALPHA = 0.4  # conductivity * dt / dx^2, stable below 0.5
SMOOTHNESS = 1e-3


@jd.compile
def sensor_record(end: Any) -> Any:
    """Return what the sensor shows when one end of a cold rod follows `end` and the other is isolated."""
    u = np.zeros(CELLS)
    record = np.zeros(STEPS)
    for t in range(STEPS):
        u[0] = end[t]
        left = u[0]
        for i in range(1, CELLS - 1):
            here = u[i]
            u[i] += ALPHA * (left - 2 * here + u[i + 1])
            left = here
        u[-1] = u[-2]
        record[t] = u[SENSOR]
    return record


@jd.compile
def loss(end: Any, measured: Any) -> Any:
    """Return the squared errors at the sensor, plus what an end that jumps about costs."""
    errors = sensor_record(end) - measured
    return np.sum(errors**2) + SMOOTHNESS * np.sum(np.diff(end) ** 2)


def main() -> None:
    t = np.linspace(0.0, 1.0, STEPS)
    truth = np.where(t < 0.6, np.minimum(t / 0.2, 1.0), np.exp(-8 * (t - 0.6)))
    measured = sensor_record(truth) + 0.002 * np.random.default_rng(1).normal(size=STEPS)

    direction = np.random.default_rng(0).normal(size=STEPS)
    difference = (loss(1e-4 * direction, measured) - loss(-1e-4 * direction, measured)) / 2e-4
    slope = loss.grad(np.zeros(STEPS), measured) @ direction
    print(f"slope {slope:.8f}, by central difference {difference:.8f}")
    if not abs(slope - difference) < 1e-6 * abs(slope):
        raise SystemExit("the gradient is wrong")

    began = time.perf_counter()
    fit = minimize(
        loss.value_and_grad, np.zeros(STEPS), args=(measured,), jac=True, hessp=loss.hessp, method="Newton-CG",
        options={"xtol": 1e-8},
    )  # fmt: skip
    seconds = time.perf_counter() - began
    steepest = np.max(np.abs(loss.grad(fit.x, measured)))
    error = np.sqrt(np.mean((fit.x[:-20] - truth[:-20]) ** 2))
    print(f"sensor within {np.std(measured - sensor_record(fit.x)):.4f}; the end within {error:.4f} of the truth")
    print(f"{fit.nfev} gradients and {fit.nhev} Hessian products in {seconds:.2f} s, gradient left {steepest:.1e}")
    if not steepest < 1e-5:
        raise SystemExit(f"no minimum: {fit.message}")
    if not error < 0.03:
        raise SystemExit("the temperature of the end was not found")


if __name__ == "__main__":
    main()
