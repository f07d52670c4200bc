"""Second derivatives at kinks: a documented number, or NaN, the same in every mode; never a zero that is not one."""

import numpy as np
import pytest
import scipy.special

import jitdiff as jd

inf, nan = np.inf, np.nan
ZEROS = np.zeros(2)
EYE = np.eye(2)
UNKNOWN = np.full((2, 2), nan)

# Name, function to a scalar, where, its second derivatives there.
SECOND = [
    ("norm", np.linalg.norm, ZEROS, UNKNOWN),
    ("norm squared", lambda x: np.linalg.norm(x) ** 2, ZEROS, UNKNOWN),
    ("norm of one of two rows squared", lambda x: np.sum(np.linalg.norm(rows(x), axis=1) ** 2), [0.0, 2.0], None),
    ("norm of order 3 squared", lambda x: np.linalg.norm(x, 3) ** 2, ZEROS, UNKNOWN),
    ("norm of order 1.5", lambda x: np.linalg.norm(x, 1.5), ZEROS, UNKNOWN),
    ("norm of order 1 squared", lambda x: np.linalg.norm(x, 1) ** 2, ZEROS, UNKNOWN),
    ("largest squared", lambda x: np.linalg.norm(x, np.inf) ** 2, ZEROS, UNKNOWN),
    ("Frobenius squared", lambda x: np.linalg.norm(np.outer(x, x), "fro") ** 2, ZEROS, UNKNOWN),
    ("hypot squared", lambda x: np.hypot(x[0], x[1]) ** 2, ZEROS, UNKNOWN),
    ("hypot on an axis", lambda x: np.hypot(x[0], x[1]), [0.0, 2.0], [[0.5, 0.0], [0.0, 0.0]]),
    ("std squared", lambda x: np.std(x) ** 2, [1.0, 1.0], UNKNOWN),
    ("variance", np.var, [1.0, 1.0], [[0.5, -0.5], [-0.5, 0.5]]),
    ("root of a square", lambda x: np.sum(np.sqrt(x**2)), ZEROS, UNKNOWN),
    ("abs", lambda x: np.sum(np.abs(x)), ZEROS, 0.0 * EYE),
    ("abs beside others", lambda x: np.sum(np.abs(x)) + x[0] * x[1], ZEROS, 1.0 - EYE),
    ("abs squared", lambda x: np.sum(np.abs(x) ** 2), ZEROS, UNKNOWN),
    ("abs times itself", lambda x: np.sum(np.abs(x) * np.abs(x)), ZEROS, UNKNOWN),
    ("abs elsewhere", lambda x: np.sum(np.abs(x) ** 3), [-1.0, 2.0], [[6.0, 0.0], [0.0, 12.0]]),
    ("maximum", lambda x: np.sum(np.maximum(x, 0.0)), ZEROS, 0.0 * EYE),
    ("maximum squared", lambda x: np.sum(np.maximum(x, 0.0) ** 2), ZEROS, 0.5 * EYE),
    ("clip squared", lambda x: np.sum(np.clip(x, 0.0, 1.0) ** 2), ZEROS, 0.5 * EYE),
    ("max squared", lambda x: np.max(x) ** 2, ZEROS, np.full((2, 2), 0.5)),
    ("power 0", lambda x: np.sum(x**0), ZEROS, 0.0 * EYE),
    ("power 1", lambda x: np.sum(x**1), ZEROS, 0.0 * EYE),
    ("power 2", lambda x: np.sum(x**2), ZEROS, 2.0 * EYE),
    ("power 2.5", lambda x: np.sum(x**2.5), ZEROS, 0.0 * EYE),
    ("power 1.5", lambda x: x[0] ** 1.5, [0.0], [[inf]]),
    ("power of a power of 0", lambda x: x[0] ** x[1], [2.0, 0.0], [[0.0, 0.5], [0.5, np.log(2.0) ** 2]]),
    ("0 to a power above 1", lambda x: x[0] ** x[1], [0.0, 3.0], 0.0 * EYE),
    ("0 to the power 1", lambda x: x[0] ** (1.0 + x[0]), [0.0], [[-inf]]),
    ("0 to the power 1/2", lambda x: x[0] ** (0.5 + x[0] ** 2), [0.0], [[nan]]),
    ("xlogy at 0", lambda x: scipy.special.xlogy(x[0], x[1]), [0.0, 2.0], [[0.0, 0.5], [0.5, 0.0]]),
    ("where", lambda x: np.sum(np.where(x > 0, x**2, -(x**2))), ZEROS, -2.0 * EYE),
]


def rows(x):
    return np.stack([x[0] * np.array([3.0, 4.0]), x[1] * np.array([0.6, 0.8])])


def by_tapes(f):
    def hessian(x):
        x = jd.constant(x)
        with jd.GradientTape() as outer:
            outer.watch(x)
            with jd.GradientTape() as inner:
                inner.watch(x)
                y = f(x)
            gradient = inner.gradient(y, x, unconnected_gradients="zero")
        return outer.jacobian(gradient, x, unconnected_gradients="zero")

    return hessian


def by_products(f):
    return lambda x: np.stack([jd.hvp(f, (x,), (e,)) for e in np.eye(x.size)], axis=1)


MODES = {
    "hessian": jd.hessian,
    "reverse over reverse": lambda f: jd.jacrev(jd.grad(f)),
    "forward over reverse": lambda f: jd.jacfwd(jd.grad(f)),
    "products": by_products,
    "tapes": by_tapes,
}
COMPILED = {
    "hessian": lambda f: jd.hessian(jd.compile(f)),
    "reverse over reverse": lambda f: jd.jacrev(jd.grad(jd.compile(f))),
    "forward over reverse": lambda f: jd.jacfwd(jd.grad(jd.compile(f))),
}
cases = pytest.mark.parametrize(("f", "x", "expected"), [c[1:] for c in SECOND], ids=[c[0] for c in SECOND])


def check(found, expected) -> None:
    if expected is None:
        # Of the rows only the first is at a kink.
        assert np.isnan(found[0, 0])
        np.testing.assert_allclose(found[1, 1], 2.0, rtol=1e-12)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@cases
def test_second_derivatives(f, x, expected, mode) -> None:
    with np.errstate(all="ignore"):
        check(np.asarray(MODES[mode](f)(np.array(x))), expected)


@pytest.mark.parametrize("mode", COMPILED)
def test_second_derivatives_compiled(mode) -> None:
    for name, f, x, expected in SECOND:
        try:
            check(np.asarray(COMPILED[mode](f)(np.array(x))), expected)
        except AssertionError as error:
            raise AssertionError(name) from error
