"""The flow of the Nile, 1871 to 1970: the two variances of a local level by maximum likelihood.

    python examples/kalman_nile.py

The likelihood is a Kalman filter, written as a Python loop that skips missing years. scipy maximises it with the
gradient and the Hessian products that jitdiff compiles. The answers are in J. Durbin and S. J. Koopman, Time Series
Analysis by State Space Methods (2012), section 2.10: 15099 for the observations, 1469.1 for the level.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

import jitdiff as jd

# 10^8 cubic metres at Aswan.
NILE = np.array([
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
], dtype=float)  # fmt: skip

PUBLISHED = np.array([15099.0, 1469.1])
LOG_LIKELIHOOD = -632.5456  # as R's StructTS and statsmodels count it: the first year only sets the level


@jd.compile
def negative_log_likelihood(log_variances: Any, flow: Any) -> Any:
    """Return the negative log likelihood, with a level that nothing is known about before the first year."""
    noise, drift = np.exp(log_variances)
    level, variance = flow[0], noise
    total = 0.0
    for y in flow[1:]:
        variance += drift
        if np.isnan(y):
            continue
        error = y - level
        spread = variance + noise
        total += 0.5 * (np.log(2 * np.pi * spread) + error**2 / spread)
        gain = variance / spread
        level += gain * error
        variance *= 1 - gain
    return total


def fit(flow: Any) -> Any:
    start = np.log([10000.0, 5000.0])
    found = minimize(
        negative_log_likelihood.value_and_grad, start, args=(flow,), jac=True, hessp=negative_log_likelihood.hessp,
        method="trust-ncg", options={"gtol": 1e-8},
    )  # fmt: skip
    if np.max(np.abs(found.jac)) > 1e-6:
        raise SystemExit(f"no maximum: {found.message}, gradient {found.jac}")
    return found


def main() -> None:
    found = fit(NILE)
    variances = np.exp(found.x)
    print(f"all years: observations {variances[0]:.0f}, level {variances[1]:.1f}, log likelihood {-found.fun:.4f}")
    print(f"published: observations {PUBLISHED[0]:.0f}, level {PUBLISHED[1]:.1f}, log likelihood {LOG_LIKELIHOOD}")
    if not np.allclose(variances, PUBLISHED, rtol=1e-3) or abs(found.fun + LOG_LIKELIHOOD) > 1e-3:
        raise SystemExit("these are not the published estimates")

    hessian = np.stack([negative_log_likelihood.hessp(found.x, e, NILE) for e in np.eye(2)])
    deviations = np.sqrt(np.diag(np.linalg.inv(hessian)))
    print(f"standard errors of the logarithms, from the Hessian: {deviations[0]:.3f} and {deviations[1]:.3f}")

    gaps = NILE.copy()
    gaps[20:40] = gaps[60:80] = np.nan
    missing = np.exp(fit(gaps).x)
    print(f"without 1891-1910 and 1931-1950: observations {missing[0]:.0f}, level {missing[1]:.1f}")


if __name__ == "__main__":
    main()
