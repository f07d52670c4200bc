"""Tensors as arrays: numbers in, numbers out."""

import copy
import operator
import pickle

import numpy as np
import pytest

import jitdiff as jd


def test_constant_copies_its_input() -> None:
    a = np.array([1.0, 2.0])
    x = jd.constant(a)
    a[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(2.0, np.float64), (2, np.int64), (True, np.bool_), ([1, 2.5], np.float64), (np.float32(1), np.float32)],
)
def test_constant_has_numpys_dtype(value, dtype) -> None:
    assert jd.constant(value).dtype == dtype


def test_constant_takes_dtype_and_shape() -> None:
    assert jd.constant([1, 2], dtype="float32").dtype == np.float32
    assert jd.constant(3.0, shape=(2, 2)).tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert jd.constant([1, 2, 3, 4], shape=(2, 2)).tolist() == [[1, 2], [3, 4]]


def test_constant_that_does_not_fill_its_shape() -> None:
    with pytest.raises(ValueError, match=r"constant: 3 numbers do not fill the shape \(2, 2\)"):
        jd.constant([1, 2, 3], shape=(2, 2))


def test_constant_of_what_is_no_number() -> None:
    with pytest.raises(TypeError, match="not an array of numbers"):
        jd.constant("two")


def test_python_floats_become_the_default_float() -> None:
    with jd.config(default_float="float32"):
        assert jd.constant([1.0, [2.0][0]]).dtype == np.float32
        assert jd.Variable(1.0).dtype == np.float32
        assert jd.constant(np.array([1.0])).dtype == np.float64
        assert jd.constant(1.0, dtype="float64").dtype == np.float64
    assert jd.constant(1.0).dtype == np.float64


def test_repr_and_str() -> None:
    x = jd.constant([1.0, 2.0])
    assert repr(x) == "<jd.Tensor: shape=(2,), dtype=float64, numpy=array([1., 2.])>"
    assert str(x) == "jd.Tensor([1. 2.], shape=(2,), dtype=float64)"
    assert repr(jd.constant(2.0)) == "<jd.Tensor: shape=(), dtype=float64, numpy=2.0>"
    assert str(jd.constant(2)) == "jd.Tensor(2, shape=(), dtype=int64)"


def test_formatting_formats_the_number() -> None:
    assert f"{jd.constant(2.5):.2f}|{jd.constant(3):04d}" == "2.50|0003"


def test_numpy_is_a_writable_copy() -> None:
    x = jd.constant([1.0, 2.0])
    for a in (x.numpy(), np.asarray(x), np.array(x)):
        a[0] = 7.0
    assert x.tolist() == [1.0, 2.0]
    assert type(jd.constant(2.0).numpy()) is np.float64


def test_value_is_read_only() -> None:
    x = jd.constant([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        x.value[0] = 3.0
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x, copy=False)[0] = 3.0
    with pytest.raises(AttributeError):
        x.value = 3.0


def test_asarray_converts() -> None:
    assert np.asarray(jd.constant([1.5]), dtype=np.float32).dtype == np.float32


def test_python_conversions() -> None:
    assert float(jd.constant(2.5)) == 2.5
    assert int(jd.constant(3.7)) == 3
    assert complex(jd.constant(2.0)) == 2 + 0j
    assert [10, 20, 30][jd.constant(1)] == 20
    assert list(range(jd.constant(3))) == [0, 1, 2]
    assert jd.constant(2.5).item() == 2.5
    assert bool(jd.constant(0.0)) is False
    with pytest.raises(TypeError, match=r"f64\[\] cannot be an index"):
        operator.index(jd.constant(1.0))
    with pytest.raises(ValueError, match="truth value"):
        bool(jd.constant([1.0, 2.0]))


def test_len_and_iteration() -> None:
    x = jd.constant([[1.0, 2.0], [3.0, 4.0]])
    assert len(x) == 2
    rows = list(x)
    assert [type(r) for r in rows] == [jd.Tensor, jd.Tensor]
    assert rows[1].tolist() == [3.0, 4.0]
    with pytest.raises(TypeError, match="scalar"):
        len(jd.constant(1.0))
    with pytest.raises(TypeError, match="scalar"):
        iter(jd.constant(1.0))


def test_comparison_is_by_element_and_hash_by_identity() -> None:
    x, y = jd.constant([1.0, 2.0]), jd.constant([1.0, 3.0])
    assert (x == y).tolist() == [True, False]
    assert (x < y).tolist() == [False, True]
    assert {x: "x", y: "y"}[x] == "x"
    assert hash(x) != hash(jd.constant([1.0, 2.0]))
    assert (x == None) is False  # noqa: E711


def test_copying_and_pickling() -> None:
    x = jd.constant([1.0, 2.0])
    for other in (copy.copy(x), copy.deepcopy(x)):
        assert type(other) is jd.Tensor
        other[0] = 9.0
        assert x.tolist() == [1.0, 2.0]
    again = pickle.loads(pickle.dumps(x))
    assert type(again) is jd.Tensor
    assert again.tolist() == x.tolist()
    assert type(pickle.loads(pickle.dumps(jd.constant(2.0))).numpy()) is np.float64


def test_operators_give_what_numpy_gives(rng) -> None:
    a, b = rng.uniform(0.5, 2.0, (2, 3)), rng.uniform(0.5, 2.0, 3)
    for op in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow):
        for x, y in ((a, b), (a, 2.0), (2.0, a), (a, 3), (3, b), (a, b.tolist()), (b.tolist(), a)):
            expected = op(np.asarray(x), np.asarray(y)) if isinstance(x, list) or isinstance(y, list) else op(x, y)
            left = jd.constant(x) if isinstance(x, np.ndarray) else x
            right = jd.constant(y) if isinstance(y, np.ndarray) else y
            for result in (op(left, right), op(left, y) if left is not x else op(x, right)):
                assert type(result) is jd.Tensor
                np.testing.assert_array_equal(result.numpy(), expected)
                assert result.dtype == expected.dtype
    np.testing.assert_array_equal((-jd.constant(a)).numpy(), -a)
    np.testing.assert_array_equal(abs(jd.constant(-a)).numpy(), a)


def test_python_numbers_give_way_to_float32() -> None:
    x = jd.constant([1.0, 2.0], dtype="float32")
    assert (x * 2.0).dtype == (2.0 / x).dtype == np.sin(x).dtype == np.float32


def test_lists_are_operands() -> None:
    w = jd.constant([[1.0], [2.0], [3.0]])
    assert ([[1, 2, 3]] @ w).tolist() == [[14.0]]
    assert (np.add([1.0, 2.0, 3.0], w[:, 0])).tolist() == [2.0, 4.0, 6.0]


def test_lists_of_tensors_stay_connected() -> None:
    x = jd.constant(3.0)
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = np.sum([x, 2.0, x] * jd.constant([1.0, 5.0, 10.0]))
    assert tape.gradient(y, x).item() == 11.0


def test_numpy_functions_give_tensors(rng) -> None:
    a = rng.normal(size=(3, 2))
    x = jd.constant(a)
    for result, expected in (
        (np.sum(x, axis=0), a.sum(axis=0)),
        (x.mean(), a.mean()),
        (np.reshape(x, (2, 3)), a.reshape(2, 3)),
        (x.T @ x, a.T @ a),
        (np.where(x > 0, x, 0.0), np.where(a > 0, a, 0.0)),
        (np.concatenate([x, a]), np.concatenate([a, a])),
        (x[1:, 0], a[1:, 0]),
    ):
        assert type(result) is jd.Tensor
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-15)


def test_scalars_are_numpy_scalars() -> None:
    x = jd.constant([[2.0]])
    for y in (np.sum(x), x.reshape(()), x[0, 0], np.broadcast_to(jd.constant(1.0), ())):
        assert y.shape == ()
        assert type(y.value) is np.float64


def test_functions_that_only_tell_about_numbers_run_on_them() -> None:
    x = jd.constant([1.0, 2.0])
    assert np.allclose(x, [1.0, 2.0])
    assert np.array_equal(x, [1.0, 2.0])
    np.testing.assert_allclose(x, [1.0, 2.0])


def test_errors_name_the_op_the_shapes_and_the_line() -> None:
    x, y = jd.constant([1.0, 2.0]), jd.constant([1.0, 2.0, 3.0])
    with pytest.raises(
        ValueError, match=r"multiply: shapes \[2\], \[3\] do not broadcast: 2 != 3\n  at test_tensor.py"
    ):
        x * y
    with pytest.raises(ValueError, match=r"add: .*broadcast"):
        np.add(x, y)
    with pytest.raises(TypeError, match="not an array of numbers"):
        np.multiply(x, "two")
    with pytest.raises(TypeError):
        x * object()
