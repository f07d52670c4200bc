"""Types as code asks for them, and handlers of exceptions: followed values answer as NumPy's would."""

from __future__ import annotations

import contextlib
import copy
import functools
import numbers
from collections import abc
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import JitdiffError, TracingError, UnsupportedError
from tests.frontend.agree import differences

X = np.array([1.0, -2.0, 3.0])


def by_builtin_pattern(v: Any) -> int:
    match v:
        case int():
            return 4
        case float(number) if number is not None:
            return 1
        case np.ndarray():
            return 2
        case _:
            return 3


def by_numpy_pattern(v: Any) -> int:
    match v:
        case bool() | np.integer():
            return 1
        case np.floating() | abc.Sized() as found if found is v:
            return 2 + np.ndim(found)
        case _:
            return 7


def by_abstract_pattern(v: Any) -> int:
    match [v, {"a": v}]:
        case [Real(), {"a": numbers.Number()}]:
            return 1
        case [abc.Iterable(), {"a": np.ndarray(ndim=1)}]:
            return 2
        case _:
            return 3


def by_length(v: Any) -> int:
    try:
        return len(v)
    except TypeError:
        return 50


def by_iteration(v: Any) -> int:
    try:
        iter(v)
    except TypeError:
        return 50
    return 20


def by_element(v: Any) -> int:
    try:
        return 7 if v[0] is not None else 8
    except (TypeError, IndexError):
        return 50


def by_conversion(v: Any) -> int:
    try:
        return 7 if float(v) is not None else 8
    except TypeError:
        return 50


def by_attribute(v: Any) -> int:
    try:
        return int(v.units)
    except AttributeError:
        return 50


def by_shape(v: Any) -> int:
    try:
        v + np.ones(7)
    except ValueError:
        return 50
    return 8


@functools.singledispatch
def dispatched(v: Any) -> int:
    return 1


@dispatched.register(float)
def _of_float(v: Any) -> int:
    return 2


@dispatched.register(np.ndarray)
def _of_array(v: Any) -> int:
    return 3


QUESTIONS: list[Callable[[Any], Any]] = [
    by_builtin_pattern,
    by_numpy_pattern,
    by_abstract_pattern,
    by_length,
    by_iteration,
    by_element,
    by_conversion,
    by_attribute,
    by_shape,
    dispatched,
    np.isscalar,
    np.iterable,
    np.iscomplexobj,
    np.isrealobj,
    callable,
    lambda v: hasattr(v, "__len__"),
    lambda v: hasattr(v, "__iter__"),
    lambda v: hasattr(v, "shape"),
    lambda v: hasattr(v, "numpy"),
    lambda v: hasattr(v, "value"),
    lambda v: hasattr(v, "type"),
    lambda v: hasattr(v, "read"),
    lambda v: getattr(v, "value", 5),
    lambda v: getattr(v, "ndim", 9),
    lambda v: isinstance(v, numbers.Number),
    lambda v: isinstance(v, float | int),
    lambda v: isinstance(v, (list, np.ndarray)),
    lambda v: isinstance(v, abc.Iterable),
    lambda v: isinstance(v, abc.Sized),
    lambda v: isinstance(v, abc.Hashable),
    lambda v: isinstance(v, abc.Sequence),
    lambda v: isinstance(v, np.generic),
    lambda v: type(v) is np.ndarray,
    lambda v: type(v) in (float, np.float64),
    lambda v: v.__class__ is np.ndarray,
    lambda v: issubclass(v.__class__, float),
    lambda v: len(type(v).__name__),
    lambda v: type([v]) is list and [v].__class__ is list,
    lambda v: isinstance(copy.deepcopy(v), np.ndarray),
    lambda v: sum(map(np.isscalar, [v, 1.0])),
    lambda v: len(list(filter(np.isscalar, [v, "a"]))),
    lambda v: isinstance(len(np.atleast_1d(v)), int) and type(len(np.atleast_1d(v))) is int,
]


@pytest.mark.parametrize("k", range(len(QUESTIONS)))
@pytest.mark.parametrize("part", ["an array", "an element"])
def test_types_are_those_of_numpy(k: int, part: str) -> None:
    ask = QUESTIONS[k]

    def f(x: Any) -> Any:
        return np.sum(x**2) * (1 + ask(x if part == "an array" else x[0]))

    want = 2 * X * f(X) / 14
    np.testing.assert_allclose(jd.grad(f)(X), want)
    np.testing.assert_allclose(jd.compile(f).grad(X), want)


def test_types_of_jitdiff_are_told_apart() -> None:
    v = jd.Variable(2.0)

    def f(x: Any) -> Any:
        return x * (3.0 if isinstance(v, jd.Variable) and isinstance(x, (jd.Tensor, str)) else 1.0)

    assert jd.grad(f)(1.0) == 3.0


def refused_number(x: Any) -> Any:
    try:
        return np.sum(x) * {1.0: 2.0}[x[0]]
    except Exception:  # noqa: BLE001
        return np.sum(x) * 5.0


def refused_function(x: Any) -> Any:
    try:
        return np.sum(np.unwrap(x))
    except Exception:  # noqa: BLE001
        return np.sum(x) * 5.0


def refused_in_a_bare_handler(x: Any) -> Any:
    try:
        return np.sum(np.unwrap(x))
    except:  # noqa: E722
        return np.sum(x) * 5.0


def refused_and_suppressed(x: Any) -> Any:
    y = np.sum(x) * 5.0
    with contextlib.suppress(TypeError, ValueError):
        y = np.sum(np.unwrap(x))
    return y


def refused_attribute(x: Any) -> Any:
    try:
        return np.sum(x) * x.strides[0]
    except AttributeError:
        return np.sum(x) * 5.0


@pytest.mark.parametrize("f", [refused_function, refused_in_a_bare_handler, refused_and_suppressed, refused_attribute])
def test_handlers_of_the_user_do_not_catch_refusals(f: Callable[[Any], Any]) -> None:
    for run in (jd.grad(f), jd.compile(f), jd.jacobian(f)):
        with pytest.raises(JitdiffError):
            run(X)


def test_numbers_that_a_trace_has_not_are_not_an_exception_of_the_program() -> None:
    with pytest.raises(TracingError, match="needs the numbers"):
        jd.compile(refused_number)(X)


def test_a_handler_that_names_the_refusal_catches_it() -> None:
    def f(x: Any) -> Any:
        try:
            return np.sum(np.unwrap(x))
        except (ZeroDivisionError, UnsupportedError):
            return np.sum(x) * 5.0

    np.testing.assert_allclose(jd.grad(f)(X), np.full(3, 5.0))
    np.testing.assert_allclose(jd.compile(f).grad(X), np.full(3, 5.0))


class Reading(Exception):
    def __init__(self, text: str, at: Any) -> None:
        super().__init__(text)
        self.at = at


class Scale:
    def __init__(self, s: Any) -> None:
        self.s = s * 2.0
        self.s += 1.0


def test_objects_made_in_traced_branches_set_their_attributes() -> None:
    def f(x: Any) -> Any:
        y = x[0]
        if x[0] > 0.0:
            scale = Scale(x[1])
            y = y * scale.s
        for _ in range(3):
            y = y + Scale(y).s
        return y

    for at in (X, -X):
        want = differences(f, at)
        np.testing.assert_allclose(jd.compile(f).grad(at), want, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(jd.grad(f)(at), want, rtol=1e-6, atol=1e-6)


def test_exceptions_that_a_trace_cannot_raise_are_told() -> None:
    def f(x: Any) -> Any:
        if x[0] > 10.0:
            raise Reading("too large", x[0])
        return np.sum(x)

    with pytest.raises(TracingError, match="Reading is raised in a traced branch"):
        jd.compile(f)(X)
    np.testing.assert_allclose(jd.grad(f)(X), np.ones(3))
