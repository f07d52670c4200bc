"""Text made with followed values, and numbers as keys: what reads them asks for the numbers, and loses none."""

from __future__ import annotations

import decimal
import fractions
import json
import statistics
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import JitdiffError, UnsupportedError

X = np.array([1.0, 2.0])
TABLE = {2: 10.0, 3: 20.0}
SCALES = {"n2": 10.0, "n3": 20.0}


class Layers:
    layer0 = 2.0
    layer1 = 3.0


def field(x: Any, n: int) -> Any:
    return np.sum(x) * 2 if f"{n}" == "2" else np.sum(x)


def field_converted(x: Any, n: int) -> Any:
    return np.sum(x) * 2 if f"{n!r:>3}".strip() == "2" else np.sum(x)


def made_str(x: Any, n: int) -> Any:
    return np.sum(x) * len(str(n * 100))


def made_by_format(x: Any, n: int) -> Any:
    return np.sum(x) * 2 if "{:d}|{}".format(n, "a") == "2|a" else np.sum(x)


def made_by_modulo(x: Any, n: int) -> Any:
    text = "%s-%d"
    return np.sum(x) * 2 if text % (n, n) == "2-2" else np.sum(x)


def joined(x: Any, n: int) -> Any:
    return np.sum(x) * 2 if "".join(["n", str(n)]).startswith("n2") else np.sum(x)


def joined_from_an_iterator(x: Any, n: int) -> Any:
    names = "-".join(map(str, [n, n])), "".join(f"{k}" for k in (n, 7))
    return np.sum(x) * len(names[0]) if names == ("2-2", "27") else np.sum(x)


def added(x: Any, n: int) -> Any:
    return np.sum(x) * SCALES["n" + str(n)]


def looked_up(x: Any, n: int) -> Any:
    return np.sum(x) * SCALES.get(f"n{n}", 1.0) if f"n{n}" in SCALES else np.sum(x)


def attribute_by_name(x: Any, n: int) -> Any:
    for i in range(n):
        x = x * getattr(Layers, f"layer{i}")
    return np.sum(x) if hasattr(Layers, f"layer{n - 1}") else np.sum(x) * 0.0


def number_as_key(x: Any, n: int) -> Any:
    return np.sum(x) * TABLE[n] * TABLE.get(n, 1.0) * (2.0 if n in TABLE else 1.0) * (3.0 if n in {2, 7} else 1.0)


def position_as_key(x: Any, n: int) -> Any:
    found = {len(x): 5.0}
    found[n + 1] = 7.0
    return np.sum(x) * found.get(x.shape[0], 1.0) * found[n + 1]


PROGRAMS: list[Callable[[Any, int], Any]] = [
    field,
    field_converted,
    made_str,
    made_by_format,
    made_by_modulo,
    joined,
    joined_from_an_iterator,
    added,
    looked_up,
    attribute_by_name,
    number_as_key,
    position_as_key,
]


@pytest.mark.parametrize("f", PROGRAMS)
def test_integers_in_text_and_keys_are_numbers(f: Callable[[Any, int], Any]) -> None:
    for n in (1, 2) if f is attribute_by_name else (2, 3):
        want = f(X, n)
        compiled = jd.compile(f)
        np.testing.assert_allclose(compiled(X, n), want)
        np.testing.assert_allclose(compiled.grad(X, n), np.full(2, want / np.sum(X)))
        np.testing.assert_allclose(jd.grad(f)(X, n), np.full(2, want / np.sum(X)))


def test_eager_code_reads_text_and_keys_of_numbers() -> None:
    def f(x: Any) -> Any:
        best = {0: 3.0, 1: 5.0}
        y = x[0] * best[np.argmax(x)] * best.get(np.argmin(x), 1.0) * {1.0: 7.0}[x[0]]
        return y * (2.0 if f"{x[1]:.2f}" == "2.00" else 1.0) * len(str(round(x[1] * 100)))

    value, gradient = jd.value_and_grad(f)(X)
    np.testing.assert_allclose(value, f(X))
    np.testing.assert_allclose(gradient, [f(X), 0.0])


READING: list[Callable[[Any], Any]] = [
    lambda x: float(f"{x[0]}") * x[1],
    lambda x: float(str(x[0])) * x[1],
    lambda x: float("%r" % float(x[0])) * x[1],  # noqa: UP031
    lambda x: np.float64(f"{x[0]}") * x[1],
    lambda x: np.sum(np.array([str(v) for v in x]).astype(float) * x),
    lambda x: float(np.array2string(x[1])) * x[0],
]


@pytest.mark.parametrize("k", range(len(READING)))
def test_numbers_read_from_text_have_lost_their_derivative(k: int) -> None:
    f = READING[k]
    with pytest.raises(UnsupportedError, match="derivative is lost"):
        jd.grad(f)(X)
    with pytest.raises(JitdiffError, match="numbers"):
        jd.compile(f)(X)


def test_text_of_traced_values_that_is_read_is_refused() -> None:
    for f in (
        lambda x: np.sum(x) * 2 if f"{x[0]:.1f}" == "1.0" else np.sum(x),
        lambda x: np.sum(x) * len(repr(x)),
        lambda x: np.sum(x) * {1.0: 5.0}.get(x[0], 1.0),
        lambda x: np.sum(x) * {str(x[0]): 5.0}.get("1.0", 1.0),
    ):
        with pytest.raises(JitdiffError, match="needs the numbers of a traced"):
            jd.compile(f)(X)


def test_text_that_is_shown_only_needs_no_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any, n: int) -> Any:
        print(f"n = {n:3d}, x = {x[0]:.2f}", "%.3f" % x[1], f"{x[0]:>12}".upper())  # noqa: UP031
        if x.shape[0] > 100:
            raise ValueError(f"too many: {x}")
        assert n > 0, f"n is {n}"
        return np.sum(x) * n

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(jd.compile(f)(X, 3), 9.0)
    assert "n = <traced n: i64[]>" in capsys.readouterr().out
    np.testing.assert_allclose(jd.grad(f)(X, 3), [3.0, 3.0])
    assert capsys.readouterr().out == "n =   3, x = 1.00 2.000          1.0\n"


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: float(decimal.Decimal(x[0])), "decimal.Decimal"),
        (lambda x: float(fractions.Fraction(x[0])), "fractions.Fraction"),
        (lambda x: statistics.mean([x[0], x[1]]), "statistics.mean"),
        (lambda x: json.loads(json.dumps({"a": [x[0]]}))["a"][0], "json.dumps"),
    ],
)
def test_libraries_that_take_no_arrays_are_named(f: Callable[[Any], Any], name: str) -> None:
    for run in (jd.grad(f), jd.compile(f)):
        with pytest.raises(UnsupportedError, match=f"^{name} does not take a f64"):
            run(X)


def test_errors_of_the_users_own_code_pass_through_libraries() -> None:
    def broken(v: Any) -> Any:
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        jd.grad(lambda x: sum(statistics.mean(map(broken, [v])) for v in x))(X)
