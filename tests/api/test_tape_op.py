"""A compiled function called with Tensors is one differentiable operation."""

import numpy as np
import pytest

import jitdiff as jd


@jd.compile
def energy(x, A):
    return np.sum(np.exp(-x) * (A @ x))


A = np.array([[1.0, 2.0], [-1.0, 0.5]])


def test_one_operation_on_the_tape() -> None:
    x = jd.Variable([0.3, 0.7])
    with jd.GradientTape() as tape:
        y = energy(x, A) * 2.0
    assert isinstance(y, jd.Tensor)
    np.testing.assert_allclose(y.numpy(), 2 * energy(x.numpy(), A))
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), 2 * energy.grad(x.numpy(), A), rtol=1e-12)


def test_without_a_tape_it_gives_tensors_too() -> None:
    assert isinstance(energy(jd.constant([0.3, 0.7]), A), jd.Tensor)


def test_second_order_through_nested_tapes() -> None:
    x = jd.constant([0.3, 0.7])
    with jd.GradientTape() as outer:
        outer.watch(x)
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = energy(x, A)
        g = inner.gradient(y, x)
        total = np.sum(g * np.array([1.0, -2.0]))
    found = outer.gradient(total, x).numpy()
    want = jd.hessian(energy.__wrapped__)(x.numpy(), A) @ [1.0, -2.0]
    np.testing.assert_allclose(found, want, rtol=1e-10)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_any_order_by_transforms_of_a_plain_function_around_it(order: int) -> None:
    f = jd.compile(lambda x: x**4 * 2.0)

    def g(x):
        return f(x) + x

    derivative, plain = g, lambda x: x**4 * 2.0 + x
    for _ in range(order):
        derivative, plain = jd.grad(derivative), jd.grad(plain)
    np.testing.assert_allclose(derivative(1.5), plain(1.5), rtol=1e-12)


def test_several_results_and_trees() -> None:
    @jd.compile
    def f(p):
        return {"a": p["x"] * 2.0, "b": (np.sum(p["x"] ** 2), np.argmax(p["x"]))}

    x = jd.constant([1.0, 3.0])
    with jd.GradientTape(persistent=True) as tape:
        tape.watch(x)
        out = f({"x": x})
    assert out["b"][1].numpy() == 1
    np.testing.assert_array_equal(tape.gradient(out["b"][0], x).numpy(), [2, 6])
    np.testing.assert_array_equal(tape.gradient(out["a"], x).numpy(), [2, 2])
    np.testing.assert_array_equal(tape.gradient([out["a"], out["b"][0]], x).numpy(), [4, 8])


def test_forward_mode_through_it() -> None:
    x, t = np.array([0.3, 0.7]), np.array([1.0, -1.0])
    _, dy = jd.jvp(lambda x: energy(x, A) * 3.0, (x,), (t,))
    np.testing.assert_allclose(dy, 3 * energy.grad(x, A) @ t, rtol=1e-12)


def test_captured_and_static_arguments_are_no_operands() -> None:
    table = np.array([1.0, 2.0])
    f = jd.compile(lambda x, kind: np.sum(x * table) if kind == "sum" else x)
    x = jd.Variable([1.0, 1.0])
    with jd.GradientTape() as tape:
        y = f(x, "sum")
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), table)


def test_a_variable_read_from_around_is_an_input_of_each_run() -> None:
    w = jd.Variable(2.0)
    f = jd.compile(lambda x: x * w)
    assert f(3.0) == 6.0
    w.assign(5.0)
    assert f(3.0) == 15.0
