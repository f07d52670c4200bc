"""Gradients of plain NumPy code, as it runs: the tape.

    python examples/gradient_tape.py

A tape records what is done with the values that it watches, then walks back through it. Any Python goes: loops,
branches, functions of your own. Each result below is checked.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import jitdiff as jd


def show(what: str, result: Any, expected: Any) -> None:
    """Print a result; stop if it is not what it should be."""
    print(f"{what:46s} {result if result is None else np.asarray(result).tolist()}")
    agrees = result is None if expected is None else np.allclose(result, expected, rtol=1e-14, atol=0)
    if not agrees:
        raise SystemExit(f"{what}: expected {expected}, got {result}")


def variables_and_constants() -> None:
    print("\nA variable is watched by itself; a constant when asked.")
    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y = x**2
    show("d(x^2)/dx at 2", tape.gradient(y, x), 4.0)

    c = jd.constant(2.0)
    with jd.GradientTape() as tape:
        y = c**2
    why = tape.explain(y, c)
    with warnings.catch_warnings(action="ignore", category=jd.errors.DisconnectedWarning):
        show("the same of a constant", tape.gradient(y, c), None)
    print(f"    since {why}")
    with jd.GradientTape() as tape:
        tape.watch(c)
        y = c**2
    show("the same of a watched constant", tape.gradient(y, c), 4.0)


def linear_layer() -> None:
    print("\nSources may be nested in any way, and the gradient comes back nested the same.")
    layer = {"w": jd.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), "b": jd.Variable([0.0, 0.0])}
    with jd.GradientTape() as tape:
        y = [[1.0, 2.0, 3.0]] @ layer["w"] + layer["b"]
        loss = np.mean(y**2)
    gradient = tape.gradient(loss, layer)
    show("d loss/dw of a 3x2 linear layer", gradient["w"], [[22, 28], [44, 56], [66, 84]])
    show("d loss/db", gradient["b"], [22, 28])


def persistent() -> None:
    print("\nA persistent tape answers more than once; any other says so.")
    x = jd.constant([1.0, 3.0])
    with jd.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        z = y * y
    show("dz/dx of x^4 at 1 and 3", tape.gradient(z, x), [4, 108])
    show("dy/dx of x^2", tape.gradient(y, x), [2, 6])

    with jd.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    tape.gradient(y, x)
    try:
        tape.gradient(y, x)
    except RuntimeError as error:
        print(f"asked twice: {error}")
    else:
        raise SystemExit("a second gradient of a non-persistent tape was given")


def through_an_intermediate() -> None:
    print("\nAny recorded value can be the source.")
    x = jd.constant(np.ones((2, 2)))
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = np.sum(x)
        z = y * y
    show("dz/dy of y^2, y the sum of four ones", tape.gradient(z, y), 8)


def second_derivative() -> None:
    print("\nTapes nest: the outer records how the inner computes its gradient.")
    x = jd.constant(1.0)
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = x * x * x
        first = inner.gradient(y, x)
    show("d(x^3)/dx at 1", first, 3)
    show("d2(x^3)/dx2", outer.gradient(first, x), 6)


def python_loop() -> None:
    print("\nPython's own control flow is simply run.")

    def power(x: Any, y: int) -> Any:
        result = 1.0
        for _ in range(int(y)):
            result = result * x
        return result

    gradients = jd.gradients_function(power)  # a list: one for each argument
    show("d(x^y)/dx at x = 3, y = 2", gradients(3.0, 2)[0], 6)
    show("at x = 4, y = 3", gradients(4.0, 3)[0], 48)


def compiled_under_a_tape() -> None:
    print("\nA compiled function is one differentiable step on the tape.")

    @jd.compile
    def energy(x: Any) -> Any:
        return np.sum(np.sin(x) ** 2)

    x = jd.Variable([0.5, 1.0])
    with jd.GradientTape() as tape:
        y = 3 * energy(x)
    show("d 3 energy/dx", tape.gradient(y, x), 3 * np.sin([1.0, 2.0]))


if __name__ == "__main__":
    variables_and_constants()
    linear_layer()
    persistent()
    through_an_intermediate()
    second_derivative()
    python_loop()
    compiled_under_a_tape()
    print("\nAll as they should be.")
