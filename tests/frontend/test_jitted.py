"""Functions that the user compiled with Numba, inside compiled functions: their Python functions are followed."""

import math

import numba
import numpy as np
import pytest
from numba.typed import List
from numpy.testing import assert_allclose

import jitdiff as jd
from jitdiff.errors import SettledWarning, UnsupportedError

X = np.linspace(-1.5, 2.0, 6)
SCALE = 1.5


@numba.njit
def square(x):
    return SCALE * x * x


@numba.njit("float64(float64)")
def declared(x):
    return x if x > 0.0 else 0.1 * x


@numba.njit(cache=False, fastmath=True)
def of_others(x):
    total = 0.0
    for i in range(len(x)):
        total += square(x[i]) * declared(x[i])
    return total


@numba.njit(parallel=True)
def in_parallel(x):
    total = 0.0
    for i in numba.prange(x.shape[0]):
        total += math.sin(x[i]) ** 2
    return total


@numba.njit
def filled(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = square(x[i])
    return np.sum(out * x)


@numba.njit
def with_types_of_numba(x):
    parts = List()
    for i in range(len(x)):
        parts.append(numba.float64(x[i]) * 2.0)
    total = 0.0
    for part in parts:
        total += part * part
    return total


def a_closure(factor):
    @numba.njit
    def inside(x):
        return factor * np.sum(x**3)

    return inside


@numba.vectorize
def relu(x, slope):
    if x > 0:
        return x * x
    return slope * x


@numba.vectorize(["float64(float64, float64)"])
def declared_relu(x, slope):
    return x * x if x > 0 else slope * x


@numba.guvectorize(["(float64[:], float64, float64[:])"], "(n),()->(n)")
def smooth(x, weight, out):
    out[0] = x[0]
    for i in range(1, len(x)):
        out[i] = weight * out[i - 1] + (1.0 - weight) * x[i]


@numba.guvectorize(["(float64[:], float64[:], float64[:])"], "(n),(n)->()")
def dot(x, y, out):
    out[0] = 0.0
    for i in range(len(x)):
        out[0] += x[i] * y[i]


LOSSES = {
    "njit": lambda x: np.sum(square(x)),
    "calls others": lambda x: of_others(x) + square(x[0]),
    "prange": in_parallel,
    "buffer": filled,
    "types": with_types_of_numba,
    "closure": a_closure(2.5),
    "vectorize": lambda x: np.sum(relu(x, 0.3) * x),
    "vectorize of numbers": lambda x: relu(x[0], 0.3) + relu(x[5], x[1]),
    "vectorize with signature": lambda x: np.sum(declared_relu(x, x[::-1])),
    "vectorize, broadcast": lambda x: np.sum(relu(x[:, None] * x, x[:3, None, None])),
    "guvectorize": lambda x: np.sum(smooth(x, 0.3) ** 2),
    "guvectorize, broadcast": lambda x: np.sum(smooth(np.outer(x, x), x) ** 2),
    "guvectorize to numbers": lambda x: np.sum(dot(np.outer(x, x), x) ** 2) + dot(x, x),
}


def differences(f, x, h=1e-6):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


@pytest.mark.parametrize("name", LOSSES)
def test_what_numba_compiled_is_followed(name):
    plain = LOSSES[name]
    f = jd.compile(plain)
    assert_allclose(f(X), plain(X), rtol=1e-12)
    expected = differences(plain, X)
    assert_allclose(f.grad(X), expected, rtol=1e-6, atol=1e-7)
    forward = [jd.jvp(f, (X,), (e,))[1] for e in np.eye(len(X))]
    assert_allclose(forward, expected, rtol=1e-6, atol=1e-7)


def test_other_sizes_take_the_same_program():
    def plain(x):
        return np.sum(relu(x, 0.3)) + of_others(x)

    f = jd.compile(plain)
    for n in (4, 5, 6, 7):
        x = X[:n] if n < 7 else np.linspace(-1.1, 1.0, 7)
        assert_allclose(f.grad(x), differences(plain, x), rtol=1e-6, atol=1e-7)
    assert len(f.grad.specialisations) == 2


def test_a_result_array_of_guvectorize_is_filled():
    def f(x):
        out = np.zeros(len(x))
        smooth(x, 0.3, out)
        return np.sum(out**2)

    assert_allclose(jd.compile(f).grad(X), differences(f, X), rtol=1e-6)


def test_mapping_what_numba_compiled():
    f = jd.compile(lambda x: np.sum(jd.vmap(square)(x)))
    assert_allclose(f.grad(X), 2 * SCALE * X)


@numba.cfunc("float64(float64)")
def for_c(x):
    return x * x


@numba.stencil
def neighbours(x):
    return x[0] + x[1]


@numba.experimental.jitclass([("k", numba.float64)])
class Gain:
    def __init__(self, k):
        self.k = k


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (for_c, "for_c is made by numba.cfunc"),
        (neighbours, "a function is made by numba.stencil"),
        (Gain, "Gain is made by"),
    ],
)
def test_what_is_no_python_function_any_more_is_refused_by_name(function, message):
    def f(x):
        function(x[0])
        return x[0]

    with pytest.raises(UnsupportedError, match=message) as caught:
        jd.compile(f)(X)
    assert "test_jitted.py" in str(caught.value)


def test_options_of_ufuncs_are_refused_by_name():
    with pytest.raises(UnsupportedError, match="relu: where"):
        jd.compile(lambda x: relu(x, 0.1, where=True))(X)


@numba.experimental.jitclass([("k", numba.float64), ("w", numba.float64[:])])
class Well:
    def __init__(self, k, w):
        self.k = k
        self.w = w

    def energy(self, x):
        total = 0.0
        for i in range(len(self)):
            total += self.squared(x[i]) * self[i]
        return total if total > 0.0 else 0.0 * total

    @property
    def stiffness(self):
        return 2.0 * self.k

    @staticmethod
    def squared(x):
        return x * x

    def __getitem__(self, i):
        return self.w[i]

    def __len__(self):
        return len(self.w)

    def __mul__(self, x):
        return self.k * x


USES = {
    "field": lambda well, x: well.k * np.sum(x),
    "array": lambda well, x: np.sum(well.w * x),
    "method": lambda well, x: well.energy(x),
    "property": lambda well, x: well.stiffness * np.sum(x),
    "static method": lambda well, x: np.sum(well.squared(x)),
    "operator": lambda well, x: np.sum(well * x),
    "items": lambda well, x: sum(well[i] * x[i] for i in range(len(well))),
    "bound method": lambda well, x: sum(np.sum(method(x)) for method in (well.energy, well.squared)),
}


@pytest.mark.parametrize("use", USES)
def test_instances_of_jitclasses_are_followed_as_the_class_that_was_written(use):
    well, function = Well(2.0, np.arange(1.0, 7.0)), USES[use]

    def around(x):
        return function(well, x)

    def of_both(x, well):
        return function(well, x)

    expected = numerical(around)
    for gradient in (jd.grad(around), jd.compile(around).grad):
        assert_allclose(gradient(X), expected, atol=1e-7)
    for gradient in (jd.grad(of_both), jd.compile(of_both).grad):
        assert_allclose(gradient(X, well), expected, atol=1e-7)
    assert_allclose(jd.compile(of_both)(X, well), around(X))


def numerical(f, step=1e-6):
    return [(f(X + step * e) - f(X - step * e)) / (2 * step) for e in np.eye(len(X))]


def test_fields_of_an_argument_are_read_at_each_call():
    well = Well(2.0, np.ones(6))
    f = jd.compile(lambda x, well: well.stiffness * np.sum(well.w * x))
    before = f(X, well)
    well.k, well.w = 4.0, np.full(6, 3.0)
    assert_allclose(f(X, well), 6 * before)
    assert len(f.specialisations) == 1


@pytest.mark.parametrize("name", ["k", "stiffness"])
def test_fields_of_an_instance_from_outside_are_settled(name):
    well = Well(2.0, np.ones(6))
    f = jd.compile(lambda x: getattr(well, name) * np.sum(x))
    before = f(X)
    well.k = 4.0
    with pytest.warns(SettledWarning, match=r"well\.k has changed from 2\.0 to 4\.0"):
        f.grad(X)
    assert f(X) == 2 * before


@pytest.mark.parametrize("run", [jd.grad, jd.compile], ids=["eager", "compiled"])
def test_fields_take_no_values_that_are_followed(run):
    well = Well(2.0, np.ones(6))

    def f(x):
        well.k = x[0]
        return well.k * np.sum(x)

    with pytest.raises(UnsupportedError, match="the field k of a Well, which jitclass made, takes plain numbers"):
        run(f)(X)
    assert well.k == 2.0


def test_fields_are_not_set_in_traced_branches():
    well = Well(2.0, np.ones(6))

    def f(x):
        if x[0] > 0.0:
            well.k = 3.0
        return well.k * np.sum(x)

    with pytest.raises(UnsupportedError, match="the field k of a Well, which jitclass made, is set in a traced branch"):
        jd.compile(f)(X)
