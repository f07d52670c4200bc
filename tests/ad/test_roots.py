"""Powers of roots are smooth where the root is 0: right there in every mode, at first and second order."""

import numpy as np
import pytest

import jitdiff as jd
from tests.fuzz.kernels import plain_python

EQUAL = np.array([1.0, 1.0, 2.0])
ZERO = np.array([0.0, 1.0, 4.0])
PAIRS = np.triu_indices(3, 1)


def distances(x):
    return np.sqrt((x[:, None] - x[None, :]) ** 2)


def times_itself(x):
    d = distances(x)
    return np.sum(d * d * np.arange(9.0).reshape(3, 3))


def of_points(x):
    points = np.stack([x, 2.0 * x], axis=1)
    r = np.sqrt(np.sum((points[:, None, :] - points[None, :, :]) ** 2, axis=-1))
    return np.sum(np.exp(-(r**2)))


def used_twice(x):
    d = np.sqrt(x)
    return np.sum(d**2 + np.where(x > 0.5, d, 0.0) ** 3)


def in_a_loop(x):
    total = 0.0
    for i in range(25):
        total += np.sqrt(x[0] * i) ** 2 * x[1]
    return total


PROGRAMS = [
    ("square", lambda x: np.sum(distances(x) ** 2), EQUAL),
    ("tril", lambda x: np.sum(np.tril(distances(x) ** 2, -1)), EQUAL),
    ("tril between", lambda x: np.sum(np.tril(distances(x), -1) ** 2 * x), EQUAL),
    ("times itself", times_itself, EQUAL),
    ("pairs", lambda x: np.sum(distances(x)[PAIRS] ** 2 * np.array([1.0, 2.0, 3.0])), EQUAL),
    ("parts", lambda x: np.sum(distances(x)[1:, :2].T ** 2 * x[:2]), EQUAL),
    ("Gaussian", lambda x: np.sum(np.exp(-0.5 * (distances(x) / 0.7) ** 2)), EQUAL),
    ("scaled", lambda x: np.sum((np.array([2.0, 0.0, 1.0]) * distances(x) * 3.0) ** 2), EQUAL),
    ("points", of_points, EQUAL),
    ("power 4", lambda x: np.sum(np.sqrt(x) ** 4 * x), ZERO),
    ("power 2 by floats", lambda x: np.sum(np.sqrt(x) ** 2.0 * x), ZERO),
    ("used twice", used_twice, ZERO),
    ("in a loop", in_a_loop, ZERO),
]
cases = pytest.mark.parametrize(("f", "x"), [c[1:] for c in PROGRAMS], ids=[c[0] for c in PROGRAMS])


def differences(f, x, h):
    """Derivatives along every element: central differences, one-sided where those are not finite."""
    found = []
    for e in np.eye(x.size):
        d = (f(x + h * e) - f(x - h * e)) / (2 * h)
        found.append(d if np.all(np.isfinite(d)) else (f(x + h * e) - f(x)) / h)
    return np.array(found)


@pytest.mark.parametrize("wrap", [lambda f: f, jd.compile], ids=["plain", "compiled"])
@cases
def test_derivatives(f, x, wrap) -> None:
    with np.errstate(all="ignore"), plain_python():
        expected = differences(f, x, 1e-6)
        for derivative in (jd.grad, jd.jacfwd):
            np.testing.assert_allclose(derivative(wrap(f))(x), expected, rtol=1e-5, atol=1e-5)
        expected = differences(jd.grad(f), x, 1e-5)
        for second in (jd.hessian, lambda f: jd.jacrev(jd.grad(f)), lambda f: jd.jacrev(jd.jacfwd(f))):
            np.testing.assert_allclose(second(wrap(f))(x), expected, rtol=1e-4, atol=1e-4)


def test_native_code_single_precision_and_rows() -> None:
    f = jd.compile(lambda x: np.sum(np.tril(distances(x) ** 2, -1)))
    expected = np.array([-2.0, -2.0, 4.0])
    np.testing.assert_allclose(f.grad(EQUAL), expected)
    single = f.grad(EQUAL.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected)
    rows = np.stack([EQUAL, 3.0 * EQUAL])
    np.testing.assert_allclose(jd.vmap(jd.grad(f))(rows), [expected, 3.0 * expected])


def test_the_root_itself_has_an_infinite_derivative() -> None:
    with np.errstate(all="ignore"):
        for f in (np.sqrt, jd.compile(lambda t: np.sqrt(t))):
            assert jd.grad(f)(0.0) == np.inf
            assert jd.jvp(f, (0.0,), (1.0,))[1] == np.inf


def test_the_root_between_can_be_differentiated_by() -> None:
    x = jd.constant(4.0)
    with jd.GradientTape() as tape:
        tape.watch(x)
        d = np.sqrt(x)
        y = d**2
    by_root, by_x = tape.gradient(y, [d, x])
    assert (float(by_root), float(by_x)) == (4.0, 1.0)
