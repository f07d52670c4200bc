"""Arrays that a function makes and fills: in NumPy's many ways of making one."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import TracingError
from tests.frontend.agree import agrees_in_every_mode

X = np.linspace(0.3, 1.7, 5)
OUTSIDE = np.linspace(1.0, 2.0, 5)
SHAPE = (2, 5)

MAKERS = {
    "ndarray": lambda x: np.ndarray(5),
    "ndarray of a shape": lambda x: np.ndarray(shape=x.shape, dtype=np.float64),
    "ndarray by position": lambda x: np.ndarray((5,), float, None, 0, None, "F"),
    "empty": lambda x: np.empty(x.shape[0]),
    "empty like": lambda x: np.empty_like(x),
    "empty like an array from outside": lambda x: np.empty_like(OUTSIDE),
    "zeros like an array from outside": lambda x: np.zeros_like(OUTSIDE),
    "ones like an array from outside": lambda x: np.ones_like(OUTSIDE),
    "full like an array from outside": lambda x: np.full_like(OUTSIDE, 2.0),
    "zeros of an outside shape": lambda x: np.zeros(OUTSIDE.shape),
    "a row of zeros of an outside shape": lambda x: np.zeros(SHAPE)[1],
    "copy": lambda x: OUTSIDE.copy(),
    "copy of": lambda x: np.copy(OUTSIDE),
    "array of": lambda x: np.array(OUTSIDE),
    "astype": lambda x: OUTSIDE.astype(float),
    "arange": lambda x: np.arange(5.0),
    "linspace": lambda x: np.linspace(0, 1, 5),
    "tile": lambda x: np.tile([1.0], 5),
    "full of nan": lambda x: np.full(5, np.nan),
    "list": lambda x: [0.0] * 5,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_filled_in_a_loop_and_by_elements(make):
    def f(x):
        y = make(x)
        for i in range(5):
            y[i] = x[i] ** 2
        y[0] = y[0] * y[1]
        return np.sum(np.array(y) * x)

    agrees_in_every_mode(f, X)


def test_made_in_a_loop():
    def f(x):
        s = 0.0
        for i in range(20):
            y = np.ndarray((2, 3))
            y[0] = x[:3] * i
            y[1, :2] = x[0]
            y[1, 2] = 1.0
            s += np.sum(y**2)
        return s

    agrees_in_every_mode(f, X)


def test_any_size():
    @jd.compile
    def f(x):
        y = np.ndarray(len(x))
        y[:] = x**2
        return np.sum(y)

    for n in (3, 4, 5, 6):
        np.testing.assert_allclose(jd.grad(f)(np.ones(n)), 2 * np.ones(n))
    assert len(f.specialisations) <= 2


def test_arrays_of_objects_are_refused():
    @jd.compile
    def f(x):
        y = np.empty(2, dtype=object)
        y[0] = x
        return np.sum(y[0])

    with pytest.raises(TracingError, match="an array of objects"):
        f(X)
