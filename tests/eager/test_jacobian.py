"""Jacobians by the tape."""

import numpy as np
import pytest

import jitdiff as jd


def test_shape_is_that_of_the_target_and_then_the_source(rng) -> None:
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    x = jd.Variable(a)
    with jd.GradientTape() as tape:
        y = x @ b
    found = tape.jacobian(y, x)
    assert type(found) is jd.Tensor
    np.testing.assert_allclose(found, np.einsum("ik,jl->ijkl", np.eye(2), b.T))


def test_nests() -> None:
    x, v = jd.Variable([1.0, 2.0]), jd.Variable(3.0)
    with jd.GradientTape(persistent=True) as tape:
        y, z = x * v, np.sum(x)
    found = tape.jacobian({"y": y, "z": z}, [x, v])
    assert found["y"][0].tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert found["y"][1].tolist() == [1.0, 2.0]
    assert found["z"][0].tolist() == [1.0, 1.0]
    assert found["z"][1] is None
    zeros = tape.jacobian(y * 0 + z, [v], unconnected_gradients="zero")
    assert zeros[0].tolist() == [0.0, 0.0]


def test_rows_that_do_not_depend_on_the_source_are_zero() -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape() as tape:
        y = np.stack([x[0] * x[1], jd.constant(1.0)])
    assert tape.jacobian(y, x).tolist() == [[2.0, 1.0], [0.0, 0.0]]


def test_the_jacobian_of_a_gradient_is_the_hessian() -> None:
    x = jd.constant([1.0, 2.0])
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = np.sum(x**3) + x[0] * x[1]
        gradient = inner.gradient(y, x)
    assert outer.jacobian(gradient, x).tolist() == [[6.0, 1.0], [1.0, 12.0]]


def test_the_gradient_of_a_jacobian() -> None:
    x = jd.constant([1.0, 2.0])
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = x**3
        matrix = inner.jacobian(y, x)
        trace = np.trace(matrix)
    assert outer.gradient(trace, x).tolist() == [6.0, 12.0]


def test_a_tape_that_is_not_persistent_gives_one() -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape() as tape:
        y = x * x
    tape.jacobian(y, x)
    with pytest.raises(RuntimeError, match="one set of gradients"):
        tape.gradient(y, x)


def test_batch_jacobian(rng) -> None:
    a, w = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))
    x = jd.constant(a)
    with jd.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = np.tanh(x @ w)
    found = tape.batch_jacobian(y, x)
    assert found.shape == (5, 2, 3)
    whole = tape.jacobian(y, x).numpy()
    np.testing.assert_allclose(found, np.stack([whole[b, :, b, :] for b in range(5)]))


def test_batch_jacobian_of_what_is_not_connected_is_zero() -> None:
    x, z = jd.Variable(np.ones((2, 3))), jd.Variable(np.ones((2, 1)))
    with jd.GradientTape() as tape:
        y = z * 2.0
    assert tape.batch_jacobian(y, x).numpy().tolist() == np.zeros((2, 1, 3)).tolist()


def test_batch_jacobian_needs_the_same_rows() -> None:
    x = jd.Variable(np.ones((2, 3)))
    with jd.GradientTape(persistent=True) as tape:
        y = np.concatenate([x, x[:1]])
        z = np.sum(x, axis=1)
    with pytest.raises(ValueError, match=r"target shape \(\(3, 3\)\) and source shape \(\(2, 3\)\) to match"):
        tape.batch_jacobian(y, x)
    with pytest.raises(ValueError, match=r"Shape \(2,\) must have rank at least 2"):
        tape.batch_jacobian(z, x)
