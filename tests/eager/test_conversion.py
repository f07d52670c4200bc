"""Plain functions under transforms: what they compute is followed as in compiled code, or refused by name."""

import functools
import itertools
import math
import operator
from collections import namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special
import scipy.stats

import jitdiff as jd
from jitdiff.errors import UnsupportedError
from tests.frontend.agree import differences

MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])
X = np.array([0.4, 0.7])

Pair = namedtuple("Pair", "first second")


def helper(x):
    return math.exp(x[0]) * np.array([x[0], x[1]]).sum()


def scaled(x, *, by=2.0):
    return float(x) * by


class Model:
    def __init__(self, x):
        self.total = math.sqrt(x[0]) + float(x[1])

    def value(self, x):
        buffer = np.zeros(2)
        buffer[:] = x * self.total
        return buffer

    def __call__(self, x):
        return self.value(x).sum()


@dataclass
class Scale:
    factor: float
    squared: float = field(init=False)

    def __post_init__(self):
        self.squared = math.pow(self.factor, 2.0)


@functools.singledispatch
def kind(x):
    raise TypeError


@kind.register
def _(x: np.ndarray):
    return np.sum(np.array([x[0], x[1]]))


@functools.lru_cache
def cached(x):
    return math.cos(x)


def generated(x):
    for row in x:
        yield math.sin(row)


def buffer_by_arithmetic(x):
    y = MATRIX[0] * 0.0
    y[0] = x[1]
    y += x
    return np.sum(y**2)


def buffer_through_a_view(x):
    y = np.zeros((2, 2))
    row = y[1]
    row[:] = x
    return np.sum(y * MATRIX)


def buffer_given_to_a_function(x):
    def fill(out):
        out[1] = x[0] * x[1]

    y = np.ones_like(MATRIX[0])
    fill(y)
    return np.sum(y * x)


def loop_over_rows(x):
    rows = []
    for v in x:
        row = [float(v), math.sin(v)]
        rows.append(row)
    return np.sum(np.array(rows) ** 2)


def constant_work(x):
    grid = np.linspace(0.0, 1.0, 5)
    weights = np.diff(grid) / grid[1:].max()
    return np.sum(weights) * x[0] * x[1]


SAME = {
    "array of numbers": lambda x: np.sum(np.array([x[0], x[1]]) ** 2) + np.sum(x),
    "array of arrays": lambda x: np.sum(np.asarray([x, 2.0 * x]) @ x),
    "array with dtype": lambda x: np.sum(np.array([x[0], 1], dtype=float) * x),
    "array of array": lambda x: np.sum(np.array(x) * np.asarray(x, dtype=np.float64)),
    "comprehension": lambda x: np.sum(np.array([v * v for v in x])),
    "generator": lambda x: np.sum(np.fromiter((v * v for v in x), float)),
    "math": lambda x: math.sqrt(x[0]) + math.log(x[1], 3.0) + math.hypot(x[0], x[1], 2.0) + math.fsum(x),
    "math of sequences": lambda x: math.prod(x) + math.dist(x, (1.0, 2.0)) + sum(math.modf(x[0] * 5.0)),
    "more math": lambda x: math.erf(x[0]) + math.atan2(x[0], x[1]) + math.degrees(x[0]) + math.copysign(x[1], -1.0),
    "float": lambda x: float(x[0]) * x[1] + float(np.sum(x)) ** 2,
    "item and tolist": lambda x: x.sum().item() * x.item(0) + sum(v * v for v in x.tolist()),
    "NumPy scalars": lambda x: np.float64(x[0]) * x[1] + np.float64(np.float32(0.5)) * x[0],
    "full": lambda x: np.sum(np.full(3, x[0]) * np.full((2, 3), x[1])),
    "functions of lists": lambda x: np.sum([x[0], x[1]]) + np.max([x[0], 2.0 * x[1]]) + np.dot([x[0], 1.0], x),
    "norm of a list": lambda x: np.linalg.norm([x[0], 3.0 * x[1]]) + np.mean((x[0], x[1])),
    "concatenation of lists": lambda x: np.sum(np.concatenate([[x[0], 1.0], x]) * np.hstack([x, [x[0], x[1]]])),
    "r_ and c_": lambda x: np.sum(np.r_[x, 2.0 * x[0]] ** 2) + np.sum(np.c_[x, x**2] @ x),
    "append and cumsum": lambda x: np.sum(np.append([x[0]], [x[1]]) ** 2) + np.sum(np.cumsum([x[0], x[1]])),
    "where of lists": lambda x: np.sum(np.where([True, False], [x[0], x[1]], [1.0, x[0]])),
    "method of a plain array": lambda x: np.sum(MATRIX.dot(x) * x),
    "vectorize": lambda x: np.sum(np.vectorize(lambda t, s: math.sin(t) * s if t > 0.5 else t)(x, 2.0)),
    "map and reduce": lambda x: functools.reduce(operator.add, map(math.exp, x)) + sum(map(scaled, x)),
    "accumulate": lambda x: sum(itertools.accumulate(x, lambda a, b: math.exp(a) * b)),
    "sorted": lambda x: sorted(x, key=lambda v: -v)[0] ** 2,
    "min and max": lambda x: max(x[0], x[1]) * min([x[0], x[1], 3.0]) + max(x),
    "a helper": helper,
    "partial": lambda x: functools.partial(scaled, by=3.0)(x[0]) * x[1],
    "a class": lambda x: Model(x)(x),
    "a dataclass": lambda x: Scale(x[0]).squared * x[1],
    "a namedtuple": lambda x: Pair(math.exp(x[0]), x[1]).first * x[1],
    "single dispatch": lambda x: kind(x) * x[0],
    "a cache": lambda x: cached(x[0]) * x[1],
    "a generator function": lambda x: sum(generated(x)),
    "isinstance": lambda x: np.sum(x) if isinstance(x, np.ndarray) and isinstance(x[0], float) else 0.0 * x[0],
    "type": lambda x: x[0] * x[1] if type(x) is np.ndarray else x[0],
    "text": lambda x: x[0] * x[1] if f"{x[0]:.1f} %.1f" % x[1] else x[0],
    "buffer by arithmetic": buffer_by_arithmetic,
    "buffer through a view": buffer_through_a_view,
    "buffer given to a function": buffer_given_to_a_function,
    "loop over rows": loop_over_rows,
    "constant work": constant_work,
}
same = pytest.mark.parametrize("name", SAME)


@same
def test_gradient_is_right(name) -> None:
    f = SAME[name]
    value, gradient = jd.value_and_grad(f)(X)
    np.testing.assert_allclose(value, f(X), rtol=1e-13)
    np.testing.assert_allclose(gradient, differences(f, X), rtol=1e-7, atol=1e-8)


@same
def test_modes_agree(name) -> None:
    f = SAME[name]
    gradient = jd.grad(f)(X)
    np.testing.assert_allclose(jd.jacfwd(f)(X), gradient, rtol=1e-12)
    np.testing.assert_allclose(jd.jvp(f, (X,), (np.ones(2),))[1], gradient.sum(), rtol=1e-12)
    np.testing.assert_allclose(jd.gradients_function(f)(X)[0].numpy(), gradient, rtol=1e-12)
    np.testing.assert_allclose(jd.grad(jd.checkpoint(f))(X), gradient, rtol=1e-12)
    np.testing.assert_allclose(jd.vmap(jd.grad(f))(np.stack([X, X]))[1], gradient, rtol=1e-12)
    np.testing.assert_allclose(jd.jacobian(jd.grad(f))(X), jd.hessian(f)(X), rtol=1e-10, atol=1e-12)


ORDER_OR_TEXT = ("sorted", "text")
"""Programs that ask for numbers which no compiled function has until it runs."""


@pytest.mark.parametrize("name", [name for name in SAME if name not in ORDER_OR_TEXT])
def test_compiled_gradient_is_the_same(name) -> None:
    f = SAME[name]
    np.testing.assert_allclose(jd.compile(f).grad(X), jd.grad(f)(X), rtol=1e-11)


@pytest.mark.parametrize("name", ORDER_OR_TEXT)
def test_what_needs_numbers_is_refused_when_compiled(name) -> None:
    with pytest.raises(jd.errors.TracingError, match=r"test_conversion\.py"):
        jd.compile(SAME[name])(X)


def test_arguments_stay_as_they_are() -> None:
    def f(x, out, more):
        out[:] = x * x
        more["a"][0] += x[0]
        return np.sum(out) + np.sum(more["a"])

    out, more = np.zeros(2), {"a": np.ones(2)}
    np.testing.assert_allclose(jd.grad(f)(X, out, more), 2.0 * X + [1.0, 0.0])
    assert out.tolist() == [0.0, 0.0]
    assert more["a"].tolist() == [1.0, 1.0]


LEAVING = {
    "scipy.stats.norm.logpdf": lambda x: np.sum(scipy.stats.norm.logpdf(x)),
    "scipy.special.gamma": lambda x: np.sum(scipy.special.gamma(x)),
    "scipy.linalg.toeplitz": lambda x: np.sum(scipy.linalg.toeplitz(x)),
    "scipy.integrate.trapezoid": scipy.integrate.trapezoid,
    "numpy.unwrap": lambda x: np.sum(np.unwrap(x)),
    "numpy.arange": lambda x: np.sum(np.arange(x[0])),
    "math.gamma": lambda x: math.gamma(x[0]),
    "numpy.poly1d": lambda x: np.poly1d(x)(2.0),
}
leaving = pytest.mark.parametrize("name", LEAVING)


@leaving
def test_what_takes_plain_numbers_is_refused_by_name(name) -> None:
    f = LEAVING[name]

    def beside(x):
        return f(x) + np.sum(x)

    for transform in (
        lambda: jd.grad(beside)(X),
        lambda: jd.jvp(beside, (X,), (X,)),
        lambda: jd.hessian(beside)(X),
        lambda: jd.gradients_function(beside)(X),
        lambda: jd.vmap(jd.grad(beside))(np.stack([X, X])),
    ):
        with pytest.raises(UnsupportedError) as caught:
            transform()
        text = str(caught.value)
        assert name in text
        assert "test_conversion.py" in text
        assert "hint: " in text


@leaving
def test_compiled_code_refuses_it_by_name_too(name) -> None:
    with pytest.raises(TypeError) as caught:
        jd.compile(LEAVING[name])(X)
    assert name in str(caught.value)
    assert "test_conversion.py" in str(caught.value) or name == "scipy.integrate.trapezoid"


@leaving
def test_a_stopped_value_leaves(name) -> None:
    f = LEAVING[name]
    np.testing.assert_array_equal(jd.grad(lambda x: f(jd.stop_gradient(x)) * 0.0 + np.sum(x))(X), [1.0, 1.0])


def without_source(text):
    scope = {"math": math, "np": np}
    exec(text, scope)
    return scope["f"]


@pytest.mark.parametrize(
    "text",
    [
        "def f(x): return math.sqrt(x[0]) + x[1]",
        "def f(x): return np.sum(np.array([x[0], x[1]])) + x[1]",
        "def f(x):\n  B = np.zeros(2)\n  B[0] = x[0]\n  return np.sum(B * x)",
        "def f(x): return float(x[0]) * x[1]",
        "def f(x):\n  B = np.zeros(2)\n  B += x\n  return np.sum(B * x)",
    ],
)
def test_code_without_source_is_refused_where_values_leave(text) -> None:
    with pytest.raises(jd.errors.JitdiffError):
        jd.grad(without_source(text))(X)
    np.testing.assert_allclose(jd.grad(without_source("def f(x): return np.sum(x * x)"))(X), 2.0 * X)


def test_values_do_not_leave_by_pickle_or_as_read_only_numbers() -> None:
    import pickle

    with pytest.raises(UnsupportedError, match=r"pickle\.dumps"):
        jd.grad(lambda x: np.sum(pickle.loads(pickle.dumps(x))) + np.sum(x))(X)
    with pytest.raises(UnsupportedError, match="value"):
        jd.grad(lambda x: np.sum(x.value * x))(X)


def test_objects_stay_themselves() -> None:
    class Gain:
        def __init__(self, s):
            self.s = s

        def __call__(self, x):
            return self.s * x

    class Amplifier:
        def __init__(self):
            self.gain = Gain(2.0)

        def part(self, name):
            if name == "gain":
                return self.gain
            return None

    def f(q):
        m = Amplifier()
        g = m.part("gain")
        g.s = q
        return m.gain(3.0) if g is m.gain else 0.0 * q

    assert (f(2.0), jd.grad(f)(2.0)) == (6.0, 3.0)
    assert (jd.compile(f)(2.0), jd.compile(f).grad(2.0)) == (6.0, 3.0)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x[np.nonzero(x > 0)] ** 2),
        lambda x: np.sum(x[x.nonzero()] ** 2),
        lambda x: np.sum(x[np.flatnonzero(x > 0)] ** 2),
        lambda x: np.sum(x[np.argwhere(x > 0)[:, 0]] ** 2),
        lambda x: np.sum(x[np.where(x > 0)] ** 2) * np.where(x > 0)[0][1],
        lambda x: np.sum(x * np.searchsorted([0.5, 1.5], x)),
        lambda x: np.sum(x * np.digitize(x, [0.5, 1.5])),
        lambda x: np.sum(x[np.lexsort((x,))] * np.arange(3)),
        lambda x: np.sum(x[np.argpartition(x, 1)][:1] ** 2),
        lambda x: np.sum(x * np.isin(x, [7.0])) + np.sum(x * np.isreal(x)),
    ],
)
def test_positions_in_eager_code_are_numbers(f) -> None:
    x = np.array([1.0, -2.0, 3.0])
    slopes = differences(f, x)
    np.testing.assert_allclose(jd.grad(f)(x), slopes, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(jd.jvp(f, (x,), (x,))[1], np.dot(slopes, x), rtol=1e-6)
