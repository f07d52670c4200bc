"""What may be computed with: the same objects, and the same refusals, in every mode."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pint
import pytest
import scipy.sparse

import jitdiff as jd
from jitdiff.errors import ArgumentTypeError, DtypeError

X = np.array([1.0, 2.0])
DAYS = np.array(["2020-01-01", "2020-01-02"], "datetime64[D]")
METRES = pint.UnitRegistry()

DTYPES: dict[str, Any] = {
    "complex array": np.array([1 + 2j, 2]),
    "complex": 1 + 2j,
    "complex scalar": np.complex128(1j),
    "complex64": np.array([1j, 2], np.complex64),
    "float16": np.array([1, 2], np.float16),
    "float16 scalar": np.float16(1.5),
    "longdouble": np.array([1, 2], np.longdouble),
    "longdouble scalar": np.longdouble(2),
    "objects": np.array([1.0, None], object),
    "strings": np.array(["a", "b"]),
    "strings as objects": np.array(["a", "b"], object),
    "days": DAYS,
    "time": DAYS - DAYS[0],
    "fields": np.array([(1.0, 2), (3.0, 4)], [("a", float), ("b", int)]),
}
"""Arrays and numbers of dtypes that cannot be computed with."""


class Sum(np.ndarray):
    """An array whose product is a sum."""

    def __mul__(self, other: Any) -> Any:
        return self + other


class Unit(np.ndarray):
    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


MEANINGS: dict[str, Any] = {
    "matrix": np.eye(2).view(np.matrix),
    "masked": np.ma.masked_array(X, [True, False]),
    "operators": X.view(Sum),
    "ufuncs": X.view(Unit),
    "series": pd.Series(X),
    "frame": pd.DataFrame({"a": X, "b": X}),
    "index": pd.Index(X),
    "quantity": METRES.Quantity(X, "m"),
    "sparse": scipy.sparse.csr_array(np.eye(2)),
}
"""Arrays that mean something else than their numbers."""

ALL = DTYPES | MEANINGS


def error_of(name: str) -> type[Exception]:
    return DtypeError if name in DTYPES else ArgumentTypeError


def changed(x: Any, c: Any) -> Any:
    y = x * 1.0
    y += c
    return np.sum(y)


def written(x: Any, c: Any) -> Any:
    y = x * 1.0
    y[:] = c
    return np.sum(y * x)


OPERATIONS: dict[str, Any] = {
    "right operand": lambda x, c: np.sum(np.abs(x * c)),
    "sum": lambda x, c: np.sum(x + c),
    "ufunc": lambda x, c: np.sum(np.maximum(x, c)),
    "function": lambda x, c: np.sum(np.dot(x, c)),
    "where": lambda x, c: np.sum(np.where(x > 0, x, c)),
    "power": lambda x, c: np.sum(x**c),
    "in place": changed,
    "assigned": written,
    "stacked": lambda x, c: np.sum(np.stack([x[0], c])),
}
LEFT: dict[str, Any] = {
    "left operand": lambda x, c: np.sum(np.abs(c * x)),
    "left of a sum": lambda x, c: np.sum(c + x),
    "matmul": lambda x, c: np.sum(c @ x),
}
"""Operations that begin with the other object's own operator, which may not ask."""


def taped(f: Any) -> Any:
    def gradient(x: Any) -> Any:
        v = jd.Variable(x)
        with jd.GradientTape() as tape:
            y = f(v)
        return tape.gradient(y, v)

    return gradient


def accumulated(f: Any) -> Any:
    def tangent(x: Any) -> Any:
        v = jd.Variable(x)
        with jd.ForwardAccumulator(v, x) as forward:
            y = f(v)
        return forward.jvp(y)

    return tangent


MODES: dict[str, Any] = {
    "grad": jd.grad,
    "jvp": lambda f: lambda x: jd.jvp(f, (x,), (x,)),
    "hessian": jd.hessian,
    "tape": taped,
    "forward": accumulated,
    "compiled": jd.compile,
    "compiled grad": lambda f: jd.compile(f).grad,
}

every_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


@every_mode
@pytest.mark.parametrize("name", ALL)
def test_operands(mode, name):
    operations = OPERATIONS | (LEFT if name in DTYPES else {})
    for kind, operation in operations.items():
        if kind == "matmul" and np.shape(ALL[name]) == ():
            continue
        with pytest.raises(error_of(name)):
            mode(lambda x, operation=operation: operation(x, ALL[name]))(X)


@pytest.mark.parametrize("name", ["matrix", "series", "frame"])
@every_mode
def test_operands_on_the_left(mode, name):
    for operation in (LEFT["left operand"], LEFT["left of a sum"]):
        with pytest.raises(ArgumentTypeError):
            mode(lambda x, operation=operation: operation(x, ALL[name]))(X)


@pytest.mark.parametrize("name", ALL)
def test_arguments(name):
    def square(z):
        return z * z

    def total(z):
        return np.sum(z * 1.0)

    bad = ALL[name]
    calls = [
        lambda: jd.grad(total)(bad),
        lambda: jd.compile(total)(bad),
        lambda: jd.compile(total).grad(bad),
        lambda: jd.compile(lambda x, c: x * c)(X, bad),
        lambda: jd.vjp(square, bad),
        lambda: jd.vjp(jd.compile(square), bad),
        lambda: jd.jvp(square, (bad,), (bad,)),
        lambda: jd.jvp(jd.compile(square), (bad,), (bad,)),
        lambda: jd.hessian(total)(bad),
        lambda: jd.jacobian(square)(bad),
        lambda: jd.vmap(square)(bad),
        lambda: jd.vmap(jd.compile(square))(bad),
        lambda: jd.hvp(total, (bad,), (bad,)),
        lambda: jd.jvp(square, (X,), (bad,)),
        lambda: jd.jvp(jd.compile(square), (X,), (bad,)),
        lambda: jd.vjp(square, X)[1](bad),
        lambda: jd.vjp(jd.compile(square), X)[1](bad),
        lambda: jd.grad(lambda p: np.sum(p["x"]) + np.sum(p["z"]))({"x": X, "z": bad}),
    ]
    for call in calls:
        with pytest.raises(error_of(name)):
            call()


@pytest.mark.parametrize("name", ALL)
def test_values_of_tapes(name):
    bad = ALL[name]

    def seeded(z):
        v = jd.Variable(X)
        with jd.GradientTape() as tape:
            y = v * v
        return tape.gradient(y, v, output_gradients=z)

    calls = [
        lambda: jd.constant(bad),
        lambda: jd.Variable(bad),
        lambda: jd.Tensor(bad),
        lambda: jd.Variable(X).assign(bad),
        lambda: seeded(bad),
        lambda: jd.ForwardAccumulator(jd.Variable(X), bad),
    ]
    for call in calls:
        with pytest.raises(error_of(name)):
            call()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", DTYPES)
def test_rules_and_results(name, compiled):
    @jd.custom_gradient
    def bad_gradient(y):
        return y * 2.0, lambda g: DTYPES[name]

    @jd.custom_gradient
    def bad_result(y):
        return DTYPES[name], lambda g: g

    for rule in (bad_gradient, bad_result):

        def total(x, rule=rule):
            return np.sum(rule(x))

        with pytest.raises(DtypeError):
            jd.grad(jd.compile(total) if compiled else total)(X)
    with pytest.raises(DtypeError):
        jd.vjp(jd.compile(lambda x: DTYPES[name]) if compiled else lambda x: DTYPES[name], X)


@every_mode
@pytest.mark.parametrize("dtype", [complex, np.complex64, np.float16, np.longdouble, object, str, "datetime64[s]"])
def test_dtypes_to_convert_to(mode, dtype):
    for f in (
        lambda x: np.sum(x.astype(dtype)),
        lambda x: np.sum(np.zeros_like(x, dtype=dtype) * x),
        lambda x: np.sum(np.full_like(x, 1, dtype=dtype) * x),
        lambda x: np.sum(x, dtype=dtype),
        lambda x: np.sum(np.cumsum(x, dtype=dtype)),
    ):
        with pytest.raises(DtypeError):
            mode(f)(X)
    for make in (jd.constant, jd.Variable):
        with pytest.raises(DtypeError):
            make([1.0, 2.0], dtype=dtype)


@every_mode
def test_complex_numbers_on_the_way(mode):
    for f in (
        lambda x: np.sum(np.real(1j * x)),
        lambda x: np.sum((x * 1j).imag),
        lambda x: np.sum(np.abs(np.conj(x * (1 + 1j)))),
        lambda x: np.sum(np.exp(1j * x).real),
        lambda x: np.sum(np.abs(x ** (1j))),
    ):
        with pytest.raises(DtypeError, match="complex numbers are not supported yet"):
            mode(f)(X)


def test_what_computes_plainly_stays_plain():
    # No value that is differentiated meets the complex numbers.
    length = np.abs(np.array([3 + 4j]))
    for f in (lambda x: np.sum(x * length), jd.compile(lambda x: np.sum(x * length))):
        np.testing.assert_array_equal(jd.grad(f)(X), [5.0, 5.0])


MESSAGES: dict[str, tuple[str, str]] = {
    "complex array": ("complex numbers are not supported yet", "real and imaginary parts"),
    "float16": ("float32 and float64 can be", "astype"),
    "strings": ("dtype <U1", "np.unique"),
    "strings as objects": ("dtype object", "np.unique"),
    "days": ("dtype datetime64", "counts seconds from the first"),
    "time": ("dtype timedelta64", "counts seconds"),
    "fields": ("fields a, b", "x['a']"),
    "matrix": ("np.matrix", "write @"),
    "masked": ("a masked array", "its data and its mask"),
    "operators": ("a Sum", "np.asarray(c)"),
    "series": ("a pandas Series", "c.to_numpy()"),
    "frame": ("a pandas DataFrame", "c['column'].to_numpy()"),
    "quantity": ("a pint Quantity", "c.magnitude"),
    "sparse": ("a scipy csr_array", "c.toarray()"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_say_what_to_write(name):
    what, hint = MESSAGES[name]
    with pytest.raises(error_of(name)) as found:
        jd.compile(lambda x, c: x * c)(X, ALL[name])
    assert "the argument c " in found.value.what
    assert what in found.value.what
    assert hint in found.value.hint
    assert "test_admission.py" in found.value.where


def test_columns_of_frames_and_arrays_of_packages_that_are_not_here():
    frame = pd.DataFrame({"name": ["a", "b"], "x": X})
    with pytest.raises(ArgumentTypeError, match="pandas Series"):
        jd.compile(np.sum)(frame["name"])
    np.testing.assert_array_equal(jd.grad(lambda x: np.sum(x * frame["x"].to_numpy()))(X), X)
    for package, attribute in [("dask.array.core", "compute"), ("xarray.core", "to_numpy"), ("unyt.array", "value")]:
        kind = type("Array", (), {"__module__": package, attribute: None, "shape": (2,)})
        with pytest.raises(ArgumentTypeError, match=f"is a {package.partition('.')[0]} Array"):
            jd.compile(lambda x, c: x * c)(X, kind())


def test_plain_subclasses_are_arrays(tmp_path):
    class Named(np.ndarray):
        name = "x"

    mapped = np.memmap(tmp_path / "x", float, "w+", shape=(2,))
    mapped[:] = X
    for x in (mapped, X.view(Named), X.view(np.recarray)):
        for f in (lambda x: np.sum(x**2), jd.compile(lambda x: np.sum(x**2))):
            np.testing.assert_array_equal(jd.grad(f)(x), 2 * X)
            np.testing.assert_array_equal(jd.grad(lambda y, f=f, x=x: f(y) + np.sum(x * y))(X), 3 * X)


def test_strings_and_dates_may_choose():
    def scaled(x, unit, since):
        return x * (1000.0 if unit == "km" else 1.0) * (since.year - 2000)

    f = jd.compile(scaled)
    since = dt.date(2002, 1, 1)
    for unit in ("km", np.str_("km"), "m"):
        assert f(2.0, unit, since) == scaled(2.0, unit, since)


@every_mode
def test_functions_that_numpy_computes_in_half_precision(mode):
    for f in (lambda x: np.sum(np.sqrt(x > 0) * x), lambda x: np.sum(np.sin(np.rint(x).astype(np.int8)) * x)):
        with pytest.raises(DtypeError, match="float16"):
            mode(f)(X)
