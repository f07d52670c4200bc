"""`ForwardAccumulator`, by itself, nested and with tapes."""

import numpy as np
import pytest

import jitdiff as jd


def test_jacobian_vector_product(rng) -> None:
    a, t = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    x = jd.constant(a)
    with jd.ForwardAccumulator(x, t) as accumulator:
        y = np.sum(np.sin(x) * x, axis=0)
    np.testing.assert_allclose(accumulator.jvp(y), np.sum((np.cos(a) * a + np.sin(a)) * t, axis=0))


def test_nests_of_primals_and_results() -> None:
    v, x = jd.Variable([1.0, 2.0]), jd.constant(3.0)
    with jd.ForwardAccumulator({"v": v, "x": [x]}, {"v": [1.0, 0.0], "x": [2.0]}) as accumulator:
        y = v * x
    assert {k: t.tolist() for k, t in accumulator.jvp({"y": y, "v": v}).items()} == {"y": [5.0, 4.0], "v": [1.0, 0.0]}


def test_what_does_not_move() -> None:
    x, z = jd.constant(1.0), jd.constant([1.0, 2.0])
    with jd.ForwardAccumulator(x, 1.0) as accumulator:
        y = z * 2.0
        n = np.argmax(z * x)
    assert accumulator.jvp(y) is None
    assert accumulator.jvp(n) is None
    assert accumulator.jvp(y, unconnected_gradients="zero").tolist() == [0.0, 0.0]


def test_recording_ends_with_the_context() -> None:
    x = jd.constant(2.0)
    with jd.ForwardAccumulator(x, 1.0) as accumulator:
        y = x * x
    z = y * x
    assert accumulator.jvp(y).item() == 4.0
    assert accumulator.jvp(z) is None
    with accumulator:
        z = y * x
    assert accumulator.jvp(z).item() == 12.0


def test_operations_with_several_results() -> None:
    x = jd.constant([1.0, 2.0, 3.0, 4.0])
    with jd.ForwardAccumulator(x, [1.0, 0.0, 0.0, 1.0]) as accumulator:
        first, second = np.split(x, 2)
        y = first * second
    assert accumulator.jvp(y).tolist() == [3.0, 2.0]


def test_forward_over_forward() -> None:
    x = jd.constant(2.0)
    with jd.ForwardAccumulator(x, 1.0) as outer:
        with jd.ForwardAccumulator(x, 1.0) as inner:
            y = np.exp(x) * x**3
        first = inner.jvp(y)
    e = np.exp(2.0)
    np.testing.assert_allclose(first, e * (8 + 12))
    np.testing.assert_allclose(outer.jvp(first), e * (8 + 24 + 12))


@pytest.fixture
def cubic():
    """x, a direction, and the Hessian of sum(x^3) + x0 x1 times it."""
    x, p = jd.constant([1.0, 2.0]), np.array([1.0, -1.0])
    return x, p, lambda x: np.sum(x**3) + x[0] * x[1], [5.0, -11.0]


def test_forward_over_reverse(cubic) -> None:
    x, p, f, expected = cubic
    with jd.ForwardAccumulator(x, p) as accumulator:
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        gradient = tape.gradient(y, x)
    assert accumulator.jvp(gradient).tolist() == expected


@pytest.mark.parametrize("tape_first", [True, False])
def test_reverse_over_forward(cubic, tape_first) -> None:
    x, p, f, expected = cubic
    tape, accumulator = jd.GradientTape(), jd.ForwardAccumulator(x, p)
    with tape if tape_first else accumulator, accumulator if tape_first else tape:
        tape.watch(x)
        directional = accumulator.jvp(f(x))
    np.testing.assert_allclose(tape.gradient(directional, x), expected)


def test_exceptions_leave_nothing_active() -> None:
    x = jd.constant(1.0)
    accumulator = jd.ForwardAccumulator(x, 1.0)
    with pytest.raises(KeyError), accumulator:
        raise KeyError
    assert accumulator.jvp(x * x) is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: jd.ForwardAccumulator(x, [1.0, 2.0, 3.0]), ValueError, r"the tangent of primals has shape \(3,\)"),
        (
            lambda x: jd.ForwardAccumulator([x, x], [[1.0, 2.0]] * 2),
            ValueError,
            r"primals\[1\] is a primal that was given",
        ),
        (lambda x: jd.ForwardAccumulator([x], {"x": 1.0}), ValueError, "tangents is not nested as"),
        (lambda x: jd.ForwardAccumulator([x], [1.0, 2.0]), ValueError, "tangents is not nested as"),
        (lambda x: jd.ForwardAccumulator(jd.constant(1), 1.0), TypeError, "has dtype int64"),
        (lambda x: jd.ForwardAccumulator(1.0, 1.0), TypeError, "primals is a float"),
        (lambda x: jd.ForwardAccumulator(x, [1.0, 1.0]).jvp(x, "foo"), ValueError, "Unknown value for unconnected"),
    ],
)
def test_mistakes(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make(jd.constant([1.0, 2.0]))


def test_an_active_accumulator_cannot_be_entered() -> None:
    x = jd.constant(1.0)
    with (
        jd.ForwardAccumulator(x, 1.0) as accumulator,
        pytest.raises(RuntimeError, match="Accumulator is already recording"),
        accumulator,
    ):
        pass
