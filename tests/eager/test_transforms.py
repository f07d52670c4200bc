"""`eager.vjp` and `eager.jvp`, which the public transforms of plain functions are made of."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.eager import Tensor, Variable, constant, jvp, vjp


def gradient(f):
    return lambda x: vjp(lambda xs: [f(xs[0])], [x])[1]([1.0])[0]


def derivative(f):
    return lambda x: jvp(lambda xs: [f(xs[0])], [x], [1.0])[1][0]


def test_arrays_in_arrays_out() -> None:
    outs, pullback = vjp(lambda xs: [xs[0] * xs[1], np.sum(xs[0])], [np.array([1.0, 2.0]), 3.0])
    assert [type(y) for y in outs] == [np.ndarray, np.float64]
    dx, dy = pullback([np.ones(2), 10.0])
    assert (dx.tolist(), type(dx), dy, type(dy)) == ([13.0, 13.0], np.ndarray, 3.0, np.float64)


def test_the_pullback_may_be_called_many_times_with_none_for_zero() -> None:
    _, pullback = vjp(lambda xs: [xs[0] * 2.0, xs[1] * xs[1]], [1.0, 3.0])
    assert pullback([1.0, None]) == [2.0, None]
    assert pullback([None, 1.0]) == [None, 6.0]
    assert pullback([None, None]) == [None, None]
    assert pullback([1.0, 1.0]) == [2.0, 6.0]


def test_results_are_fresh_and_writable() -> None:
    x = np.array([1.0, 2.0])
    outs, pullback = vjp(lambda xs: [xs[0], xs[0] + xs[1], np.broadcast_to(np.sum(xs[1]), (2,))], [x, x])
    for y in outs:
        y[:] = 99.0
    seed = np.ones(2)
    first = pullback([seed, seed, None])
    for g in first:
        assert g.flags.writeable
        assert g.flags.c_contiguous
        g[:] = 99.0
    assert seed.tolist() == [1.0, 1.0]
    assert x.tolist() == [1.0, 2.0]
    assert [g.tolist() for g in pullback([seed, seed, None])] == [[2.0, 2.0], [1.0, 1.0]]
    (broadcast,) = vjp(lambda xs: [np.sum(xs[0])], [x])[1]([1.0])
    broadcast[0] = 5.0
    assert broadcast.tolist() == [5.0, 1.0]


def test_the_input_may_change_before_the_pullback() -> None:
    x = np.array([1.0, 2.0])
    _, pullback = vjp(lambda xs: [xs[0] * xs[0]], [x])
    x[:] = 0.0
    assert pullback([np.ones(2)])[0].tolist() == [2.0, 4.0]


def test_the_same_object_twice_gets_independent_gradients() -> None:
    for x in (np.array([2.0]), constant([2.0]), Variable([2.0])):
        a, b = vjp(lambda xs: [np.sum(xs[0] * xs[1] * xs[1])], [x, x])[1]([1.0])
        assert (a.tolist(), b.tolist()) == ([4.0], [8.0])


def test_constant_results() -> None:
    outs, pullback = vjp(lambda xs: [5.0, np.ones(2)], [1.0])
    assert (outs[0], outs[1].tolist()) == (5.0, [1.0, 1.0])
    assert pullback([1.0, np.ones(2)]) == [None]


def test_tensors_in_tensors_out() -> None:
    x = constant([1.0, 2.0])
    outs, pullback = vjp(lambda xs: [np.sum(xs[0] ** 2)], [x])
    assert type(outs[0]) is Tensor
    assert type(pullback([1.0])[0]) is Tensor
    outs, dots = jvp(lambda xs: [xs[0] ** 2], [x], [[1.0, 0.0]])
    assert type(outs[0]) is type(dots[0]) is Tensor


def test_a_tape_around_sees_through() -> None:
    x = Variable(2.0)
    with jd.GradientTape() as tape:
        _, pullback = vjp(lambda xs: [xs[0] ** 3], [x])
        (g,) = pullback([x * 1.0])
    assert g.item() == 24.0
    assert tape.gradient(g, x).item() == 36.0


def test_a_tape_around_sees_what_the_function_closes_over() -> None:
    x = Variable(2.0)
    with jd.GradientTape() as tape:
        (g,) = vjp(lambda xs: [x * x * xs[0]], [3.0])[1]([1.0])
    assert tape.gradient(g, x).item() == 4.0


def test_int_results_get_no_cotangent() -> None:
    outs, pullback = vjp(lambda xs: [np.argmax(xs[0]), np.sum(xs[0])], [np.array([1.0, 3.0])])
    assert outs[0] == 1
    assert pullback([1.0, 1.0])[0].tolist() == [1.0, 1.0]


def test_jvp() -> None:
    outs, dots = jvp(lambda xs: [xs[0] * xs[1], xs[0], 7.0], [np.array([1.0, 2.0]), 3.0], [np.array([1.0, 0.0]), None])
    assert outs[0].tolist() == [3.0, 6.0]
    assert (dots[0].tolist(), dots[1].tolist(), dots[2]) == ([3.0, 0.0], [1.0, 0.0], None)


ORDERS = {
    "gg": (lambda f: gradient(gradient(f)), 2),
    "dd": (lambda f: derivative(derivative(f)), 2),
    "gd": (lambda f: gradient(derivative(f)), 2),
    "dg": (lambda f: derivative(gradient(f)), 2),
    "ggg": (lambda f: gradient(gradient(gradient(f))), 3),
    "ddd": (lambda f: derivative(derivative(derivative(f))), 3),
    "gdg": (lambda f: gradient(derivative(gradient(f))), 3),
    "dgd": (lambda f: derivative(gradient(derivative(f))), 3),
}


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_in_any_mixture(order) -> None:
    transform, n = ORDERS[order]
    found = transform(lambda x: np.sin(x) * np.exp(2.0 * x))(0.3)
    # sin(x) exp(2x) is the imaginary part of exp((2 + i) x).
    assert type(found) is np.float64
    np.testing.assert_allclose(found, ((2 + 1j) ** n * np.exp((2 + 1j) * 0.3)).imag)


@pytest.mark.parametrize("inner", [gradient, derivative])
@pytest.mark.parametrize("outer", [gradient, derivative])
def test_perturbations_are_not_confused(outer, inner) -> None:
    assert outer(lambda x: x * inner(lambda y: x + y)(3.0))(2.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y)(3.0))(2.0) == 4.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vjp(lambda xs: [xs[0]], [np.ones(2)])[1]([np.ones(3)]), r"shape \(3,\) for a value of shape \(2,\)"),
        (lambda: vjp(lambda xs: [xs[0]], [np.ones(2)])[1]([]), "0 cotangents or tangents for 1 values"),
        (lambda: jvp(lambda xs: [xs[0]], [np.ones(2)], [np.ones(3)]), r"shape \(3,\) for a value of shape \(2,\)"),
    ],
)
def test_mistakes(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
