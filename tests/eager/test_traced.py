"""Tapes, Tensors and Variables inside compiled functions."""

import numpy as np
import pytest

import jitdiff as jd


def test_a_tape_in_a_compiled_function() -> None:
    @jd.compile
    def f(x):
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = np.sum(x**3)
        return tape.gradient(y, x)

    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(f(x), 3 * x**2)
    np.testing.assert_allclose(f(x + 1), 3 * (x + 1) ** 2)
    np.testing.assert_allclose(jd.jacobian(f)(x), np.diag(6 * x))


def test_nested_tapes_in_a_compiled_function() -> None:
    @jd.compile
    def f(x):
        with jd.GradientTape() as outer:
            with jd.GradientTape() as inner:
                inner.watch(x)
                y = np.sum(x**4)
            first = inner.gradient(y, x)
        return outer.gradient(first, x)

    np.testing.assert_allclose(f(np.array([1.0, 2.0])), [12.0, 48.0])


def test_intermediate_and_unconnected_sources() -> None:
    @jd.compile
    def f(x, z):
        with jd.GradientTape(persistent=True) as tape:
            tape.watch([x, z])
            y = x * x
            w = np.sum(y * y)
        assert tape.gradient(w, z) is None
        return tape.gradient(w, [y, x]), tape.gradient(w, z, unconnected_gradients="zero")

    (dy, dx), dz = f(np.array([1.0, 2.0]), np.ones(3))
    assert (dy.tolist(), dx.tolist(), dz.tolist()) == ([2.0, 8.0], [4.0, 32.0], [0.0, 0.0, 0.0])


def test_what_is_not_watched_is_none() -> None:
    @jd.compile
    def f(x):
        with jd.GradientTape() as tape:
            y = x * x
        assert tape.gradient(y, x) is None
        return y

    assert f(3.0) == 9.0


def test_variables_and_constants_in_a_compiled_function() -> None:
    v, c = jd.Variable([1.0, 2.0]), jd.constant([3.0, 4.0])

    @jd.compile
    def f(x):
        with jd.GradientTape() as tape:
            tape.watch(c)
            y = np.sum(x * v * c)
        return tape.gradient(y, [v, c])

    dv, dc = f(np.array([10.0, 20.0]))
    assert (dv.tolist(), dc.tolist()) == ([30.0, 80.0], [10.0, 40.0])
    v.assign([5.0, 6.0])
    assert f(np.array([10.0, 20.0]))[1].tolist() == [50.0, 120.0]


def test_output_gradients_in_a_compiled_function() -> None:
    @jd.compile
    def f(x, w):
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        return tape.gradient(y, x, output_gradients=w)

    assert f(np.array([1.0, 2.0]), np.array([1.0, 10.0])).tolist() == [2.0, 40.0]


def test_a_used_tape_says_so_there_too() -> None:
    @jd.compile
    def f(x):
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        tape.gradient(y, x)
        return tape.gradient(y, x)

    with pytest.raises(RuntimeError, match="can only be called once"):
        f(1.0)


def test_a_pause_makes_constants_there_too() -> None:
    def f(x):
        with jd.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * x
            with tape.stop_recording():
                z = y * x
            w = z * x
            v = w + y
        constant = tape.gradient(z, x, unconnected_gradients="zero")
        return constant, tape.gradient(w, x), *tape.gradient(v, [x, y])

    expected = [[0.0, 0.0], [8.0, 27.0], [12.0, 33.0], [1.0, 1.0]]
    for result in (jd.compile(f)(np.array([2.0, 3.0])), f(jd.constant([2.0, 3.0]))):
        assert [g.tolist() for g in result] == expected


def test_a_pause_is_of_one_tape_only() -> None:
    @jd.compile
    def f(x):
        with jd.GradientTape() as outer, jd.GradientTape() as inner:
            inner.watch(x)
            with inner.stop_recording():
                y = x * x
            z = y * x
        return inner.gradient(z, x), outer.gradient(z, x)

    assert f(3.0) == (9.0, 27.0)
    assert jd.grad(lambda x: f(x)[0])(3.0) == 6.0


def test_a_pause_in_a_branch_is_refused() -> None:
    @jd.compile
    def f(x):
        with jd.GradientTape() as tape:
            tape.watch(x)

            def branch():
                with tape.stop_recording():
                    return x * x

            return jd.cond(x > 0, branch, branch)

    with pytest.raises(TypeError, match=r"stop_recording\(\) in a branch or loop.*\n.*\n  hint: use jd.stop_gradient"):
        f(1.0)


def test_tapes_from_outside_are_not_for_traced_values() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        for use in (lambda y: tape.watch(y), lambda _: tape.stop_recording().__enter__()):
            with pytest.raises(TypeError, match=r"inside a compiled function, of a tape entered outside of it"):
                jd.compile(lambda y, use=use: use(y) or y)(1.0)
        y = x * x
    assert tape.gradient(y, x).item() == 4.0


def test_jacobians_in_a_compiled_function(rng) -> None:
    def f(x, b):
        with jd.GradientTape(persistent=True) as tape:
            tape.watch([x, b])
            y = np.tanh(x @ b)
            z = np.sum(x) + 0.0 * np.sum(b)
        found = tape.jacobian({"y": y, "z": z}, [x, b])
        zero = tape.jacobian(y, x[0], unconnected_gradients="zero")
        return found["y"], found["z"][0], zero, tape.batch_jacobian(y, x)

    for shape in ((4, 3), (5, 3)):
        x, b = rng.normal(size=shape), rng.normal(size=(3, 2))
        (yx, yb), zx, zero, rows = jd.compile(f)(x, b)
        (eager_yx, eager_yb), eager_zx, eager_zero, eager_rows = f(jd.constant(x), jd.constant(b))
        np.testing.assert_allclose(yx, eager_yx, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(yb, eager_yb, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(zx, eager_zx)
        np.testing.assert_array_equal(zero, eager_zero)
        np.testing.assert_allclose(rows, eager_rows, rtol=1e-12, atol=1e-15)


def test_a_hessian_by_tapes_in_a_compiled_function() -> None:
    @jd.compile
    def hessian(x):
        with jd.GradientTape() as outer:
            with jd.GradientTape() as inner:
                inner.watch(x)
                y = np.sum(x**3) + x[0] * x[1]
            gradient = inner.gradient(y, x)
        return outer.jacobian(gradient, x)

    assert hessian(np.array([1.0, 2.0])).tolist() == [[6.0, 1.0], [1.0, 12.0]]
    assert jd.jacobian(hessian)(np.array([1.0, 2.0]))[0, 0].tolist() == [6.0, 0.0]


def test_a_tape_around_sees_the_call_and_not_the_trace() -> None:
    v = jd.Variable([1.0, 2.0])
    f = jd.compile(lambda x: np.sum(np.sin(x) * v))
    with jd.GradientTape() as tape:
        y = f(np.ones(2))
    assert tape.watched_variables() == (v,)
    assert "2 ops" in repr(tape)
    np.testing.assert_allclose(tape.gradient(y, v), np.sin([1.0, 1.0]))


def test_variables_that_a_compiled_function_reads_have_gradients() -> None:
    w, b = jd.Variable([[1.0], [2.0]]), jd.Variable(0.5)

    @jd.compile
    def model(x):
        return np.sum((x @ w + b) ** 2)

    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert type(model(x)) is np.float64
    for _ in range(2):
        with jd.GradientTape() as tape:
            loss = model(x)
        assert type(loss) is jd.Tensor
        dw, db = tape.gradient(loss, [w, b])
        residual = x @ w.numpy() + b.numpy()
        np.testing.assert_allclose(dw, 2 * x.T @ residual)
        np.testing.assert_allclose(db, 2 * np.sum(residual))
        w.assign_sub(0.1 * dw)
    assert model(x) != loss.item()


def test_what_a_compiled_function_reads_has_second_derivatives() -> None:
    c, v = jd.constant([1.0, 2.0]), jd.Variable(3.0)

    @jd.compile
    def f(x):
        return np.sum(x * c**3) * v**2

    with jd.GradientTape(persistent=True) as outer:
        with jd.GradientTape() as inner:
            inner.watch(c)
            y = f(np.ones(2))
        first = inner.gradient(y, c)
    np.testing.assert_allclose(first, 9 * 3 * c.numpy() ** 2)
    np.testing.assert_allclose(outer.gradient(first, c), 9 * 6 * c.numpy())
    np.testing.assert_allclose(outer.gradient(first, v), 2 * 3 * np.sum(3 * c.numpy() ** 2))


def test_variables_of_a_tape_in_a_compiled_function() -> None:
    w, u = jd.Variable(3.0), jd.Variable(1.0)

    @jd.compile
    def f(x):
        with jd.GradientTape() as tape:
            y = w * w * x
        assert tape.watched_variables() == (w,)
        return y, jd.implicit_gradients(lambda x: w * x * u)(x)[0][0], tape.gradient(y, w)

    assert f(2.0) == (18.0, 2.0, 12.0)
    w.assign(4.0)
    assert f(2.0) == (32.0, 2.0, 16.0)


def test_a_forward_accumulator_in_a_compiled_function_is_refused() -> None:
    @jd.compile
    def f(x):
        with jd.ForwardAccumulator(x, 1.0) as accumulator:
            y = x * x
        return accumulator.jvp(y)

    with pytest.raises(TypeError, match=r"a ForwardAccumulator in a compiled function.*\n.*\n  hint: use jd\.jvp"):
        f(2.0)


def test_changes_in_place_under_a_tape_in_a_compiled_function() -> None:
    def f(x):
        with jd.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * 1.0
            z = y * y
            y[0] = x[1] * x[1]
            v = y[:1]
            v += x[0]
        w = y * y
        return tape.gradient(z, x), tape.gradient(y, x), tape.jacobian(y, x), tape.gradient(w, x, None, "zero")

    expected = [[2.0, 4.0], [1.0, 5.0], [[1.0, 4.0], [0.0, 1.0]], [0.0, 0.0]]
    a = np.array([1.0, 2.0])
    assert [g.tolist() for g in jd.compile(f)(a)] == expected
    assert [g.tolist() for g in f(jd.constant(a))] == expected


def test_a_tape_in_a_compiled_function_entered_again_goes_on() -> None:
    def f(x):
        tape = jd.GradientTape(persistent=True)
        with tape:
            tape.watch(x)
            y = x * x
        between = y * y
        with tape:
            z = y * x + between
        after = z * x
        return tape.gradient(z, x), tape.gradient(after, x, unconnected_gradients="zero")

    for found in (jd.compile(f)(3.0), f(jd.constant(3.0))):
        assert [float(g) for g in found] == [27.0, 0.0]


def test_what_a_tape_watches_changes_after_it_only() -> None:
    @jd.compile
    def changes(x):
        with jd.GradientTape() as tape:
            tape.watch(x)
            x[0] = 5.0
        return tape.gradient(x, x)

    with pytest.raises(TypeError, match=r"cannot be changed in place: a tape watches it.*\n.*\n  hint: copy it first"):
        changes(np.ones(2))

    @jd.compile
    def descends(w):
        w = w.copy()
        for _ in range(3):
            with jd.GradientTape() as tape:
                tape.watch(w)
                loss = np.sum((w - 1.0) ** 2)
            w -= 0.25 * tape.gradient(loss, w)
        return w

    assert descends(np.array([9.0, 1.0])).tolist() == [2.0, 1.0]
