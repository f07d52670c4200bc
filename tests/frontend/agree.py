"""Whether a function means the same compiled as in plain NumPy: its value, its gradient, its directional derivative."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.testing import assert_allclose

import jitdiff as jd


def differences(function: Callable[..., Any], x: Any, *rest: Any, step: float = 1e-6) -> Any:
    """Return the gradient by `x` of the sum of the elements of a function, by central differences."""
    x = np.asarray(x, float)
    found = np.zeros(x.shape)
    for k in np.ndindex(*x.shape):
        moved = np.zeros(x.shape)
        moved[k] = step
        up, down = ((np.array(y) if y.ndim else float(y)) for y in (x + moved, x - moved))
        found[k] = (np.sum(function(up, *rest)) - np.sum(function(down, *rest))) / (2 * step)
    return found


def agrees(function: Callable[..., Any], x: Any, *rest: Any) -> Callable[..., Any]:
    """Check a function of floats `x`, compiled, against NumPy and differences; return it compiled."""
    compiled = jd.compile(function)
    wanted = function(np.array(x) if np.ndim(x) else x, *rest)
    for _ in range(2):
        found = compiled(x, *rest)
        assert np.shape(found) == np.shape(wanted)
        assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    slopes = differences(function, x, *rest)
    total = jd.compile(lambda x, *rest: np.sum(function(x, *rest)))
    gradient = jd.grad(total)(x, *rest)
    assert np.shape(gradient) == np.shape(x)
    assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-6)
    direction = np.cos(np.arange(np.size(x), dtype=float)).reshape(np.shape(x))[()]
    tangent = jd.jvp(lambda x: total(x, *rest), (x,), (direction,))[1]
    assert_allclose(tangent, np.sum(gradient * direction), rtol=1e-10, atol=1e-10)
    return compiled


def second_derivatives_agree(function: Callable[..., Any], x: Any, rtol: float = 1e-6) -> None:
    """Check products of the Hessian of a function, plain and compiled, against differences of the gradient."""
    v = np.cos(np.arange(x.size))
    step = 1e-6
    slope = jd.grad(jd.compile(function))
    want = (slope(x + step * v) - slope(x - step * v)) / (2 * step)
    for f in (function, jd.compile(function)):
        assert_allclose(jd.hvp(f, (x,), (v,)), want, rtol=rtol, atol=1e-6)


def agrees_in_every_mode(function: Callable[..., Any], x: Any, *rest: Any) -> Callable[..., Any]:
    """Check a function as `agrees` does, and the gradient of the plain function too; return it compiled."""
    compiled = agrees(function, x, *rest)
    total = jd.compile(lambda x, *rest: np.sum(function(x, *rest)))
    eager = jd.grad(lambda x, *rest: np.sum(function(x, *rest)))(x, *rest)
    assert_allclose(eager, jd.grad(total)(x, *rest), rtol=1e-10, atol=1e-12)
    return compiled
