"""Variables: numbers that change in place."""

import copy
import pickle

import numpy as np
import pytest

import jitdiff as jd


def test_a_variable_has_its_own_numbers() -> None:
    a = np.array([1.0, 2.0])
    v = jd.Variable(a, name="v")
    a[0] = 9.0
    assert v.tolist() == [1.0, 2.0]
    assert (v.shape, v.dtype, v.ndim, v.size, v.trainable) == ((2,), np.dtype(float), 1, 2, True)
    assert repr(v) == "<jd.Variable 'v': shape=(2,), dtype=float64, numpy=array([1., 2.])>"


def test_initial_value_may_be_a_function_or_a_tensor() -> None:
    assert jd.Variable(lambda: [1.0]).tolist() == [1.0]
    assert jd.Variable(jd.constant(2.0)).numpy() == 2.0
    assert jd.Variable(2, dtype=float).dtype == np.float64


def test_assignments_change_it_in_place_and_return_it() -> None:
    v = jd.Variable([1.0, 2.0])
    assert v.assign([3.0, 4.0]) is v
    assert v.assign_add([1.0, 1.0]).assign_sub(jd.constant([0.5, 0.5])) is v
    assert v.tolist() == [3.5, 4.5]
    v.assign(np.array([1, 2]))
    assert v.dtype == np.float64


def test_what_was_computed_keeps_the_value_it_had() -> None:
    v = jd.Variable([1.0, 2.0])
    whole, view = v.value(), np.reshape(v, (2, 1))
    v.assign_add([10.0, 10.0])
    assert whole.tolist() == [1.0, 2.0]
    assert view.tolist() == [[1.0], [2.0]]


def test_recorded_steps_keep_the_value_they_had() -> None:
    v = jd.Variable(3.0)
    with jd.GradientTape() as tape:
        y = v * v
        v.assign(100.0)
        z = y + v * 2.0
    assert z.item() == 209.0
    assert tape.gradient(z, v).item() == 8.0


def test_an_assignment_stops_the_gradient() -> None:
    x, v = jd.constant(2.0), jd.Variable(3.0)
    with jd.GradientTape() as tape:
        tape.watch(x)
        v.assign_add(x * x)
        y = v * v
    with pytest.warns(jd.errors.DisconnectedWarning, match="an assignment to the Variable 'Variable', which stops"):
        dx, dv = tape.gradient(y, [x, v])
    assert dx is None
    assert dv.item() == 14.0


@pytest.mark.parametrize("how", ["assign", "assign_add", "assign_sub"])
def test_shape_and_dtype_are_checked(how) -> None:
    v = jd.Variable([1.0, 2.0], name="w", dtype="float32")
    with pytest.raises(ValueError, match=rf"w\.{how}: the Variable has shape \(2,\), the value has \(3,\)"):
        getattr(v, how)([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=rf"w\.{how}: the Variable has dtype float32, the value has float64"):
        getattr(v, how)(jd.constant([1.0, 2.0]))
    with pytest.raises(TypeError, match="complex"):
        getattr(v, how)([1j, 2.0])
    assert v.tolist() == [1.0, 2.0]


def test_python_numbers_fit_the_dtype() -> None:
    v = jd.Variable(1.0, dtype="float32")
    v.assign(2.5)
    v.assign_add(1)
    assert v.dtype == np.float32
    assert v.numpy() == np.float32(3.5)
    with pytest.raises(TypeError, match="the Variable has dtype int64, the value has float64"):
        jd.Variable(1).assign(2.5)


def test_it_is_an_operand_everywhere() -> None:
    v = jd.Variable([1.0, 2.0])
    results = [v + 1, 1 - v, v * v, v / 2.0, v**2, [1.0, 1.0] * v, np.array([1.0, 1.0]) + v, np.sin(v), -v, v @ v, v[0]]
    assert all(type(r) is jd.Tensor for r in results)
    assert np.sum(v).item() == 3.0
    assert np.concatenate([v, jd.constant([3.0])]).tolist() == [1.0, 2.0, 3.0]
    assert (np.asarray(v).tolist(), v.numpy().tolist(), len(v), float(v[1])) == ([1.0, 2.0], [1.0, 2.0], 2, 2.0)
    assert (v == [1.0, 5.0]).tolist() == [True, False]


def test_numpy_is_a_copy() -> None:
    v = jd.Variable([1.0, 2.0])
    v.numpy()[0] = 5.0
    np.asarray(v)[0] = 5.0
    assert v.tolist() == [1.0, 2.0]


def test_copies_are_variables_of_their_own() -> None:
    v = jd.Variable([1.0, 2.0], trainable=False, name="v")
    for other in (copy.copy(v), copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert type(other) is jd.Variable
        assert (other.name, other.trainable, other.tolist()) == ("v", False, [1.0, 2.0])
        other.assign([0.0, 0.0])
    assert v.tolist() == [1.0, 2.0]


def test_compiled_functions_read_it_at_each_call() -> None:
    v = jd.Variable([1.0, 2.0])

    @jd.compile
    def f(x):
        return np.sum(x * v)

    assert f(np.ones(2)) == 3.0
    v.assign([10.0, 20.0])
    assert f(np.ones(2)) == 30.0


def test_compiled_functions_cannot_assign() -> None:
    v = jd.Variable(1.0, name="v")

    @jd.compile
    def f(x):
        v.assign(2.0)
        return x

    with pytest.raises(TypeError, match=r"v\.assign: a compiled function cannot assign to a Variable"):
        f(1.0)


@pytest.mark.parametrize("leave", [float, bool, lambda v: v.numpy(), lambda v: v.item()])
def test_compiled_functions_cannot_keep_its_numbers(leave) -> None:
    v = jd.Variable(1.0, name="v")
    with pytest.raises(
        TypeError, match=r"of the Variable 'v' in a compiled function.*\n.*\n  hint: compute with the V"
    ):
        jd.compile(lambda x: x * leave(v))(1.0)
