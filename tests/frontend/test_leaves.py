"""What becomes of each argument: traced, static or refused."""

from fractions import Fraction

import numpy as np
import pytest

from jitdiff.errors import ArgumentError, ArgumentTypeError, DtypeError
from jitdiff.frontend import Static, kind_of, native
from jitdiff.ir import ArrayType


@pytest.mark.parametrize(
    ("leaf", "dtype", "shape", "weak"),
    [
        (np.ones((2, 3)), "f8", (2, 3), False),
        (np.ones(2, ">f8"), "f8", (2,), False),
        (np.array(1.0), "f8", (), False),
        (np.float32(1), "f4", (), False),
        (np.arange(3), "i8", (3,), False),
        (np.array([True]), "?", (1,), False),
        (1.5, "f8", (), True),
        (2, "i8", (), True),
        (np.int32(2), "i4", (), False),
    ],
)
def test_numbers_are_traced(leaf: object, dtype: str, shape: tuple[int, ...], weak: bool) -> None:
    assert kind_of(leaf) == ArrayType(np.dtype(dtype), shape, weak)


@pytest.mark.parametrize("leaf", ["relu", True, None, np.sin, Fraction(1, 2), b"x"])
def test_other_hashable_values_are_static(leaf: object) -> None:
    assert kind_of(leaf) == Static(leaf)


def test_static_values_of_different_types_differ() -> None:
    assert Static(1) != Static(True)
    assert Static(1) != Static(1.0)
    assert Static((1, (2,))) == Static((1, (2,)))
    for other in ((1.0, (2,)), (1, (2.0,)), (True, (2,)), (1, 2)):
        assert Static((1, (2,))) != Static(other)
    assert Static(frozenset({1})) != Static(frozenset({True}))
    assert Static(0.0) != Static(-0.0)
    assert Static(float("nan")) == Static(float("nan"))
    assert hash(Static("a")) == hash(Static("a"))


def test_integers_become_static_on_request() -> None:
    assert kind_of(3, static=True) == Static(3)
    # A NumPy integer keeps its dtype, which decides that of results.
    for given in (np.int32(3), np.array(3, np.int32)):
        assert kind_of(given, static=True) == Static(np.int32(3)) != Static(3)


@pytest.mark.parametrize(
    ("leaf", "error", "message"),
    [
        (np.array(["a"]), DtypeError, "opts has dtype <U1"),
        (np.array([1, None]), DtypeError, "opts has dtype object"),
        (np.ones(2, complex), DtypeError, "opts has dtype complex128"),
        (1j, DtypeError, "opts has dtype complex"),
        (np.ones(2, np.float16), DtypeError, "opts has dtype float16"),
        (np.array("2020", "M8[Y]"), DtypeError, "opts has dtype datetime64"),
        (np.ma.masked_array([1.0], [True]), ArgumentTypeError, "opts is a masked array"),
        ({1, 2}, ArgumentTypeError, "opts is static and must be hashable, and a set is not"),
        (2**70, ArgumentError, "does not fit 64 bits"),
    ],
)
def test_what_cannot_be_an_argument_is_named(leaf: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kind_of(leaf, "opts")


def test_array_likes_are_arrays() -> None:
    class Series:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return np.arange(3.0)

    assert kind_of(Series()) == ArrayType(np.dtype(float), (3,))
    np.testing.assert_array_equal(native(Series()), [0, 1, 2])


@pytest.mark.parametrize(
    "given",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(6.0)[::2],
        np.arange(3, dtype=">f8"),
        np.frombuffer(b"x" + np.arange(3.0).tobytes(), np.uint8)[1:].view(float),
    ],
)
def test_native_code_gets_c_contiguous_aligned_native_arrays(given: np.ndarray) -> None:
    taken = native(given)
    assert taken.flags.c_contiguous
    assert taken.flags.aligned
    assert taken.dtype.isnative
    np.testing.assert_array_equal(taken, given)


def test_arrays_that_fit_are_passed_by_reference() -> None:
    x = np.ones((2, 3))
    assert native(x) is x
    assert native(np.array(2.0)) == 2.0
    assert isinstance(native(np.array(2.0)), np.float64)
