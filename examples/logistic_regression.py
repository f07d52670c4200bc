"""Logistic regression on a real data set: benign or malignant, from 30 measurements of cell nuclei.

    python examples/logistic_regression.py

scipy's L-BFGS calls a native value-and-gradient kernel. The kernel is compiled once: the strength of the penalty is an
argument like the weights and the data, so trying five strengths compiles nothing more.
"""

from __future__ import annotations

import functools
import timeit
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

import jitdiff as jd

Array = NDArray[np.float64]

DATA = Path(__file__).parent / "data" / "breast_cancer.csv"


@jd.compile
def loss(w: Any, X: Any, y: Any, penalty: Any) -> Any:
    """Return the mean log-loss of the labels y = +-1, plus a penalty on every weight but the intercept's."""
    return np.mean(np.log1p(np.exp(-y * (X @ w)))) + penalty * np.sum(w[1:] ** 2)


def read() -> tuple[Array, Array]:
    """Return the features, a column of ones before them, and the labels: +1 benign, -1 malignant."""
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    features, benign = table[:, :-1], table[:, -1]
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    return np.column_stack([np.ones(len(table)), features]), 2 * benign - 1


def accuracy(w: Array, X: Array, y: Array) -> float:
    return float(np.mean(np.sign(X @ w) == y))


def check_gradient(w: Array, *data: Any) -> None:
    """Compare the gradient along a direction with a central difference of the value."""
    direction = np.random.default_rng(0).normal(size=w.size)
    step = 1e-5
    difference = (loss(w + step * direction, *data) - loss(w - step * direction, *data)) / (2 * step)
    slope = loss.grad(w, *data) @ direction
    print(f"slope {slope:.10f}, by central difference {difference:.10f}")
    if not abs(slope - difference) < 1e-8:
        raise SystemExit("the gradient is wrong")


def main() -> None:
    X, y = read()
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:400], order[400:]
    X_train, y_train = X[train], y[train]
    print(f"{DATA.stem}: {len(train)} rows to train on, {len(test)} to test, {X.shape[1]} weights")

    w = np.zeros(X.shape[1])
    check_gradient(w + 0.1, X_train, y_train, 0.01)
    loss.value_and_grad(w, X_train, y_train, 0.01)
    compilations = jd.cache.info().misses

    print("\npenalty  iterations  gradients    loss   train accuracy  test accuracy")
    best = 0.0
    for penalty in [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]:
        fit = minimize(
            loss.value_and_grad, w, args=(X_train, y_train, penalty), jac=True, method="L-BFGS-B",
            options={"maxiter": 1000, "gtol": 1e-6},
        )  # fmt: skip
        steepest = np.max(np.abs(loss.grad(fit.x, X_train, y_train, penalty)))
        if not (fit.success and steepest < 1e-4):
            raise SystemExit(f"no minimum with penalty {penalty}: {fit.message}, gradient {steepest:.1e}")
        scores = accuracy(fit.x, X_train, y_train), accuracy(fit.x, X[test], y[test])
        print(f"{penalty:7.0e}  {fit.nit:10d}  {fit.njev:9d}  {fit.fun:.4f}  {scores[0]:14.1%}  {scores[1]:13.1%}")
        best = max(best, scores[1])
        w = fit.x  # the next, weaker penalty starts where this one ended

    compiled_meanwhile = jd.cache.info().misses - compilations
    calls = 200
    call = functools.partial(loss.value_and_grad, w, X_train, y_train, 1e-5)
    microseconds = 1e6 * min(timeit.repeat(call, number=calls, repeat=9)) / calls
    print(f"\n{microseconds:.1f} us a value and gradient; {compiled_meanwhile} compilations during the fits")
    if compiled_meanwhile:
        raise SystemExit("the kernel was compiled again while fitting")
    if best < 0.95:
        raise SystemExit(f"the best test accuracy is {best:.1%}, expected more than 95%")


if __name__ == "__main__":
    main()
