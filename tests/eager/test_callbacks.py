"""Custom rules around functions that jitdiff cannot follow: compiled code calls them back."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
import scipy.optimize
import scipy.special

import jitdiff as jd
from jitdiff.errors import DifferentiationError, JitdiffError, ShapeError
from tests.frontend.agree import differences

X = np.array([1.3, 2.5])


def _gamma_slope(x: Any) -> Any:
    return scipy.special.gamma(x) * scipy.special.digamma(x)


by_vjp = jd.custom_vjp(scipy.special.gamma)
by_vjp.defvjp(lambda x: (scipy.special.gamma(x), (x, None)), lambda r, g: (g * _gamma_slope(r[0]),))

by_jvp = jd.custom_jvp(lambda x: scipy.special.gamma(x))
by_jvp.defjvp(lambda p, t: (scipy.special.gamma(p[0]), t[0] * _gamma_slope(p[0])))


@jd.custom_gradient
def by_gradient(x: Any) -> Any:
    return scipy.special.gamma(x), lambda g: g * _gamma_slope(x)


def _root(a: Any) -> Any:
    return scipy.optimize.brentq(lambda y: y**3 + y - a, -10, 10)


root = jd.custom_vjp(_root)
root.defvjp(lambda a: (_root(a), _root(a)), lambda y, g: (g / (3 * y**2 + 1),))

area = jd.custom_vjp(lambda a: scipy.integrate.quad(lambda t: math.exp(-a * t * t), 0, 1)[0])
area.defvjp(
    lambda a: (area.fun(a), {"a": a}),
    lambda r, g: (g * scipy.integrate.quad(lambda t: -t * t * math.exp(-r["a"] * t * t), 0, 1)[0],),
)


def _solved(p: Any) -> Any:
    """Return the end of a trajectory, of which each element depends on both parameters."""
    run = scipy.integrate.solve_ivp(
        lambda t, y: [p[0] * y[1], -p[1] * y[0]], (0, 1), [1.0, 0.5], rtol=1e-10, atol=1e-12
    )
    return run.y[:, -1]


def _slopes(p: Any) -> Any:
    return np.array([(_solved(p + h) - _solved(p - h)) / 2e-5 for h in 1e-5 * np.eye(2)])


solved = jd.custom_vjp(_solved)
solved.defvjp(lambda p: (_solved(p), _slopes(p)), lambda slopes, g: (slopes @ g,))

spline = jd.custom_vjp(lambda x, knots: scipy.interpolate.CubicSpline(knots, knots**2)(x), nondiff_argnums=(1,))
spline.defvjp(
    lambda x, knots: (spline.fun(x, knots), x),
    lambda knots, x, g: (g * scipy.interpolate.CubicSpline(knots, knots**2)(x, 1),),
)

PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "vjp": lambda x: np.sum(by_vjp(x) * x),
    "jvp": lambda x: np.sum(by_jvp(x) * x),
    "gradient": lambda x: np.sum(by_gradient(x) * x),
    "a root": lambda x: root(x[0] * 2.0) * x[1],
    "an integral": lambda x: area(x[0]) * x[1] ** 2,
    "a trajectory": lambda x: np.sum(solved(x * x) * np.array([1.0, 3.0])),
    "a spline": lambda x: np.sum(spline(x, np.linspace(0.0, 4.0, 9)) ** 2),
    "in a loop": lambda x: sum(root(x[0] * i) for i in range(4)) + x[1],
    "in a branch": lambda x: root(x[0]) * x[1] if x[0] > 1.0 else x[1],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_rules_around_outside_functions_work_in_every_mode(name: str) -> None:
    f = PROGRAMS[name]
    value, slopes = f(X), differences(f, X, step=1e-5)
    compiled, direction = jd.compile(f), np.array([1.0, 10.0])
    for run in (f, compiled):
        np.testing.assert_allclose(run(X), value, rtol=1e-12)
        np.testing.assert_allclose(jd.grad(run)(X), slopes, rtol=1e-5)
        np.testing.assert_allclose(jd.jvp(run, (X,), (direction,))[1], slopes @ direction, rtol=1e-5)
        np.testing.assert_allclose(jd.jacrev(run)(X), slopes, rtol=1e-5)
        np.testing.assert_allclose(jd.vmap(run)(np.stack([X, X])), [value, value], rtol=1e-12)
    with jd.GradientTape() as tape:
        x = jd.Variable(X)
        y = f(x)
    np.testing.assert_allclose(tape.gradient(y, x), slopes, rtol=1e-5)


def test_programs_with_callbacks_serve_sizes_and_dtypes() -> None:
    compiled = jd.compile(PROGRAMS["vjp"])
    for x in (X, np.array([1.5, 2.5, 3.5]), np.array([[0.7]]), np.empty(0), X.astype(np.float32)):
        want = by_vjp.fun(x) + x * _gamma_slope(x)
        found = compiled.grad(x)
        np.testing.assert_allclose(found, want, rtol=1e-5)
        assert found.dtype == x.dtype


def test_exceptions_of_a_function_that_is_called_back_reach_the_caller() -> None:
    with pytest.raises(ValueError, match="different signs"):
        jd.compile(PROGRAMS["a root"])(np.array([1e9, 1.0]))
    np.testing.assert_allclose(jd.compile(PROGRAMS["a root"])(X), PROGRAMS["a root"](X))


def test_a_function_that_changes_its_shape_is_refused() -> None:
    chosen = jd.custom_vjp(lambda x: np.asarray(memoryview(np.array(x)))[np.asarray(x) > 1.0])
    chosen.defvjp(lambda x: (chosen.fun(x), x), lambda x, g: (np.where(x > 1.0, 1.0, 0.0),))
    with pytest.raises(ShapeError, match="made-up numbers"):
        jd.compile(lambda x: np.sum(chosen(x)))(X)


def test_the_rule_of_a_callback_has_no_derivative_itself() -> None:
    with pytest.raises(JitdiffError):
        jd.hessian(PROGRAMS["an integral"])(X)
    with pytest.raises(DifferentiationError, match="called back from compiled code"):
        jd.hessian(jd.compile(PROGRAMS["an integral"]))(X)


def test_rules_of_rules_have_derivatives() -> None:
    slope = jd.custom_vjp(_gamma_slope)
    slope.defvjp(
        lambda x: (_gamma_slope(x), x),
        lambda x, g: (g * scipy.special.gamma(x) * (scipy.special.digamma(x) ** 2 + scipy.special.polygamma(1, x)),),
    )
    gamma = jd.custom_vjp(scipy.special.gamma)
    gamma.defvjp(lambda x: (gamma(x), x), lambda x, g: (g * slope(x),))
    want = scipy.special.gamma(1.3) * (scipy.special.digamma(1.3) ** 2 + scipy.special.polygamma(1, 1.3))
    np.testing.assert_allclose(jd.hessian(gamma)(1.3), want)
    np.testing.assert_allclose(jd.hessian(jd.compile(lambda x: gamma(x)))(1.3), want)


def test_programs_with_callbacks_stay_in_their_process() -> None:
    compiled = jd.compile(lambda x: area(x) * 2.0)
    compiled(1.5)
    with pytest.raises(JitdiffError, match="cannot be pickled"):
        pickle.dumps(compiled)


def _closing(kind: str) -> Callable[[Any], Any]:
    def f(p: Any) -> Any:
        c = p[0] * 1.0
        g: Any
        if kind == "vjp":
            g = jd.custom_vjp(lambda a: a * a * c)
            g.defvjp(lambda a: (a * a * c, a), lambda a, t: (2 * a * t * c,))
        elif kind == "jvp":
            g = jd.custom_jvp(lambda a: a * a * c)
            g.defjvp(lambda p, t: (p[0] ** 2 * c, 2 * p[0] * t[0] * c))
        else:
            g = jd.custom_gradient(lambda a: (a * a * c, lambda t: 2 * a * t * c))
        return g(p[1])

    return f


@pytest.mark.parametrize("kind", ["vjp", "jvp", "gradient"])
def test_rules_say_nothing_of_what_is_read_from_around(kind: str) -> None:
    f = _closing(kind)
    for run in (
        jd.grad(f),
        jd.compile(f).grad,
        jd.hessian(f),
        lambda x: jd.jvp(f, (x,), (x,)),
        lambda x: jd.jvp(jd.compile(f), (x,), (x,)),
    ):
        with pytest.raises(JitdiffError, match="from around it that is differentiated too"):
            run(X)
    x = jd.Variable(X)
    with jd.GradientTape() as tape:
        y = f(x)
    with pytest.warns(jd.errors.DisconnectedWarning, match="reads it from around it"):
        tape.gradient(y, x)


PROCESS = """
import numpy as np, scipy.special, jitdiff as jd
from tests.eager.test_callbacks import PROGRAMS, X
print(jd.compile(PROGRAMS["vjp"]).grad(X).tolist())
"""


def test_programs_with_callbacks_are_cached(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JITDIFF_CACHE_DIR", str(tmp_path / "cache"))
    options: Any = {"check": True, "capture_output": True, "cwd": Path(__file__).parents[2]}
    runs = [subprocess.run([sys.executable, "-c", PROCESS], **options) for _ in range(2)]
    found = {run.stdout for run in runs}
    assert len(found) == 1
    np.testing.assert_allclose(eval(found.pop()), by_vjp.fun(X) + X * _gamma_slope(X))
