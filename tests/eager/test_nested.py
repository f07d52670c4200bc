"""Tapes in tapes: derivatives of derivatives."""

import numpy as np
import pytest

import jitdiff as jd


def test_only_the_inner_tape_watches() -> None:
    x = jd.constant(1.0)
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = x * x * x
        first = inner.gradient(y, x)
    assert first.item() == 3.0
    assert outer.gradient(first, x).item() == 6.0


def test_gradients_taken_after_both_tapes_have_ended() -> None:
    x = jd.constant(1.0)
    t, t2 = jd.GradientTape(), jd.GradientTape()
    with t, t2:
        t2.watch(x)
        y = x * x * x
    assert t.gradient(t2.gradient(y, x), x).item() == 6.0


def test_an_outer_tape_that_has_given_its_gradient_is_left_alone() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as first, jd.GradientTape() as second:
        y, z = x * x, x * x * x
    assert first.gradient(y, x).item() == 4.0
    assert second.gradient(z, x).item() == 12.0


def test_an_outer_tape_that_is_gone_is_forgotten() -> None:
    x = jd.constant(2.0)
    outer = jd.GradientTape()
    with outer, jd.GradientTape(persistent=True) as inner:
        inner.watch(x)
        y = x * x * x
    del outer
    assert inner.gradient(y, x).item() == 12.0


@pytest.mark.parametrize("persistent", [False, True])
def test_any_order(persistent) -> None:
    x = jd.constant(2.0)
    tapes = [jd.GradientTape(persistent=persistent) for _ in range(4)]

    def derivative(order):
        if order == 0:
            return x**5
        with tapes[order - 1] as tape:
            tape.watch(x)
            y = derivative(order - 1)
        return tape.gradient(y, x)

    assert derivative(4).item() == 5 * 4 * 3 * 2 * 2.0


def test_variables_are_watched_by_each_tape_by_itself() -> None:
    v = jd.Variable(2.0)
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            y = v * v * v
        first = inner.gradient(y, v)
    assert outer.gradient(first, v).item() == 12.0


def test_watching_a_variable_stays_local_to_the_tape() -> None:
    v = jd.Variable(2.0)
    with jd.GradientTape(watch_accessed_variables=False) as outer:
        with jd.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(v)
            y = v * v * v
        first = inner.gradient(y, v)
    assert first.item() == 12.0
    assert outer.gradient(first, v) is None
    assert outer.watched_variables() == ()


def test_mixed_second_derivatives(rng) -> None:
    a, b = rng.normal(size=3), rng.normal(size=3)
    x, y = jd.Variable(a), jd.Variable(b)
    with jd.GradientTape(persistent=True) as outer:
        with jd.GradientTape() as inner:
            z = np.sum(np.sin(x * y))
        dx = inner.gradient(z, x)
    np.testing.assert_allclose(outer.gradient(dx, y), np.cos(a * b) - a * b * np.sin(a * b))
    np.testing.assert_allclose(outer.gradient(dx, x), -(b**2) * np.sin(a * b))


def test_hessian_vector_product_by_output_gradients() -> None:
    x, p = jd.constant([1.0, 2.0]), jd.constant([1.0, -1.0])
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = np.sum(x**3) + x[0] * x[1]
        gradient = inner.gradient(y, x)
    assert outer.gradient(gradient, x, output_gradients=p).tolist() == [6.0 - 1.0, 1.0 - 12.0]


def test_the_gradient_may_depend_on_the_output_gradients() -> None:
    x, w = jd.constant(3.0), jd.constant(2.0)
    with jd.GradientTape() as outer:
        outer.watch(w)
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = x * x
        weighted = inner.gradient(y, x, output_gradients=w * w)
    assert weighted.item() == 24.0
    assert outer.gradient(weighted, w).item() == 24.0


def test_a_persistent_tape_differentiates_its_own_gradient() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape(persistent=True) as tape:
        y = x * x * x
        with pytest.warns(jd.errors.TapeWarning, match="on a persistent tape inside its context"):
            first = tape.gradient(y, x)
    assert tape.gradient(first, x).item() == 12.0


def test_a_gradient_taken_outside_of_the_outer_tape_is_not_recorded_there() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as inner:
        y = x * x * x
    with jd.GradientTape() as outer:
        z = x * 1.0
    first = inner.gradient(y, x)
    assert outer.gradient([z, first], x).item() == 1.0


def test_values_of_an_inner_tape_do_not_mix_with_the_outer() -> None:
    """d/dx (x * d/dy (x * y)) is 2 x: the two perturbations are kept apart."""
    x, y = jd.constant(3.0), jd.constant(5.0)
    with jd.GradientTape() as outer:
        outer.watch(x)
        with jd.GradientTape() as inner:
            inner.watch(y)
            z = x * y
        w = x * inner.gradient(z, y)
    assert outer.gradient(w, x).item() == 6.0
