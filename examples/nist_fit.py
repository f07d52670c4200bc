"""Fit the 27 nonlinear regression problems of the NIST Statistical Reference Datasets.

    python examples/nist_fit.py [--problem NAME ...] [--plot DIR]

Each model is a plain NumPy function (see nist_strd.py). scipy fits it from both certified starting points, twice:
by `least_squares` (Levenberg-Marquardt) with the exact Jacobian of the residuals, and by `minimize` (BFGS) with the
exact gradient of the sum of squares. jitdiff compiles both derivatives; none is written down. The digits are those in
which every parameter agrees with the certified values, which have eleven.
"""

from __future__ import annotations

import argparse
import functools
import sys
import textwrap
import time
import timeit
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nist_strd import Array, Model, Problem, read_all
from scipy.optimize import least_squares, minimize

import jitdiff as jd

DIGITS_WANTED = 6
EPSILON = 2.3e-16  # just above the rounding of a float64, below which least_squares takes no tolerance


@functools.cache
def compiled(model: Model) -> tuple[Any, Any, Any]:
    """Compile the residuals of a model, their Jacobian, and the sum of squares.

    The parameters come as multiples u of a scale, so that the solvers see numbers near 1.
    """

    @jd.compile
    def residuals(u: Any, scale: Any, x: Any, y: Any) -> Any:
        return model(scale * u, x) - y

    @jd.compile
    def sum_of_squares(u: Any, scale: Any, x: Any, y: Any) -> Any:
        return np.sum((model(scale * u, x) - y) ** 2)

    return residuals, jd.jacobian(residuals), sum_of_squares


@dataclass(frozen=True)
class Fit:
    """Where a solver ended, and the calls it took."""

    b: Array
    digits: float
    values: int
    gradients: int

    @property
    def arrived(self) -> bool:
        return self.digits >= DIGITS_WANTED


def fit(problem: Problem, start: Array) -> dict[str, Fit]:
    """Fit a problem from one starting point by both solvers."""
    residuals, jacobian, sum_of_squares = compiled(problem.model)
    u, data = np.ones_like(start), (start, problem.x, problem.y)
    with np.errstate(all="ignore"):  # a diverging solver meets inf and nan
        lm = least_squares(
            residuals, u, jac=jacobian, args=data, method="lm", x_scale="jac",
            ftol=EPSILON, xtol=EPSILON, gtol=EPSILON, max_nfev=5000,
        )  # fmt: skip
        bfgs = minimize(
            sum_of_squares.value_and_grad, u, args=data, jac=True, method="BFGS", options={"gtol": 0, "maxiter": 5000}
        )
    return {
        solver: Fit(start * result.x, problem.correct_digits(start * result.x), result.nfev, result.njev)
        for solver, result in [("least_squares", lm), ("minimize", bfgs)]
    }


def seconds_to_compile(problem: Problem) -> float:
    """Time the first call of every function: nearly all compiling, or loading what an earlier run has compiled."""
    residuals, jacobian, sum_of_squares = compiled(problem.model)
    start = problem.starts[0]
    arguments = np.ones_like(start), start, problem.x, problem.y
    began = time.perf_counter()
    residuals(*arguments)
    jacobian(*arguments)
    sum_of_squares.value_and_grad(*arguments)
    return time.perf_counter() - began


def microseconds_per_gradient(problem: Problem, b: Array) -> float:
    """Time the call that the solver makes: the best of several batches, since what disturbs one only adds to it."""
    start, calls = problem.starts[1], 200
    value_and_grad = compiled(problem.model)[2].value_and_grad
    call = functools.partial(value_and_grad, b / start, start, problem.x, problem.y)
    return 1e6 * min(timeit.repeat(call, number=calls, repeat=9)) / calls


HEADER = """\
                       from start 1          from start 2
                     digits     calls      digits     calls      us per  compile
problem   p    n    lsq  min    f    g    lsq  min    f    g   gradient  seconds"""


def row(problem: Problem, fits: list[dict[str, Fit]], gradient_us: float, compile_seconds: float) -> str:
    """Write a line of the table; the calls are those of both solvers together."""
    line = f"{problem.name:9s} {len(problem.certified)} {len(problem.y):4d}  "
    for by_solver in fits:
        line += "".join(f"{fit.digits:5.1f}" if fit.arrived else "    -" for fit in by_solver.values())
        line += f"{sum(fit.values for fit in by_solver.values()):5d}"
        line += f"{sum(fit.gradients for fit in by_solver.values()):5d}  "
    return line + f"{gradient_us:9.2f} {compile_seconds:8.2f}"


def what_went_wrong(problem: Problem, b: Array) -> str:
    """Say where a solver ended that did not find the certified parameters."""
    with np.errstate(all="ignore"):
        ratio = np.sum((problem.model(b, problem.x) - problem.y) ** 2) / problem.residual_sum_of_squares
    if not np.isfinite(ratio):
        return "diverges: it leaves the domain of the model"
    if ratio < 1 + 1e-6:
        return "finds the same curve, the terms of its sum in another order"
    return f"{'diverges' if ratio > 2 else 'stops elsewhere'}: it ends at {ratio:.3g} times the least sum of squares"


def plot(problem: Problem, fitted: Array, folder: Path) -> None:
    """Save a picture of the data, both starts, and the fit."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise SystemExit("--plot needs matplotlib, which is not installed: pip install matplotlib") from None
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    curves = [("start 1", ":", problem.starts[0]), ("start 2", "--", problem.starts[1]), ("fit", "-", fitted)]
    x1, *others = np.atleast_2d(problem.x)
    grid = np.linspace(x1.min(), x1.max(), 500)
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    # A second predictor (Nelson's) is shown by colour: a curve for each of its values.
    for i, x2 in enumerate(np.unique(others) if others else [None]):
        here = slice(None) if x2 is None else others[0] == x2
        inputs = grid if x2 is None else np.array([grid, np.full_like(grid, x2)])
        axes.plot(x1[here], problem.y[here], ".", color=f"C{i}", label="data" if x2 is None else f"x2 = {x2:g}")
        for label, style, b in curves:
            with np.errstate(all="ignore"):
                axes.plot(grid, problem.model(b, inputs), style, color=f"C{i}", lw=1, label=None if i else label)
    low, high = problem.y.min(), problem.y.max()
    margin = 0.15 * (high - low)
    axes.set_ylim(low - margin, high + margin)  # a start may be far off the page
    axes.set_title(f"{problem.name}:  " + textwrap.fill(problem.formula, 100), fontsize="small")
    axes.set_xlabel("x1" if others else "x")
    axes.set_ylabel(problem.formula.split(" =")[0])
    axes.legend(fontsize="small")
    figure.savefig(folder / f"{problem.name}.png", dpi=110)
    plt.close(figure)


def status(text: str) -> None:
    """Say on a terminal what is being done, on a line that the next one overwrites."""
    if sys.stderr.isatty():
        print(f"\r{text:60s}\r", end="", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", action="append", metavar="NAME", help="fit only this problem (may be repeated)")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="save a picture of each problem in this folder")
    options = parser.parse_args()

    problems = read_all()
    if options.problem:
        names = [p.name for p in problems]
        if unknown := sorted(set(options.problem) - set(names)):
            parser.error(f"no problem named {', '.join(unknown)}; there are {', '.join(names)}")
        problems = [p for p in problems if p.name in options.problem]
    if options.plot:
        options.plot.mkdir(parents=True, exist_ok=True)

    print(HEADER, flush=True)
    remarks: list[str] = []
    everything: list[Fit] = []
    solved, us, seconds = 0, [], []
    for number, problem in enumerate(problems, 1):
        status(f"[{number}/{len(problems)}] {problem.name}: compiling")
        seconds.append(seconds_to_compile(problem))
        status(f"[{number}/{len(problems)}] {problem.name}: fitting")
        fits = [fit(problem, start) for start in problem.starts]
        best = max((result for by_solver in fits for result in by_solver.values()), key=lambda result: result.digits)
        us.append(microseconds_per_gradient(problem, best.b))
        status("")
        print(row(problem, fits, us[-1], seconds[-1]), flush=True)
        if options.plot:
            plot(problem, best.b, options.plot)

        solved += best.arrived
        everything += [result for by_solver in fits for result in by_solver.values()]
        remarks += [
            f"{problem.name}, start {which}: {solver} {what_went_wrong(problem, result.b)}"
            for which, by_solver in enumerate(fits, 1)
            for solver, result in by_solver.items()
            if not result.arrived
        ]

    print("\nlsq: least_squares, min: minimize, -: fewer than 6 digits:", *(remarks or ["none"]), sep="\n  ")
    lm, bfgs = everything[::2], everything[1::2]
    print(
        f"\n{solved} of {len(problems)} problems reach {DIGITS_WANTED} certified digits from at least one start "
        f"(least_squares from {sum(f.arrived for f in lm)} of {len(lm)} starts, "
        f"minimize from {sum(f.arrived for f in bfgs)}); "
        f"a gradient takes {np.median(us):.2f} us (median), compiling took {sum(seconds):.1f} s"
    )
    return 0 if solved == len(problems) else 1


if __name__ == "__main__":
    sys.exit(main())
