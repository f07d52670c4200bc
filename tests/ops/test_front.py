"""SciPy's plain functions answer handles, and everybody else as before."""

import inspect

import numpy as np
import pytest
import scipy.special
from scipy.special import log_softmax, logsumexp, softmax

import jitdiff as jd
from jitdiff.ops.table import FUNCTIONS


def test_arrays_get_what_scipy_gives():
    x = np.array([[1.0, 2.0], [3.0, 1000.0]])
    np.testing.assert_array_equal(logsumexp(x, axis=1), [2 + np.log1p(np.exp(-1.0)), 1000.0])
    assert logsumexp([0.0, 0.0]) == np.log(2)
    with pytest.raises(TypeError):
        logsumexp(x, nonsense=1)


def test_the_function_stays_what_it_was():
    assert scipy.special.logsumexp is logsumexp
    assert logsumexp.__name__ == "logsumexp"
    assert "axis" in inspect.signature(logsumexp).parameters
    assert logsumexp.__doc__


@pytest.mark.parametrize(
    "function", [logsumexp, lambda x: np.sum(softmax(x) ** 2), lambda x: np.sum(log_softmax(x)[:1])]
)
def test_handles_are_differentiated(function):
    x = np.array([0.5, -1.0, 2.0])
    want = [(function(x + h) - function(x - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(jd.grad(function)(x), want, rtol=1e-7, atol=1e-9)


def test_every_function_of_the_table_dispatches_or_has_a_door():
    plain = [f for f in FUNCTIONS if inspect.isfunction(f) and f.__closure__ is not None]
    assert plain == []
