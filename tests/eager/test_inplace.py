"""Tensors changed in place, under tapes, in transforms and through views: as NumPy arrays are."""

import copy
import gc
import weakref

import numpy as np
import pytest

import jitdiff as jd


def elements(x):
    y = np.zeros_like(x)
    y[0] = x[1] * x[1]
    y[1] = y[0] * x[0]
    y[-1] += np.sin(y[1])
    return y


def slices(x):
    y = x.copy()
    y[1:3] += x[:2] * x[2:]
    y[::2] *= y[1::2]
    y[:] -= x
    return y


def masks_and_positions(x):
    y = x * 2.0
    y[x > 0.5] = 3.0
    y[[0, 2]] *= x[[1, 3]]
    y[np.array([3, 3])] = x[:2]
    return y


def operators(x):
    y = x * 1.0
    y += x
    y *= y
    y -= 1.0
    y /= x + 2.0
    y **= 2
    return y


def outs(x):
    y, z = np.zeros_like(x), x.copy()
    np.add(x, 1.0, out=y)
    np.multiply(y, x, out=y)
    np.sin(y, out=z)
    np.exp(x, out=z, where=x > 0.6)
    return y * z


def fill(x):
    y = x * x
    z = y + 0.0
    z.fill(x[0])
    y[...] = z
    return y


def at_positions(x):
    y = np.zeros_like(x)
    np.add.at(y, [0, 1, 0], x[:3])
    np.subtract.at(y, [1, 1], x[3])
    return y * y


def a_view_writes_to_its_base(x):
    y = x * 1.0
    v = y[1:]
    v *= 3.0
    v[0] = x[0]
    return y * y


def a_base_writes_to_its_views(x):
    y = x * 1.0
    v, w = y[:2], y[::-1]
    y[0] = x[3] * x[3]
    y *= 2.0
    return v[0] * w


def views_of_views(x):
    y = np.reshape(x * 1.0, (2, 2))
    t = y.T
    row = t[0]
    row[1] = x[0] * x[1]
    flat = y.reshape(-1)
    flat += x
    return np.ravel(t * row)


def rows(x):
    y = (x * 1.0).reshape(2, 2)
    for row in y:
        row *= row[0]
    return y.reshape(4)


def copies_are_no_views(x):
    y = x * 1.0
    a, b, c, d = y.copy(), y[[0, 1, 2, 3]], y.flatten(), copy.copy(y)
    y[0] = 7.0
    a[1] = 5.0
    return a + b + c * d + y


def the_same_object(x):
    y = z = x * 1.0
    z[0] = x[1]
    y += z
    return y * z


def assigning_to_itself(x):
    y = x * 1.0
    y[1:] = y[:-1]
    y[:2] = y[2:]
    y += y
    return y * x


def old_values_stay_in_use(x):
    y = np.exp(x)
    z = y * y
    y[0] = x[1]
    y *= z
    return y


def a_recurrence(x):
    y = np.zeros_like(x)
    y[0] = x[0]
    for k in range(1, 4):
        y[k] = np.sin(y[k - 1]) + x[k]
    return y


def its_own_argument(x):
    x[0] = x[1] * x[2]
    x *= x
    return x


def columns(x):
    m = np.outer(x, x)
    m[:, 0] = x
    m[1] += m[:, 0]
    m[1:3, 1:3] *= x[0]
    return m @ x


CASES = [
    elements, slices, masks_and_positions, operators, outs, fill, at_positions, a_view_writes_to_its_base,
    a_base_writes_to_its_views, views_of_views, rows, copies_are_no_views, the_same_object, assigning_to_itself,
    old_values_stay_in_use, a_recurrence, its_own_argument, columns,
]  # fmt: skip
each = pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
X = np.array([0.3, 0.7, 0.9, 0.4])
WEIGHTS = np.array([1.0, -2.0, 0.5, 3.0])


def differences(f, x, h=1e-6):
    """The derivative of the weighted sum of f by central differences."""

    def value(x):
        return np.sum(WEIGHTS * f(x.copy()))

    return np.array([(value(x + h * e) - value(x - h * e)) / (2 * h) for e in np.eye(x.size)])


@each
def test_values_and_gradients_by_a_tape(f) -> None:
    x = jd.constant(X)
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = f(x.copy())
    np.testing.assert_array_equal(y, f(X.copy()))
    np.testing.assert_allclose(tape.gradient(y, x, output_gradients=WEIGHTS), differences(f, X), rtol=1e-7, atol=1e-8)
    assert x.tolist() == X.tolist()


@each
def test_transforms_leave_the_callers_arrays_alone(f) -> None:
    def loss(x):
        return np.sum(WEIGHTS * f(x))

    expected = differences(f, X)
    for x in (X.copy(), jd.constant(X), jd.Variable(X)):
        np.testing.assert_allclose(jd.grad(loss)(x), expected, rtol=1e-7, atol=1e-8)
        if not isinstance(x, jd.Variable):
            np.testing.assert_allclose(jd.gradients_function(loss)(x)[0], expected, rtol=1e-7, atol=1e-8)
        value, dot = jd.jvp(loss, (x,), (np.ones(4),))
        np.testing.assert_allclose(value, loss(X.copy()))
        np.testing.assert_allclose(dot, np.sum(expected), rtol=1e-7)
        assert x.tolist() == X.tolist()


@each
def test_second_order(f) -> None:
    def loss(x):
        return np.sum(WEIGHTS * f(x))

    gradient = jd.grad(loss)
    h, t = 1e-6, np.array([1.0, 0.5, -1.0, 2.0])
    expected = (gradient(X + h * t) - gradient(X - h * t)) / (2 * h)
    np.testing.assert_allclose(jd.hvp(loss, (X,), (t,)), expected, rtol=1e-5, atol=1e-6)
    x = jd.constant(X)
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = f(x.copy())
        first = inner.gradient(y, x, output_gradients=WEIGHTS)
    np.testing.assert_allclose(outer.gradient(first, x, output_gradients=t), expected, rtol=1e-5, atol=1e-6)
    with jd.ForwardAccumulator(x, t) as accumulator:
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = f(x.copy())
        first = tape.gradient(y, x, output_gradients=WEIGHTS)
    np.testing.assert_allclose(accumulator.jvp(first), expected, rtol=1e-5, atol=1e-6)


def test_second_order_of_a_tape_that_has_ended_when_the_change_comes() -> None:
    x = jd.constant([2.0, 3.0])
    with jd.GradientTape() as outer, jd.GradientTape() as inner:
        inner.watch(x)
        y = x * x
        z = y * y
    y[0] = 100.0
    first = inner.gradient(z, x)
    assert first.tolist() == [32.0, 108.0]
    assert outer.gradient(first, x).tolist() == [48.0, 108.0]


def test_a_changed_tensor_is_a_target_and_a_source_by_its_present_value() -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape(persistent=True) as tape:
        y = x * 3.0
        y[0] = 5.0
        z = y * y
    assert tape.gradient(y, x).tolist() == [0.0, 3.0]
    assert tape.gradient(z, y).tolist() == [10.0, 12.0]
    assert tape.jacobian(z, y).tolist() == [[10.0, 0.0], [0.0, 12.0]]
    y[1] = 0.0
    with pytest.warns(jd.errors.DisconnectedWarning, match="never watched"):
        assert tape.gradient(z, y) is None
    assert tape.gradient(z, x).tolist() == [0.0, 36.0]


def test_what_is_watched_cannot_be_changed() -> None:
    x = jd.constant([1.0, 2.0])
    with jd.GradientTape() as tape:
        tape.watch(x)
        v = x[:1]
        for change in (lambda: x.__setitem__(0, 1.0), lambda: x.__iadd__(1.0), lambda: v.__setitem__(0, 1.0)):
            with pytest.raises(RuntimeError, match=r"that is watched is changed in place.*\n.*\n  hint: copy it first"):
                change()
        y = x * x
    assert x.tolist() == [1.0, 2.0]
    assert tape.gradient(y, x).tolist() == [2.0, 4.0]
    x[0] = 9.0
    assert (x.tolist(), v.tolist()) == ([9.0, 2.0], [9.0])
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert tape.gradient(y, x).tolist() == [18.0, 4.0]


def test_a_base_of_a_watched_view_cannot_be_changed() -> None:
    y = jd.constant([1.0, 2.0])
    v = y[:1]
    with jd.GradientTape() as tape:
        tape.watch(v)
        with pytest.raises(RuntimeError, match="is watched"):
            y[0] = 3.0
    assert (y.tolist(), v.tolist()) == ([1.0, 2.0], [1.0])


def test_variables_are_changed_by_assignments_only() -> None:
    v = jd.Variable([1.0, 2.0], name="v")
    part = v[:1]
    for change in (lambda: v.__setitem__(0, 3.0), lambda: part.__iadd__(1.0), lambda: np.add(v, 1.0, out=v)):
        with pytest.raises(RuntimeError, match=r"the Variable 'v' is changed in place.*\n.*\n  hint: v\.assign"):
            change()
    w = v
    w += 1.0
    assert type(w) is jd.Tensor
    assert v.tolist() == [1.0, 2.0]
    copied = v.value()
    copied[0] = 7.0

    @jd.custom_gradient
    def changes_its_argument(x):
        x[0] = 7.0
        return x * 1.0, lambda dy: dy

    with pytest.raises(RuntimeError, match="the value of a Variable is changed in place"):
        changes_its_argument(v)
    assert v.tolist() == [1.0, 2.0]


def test_read_only_views_are_as_read_only_as_numpys() -> None:
    with pytest.raises(TypeError, match="read-only view, as in NumPy"):
        np.broadcast_to(jd.constant(np.ones(2)), (3, 2))[0] = 1.0


def test_what_does_not_fit() -> None:
    y = jd.constant([1.0, 2.0])
    with pytest.raises(ValueError, match="does not fit"):
        y += np.ones((2, 2))
    n = jd.constant([1, 2])
    with pytest.raises(TypeError, match="cannot be stored"):
        n += 0.5
    with pytest.raises(ValueError, match="does not fit where"):
        y[:] = np.ones(3)
    with pytest.raises(IndexError):
        y[5] = 1.0
    assert y.tolist() == [1.0, 2.0]


def test_arrays_given_to_constant_and_taken_by_numpy_are_copies() -> None:
    a = np.array([1.0, 2.0])
    y = jd.constant(a)
    b = y.numpy()
    y[0] = 9.0
    assert (a.tolist(), b.tolist(), y.tolist()) == ([1.0, 2.0], [1.0, 2.0], [9.0, 2.0])


def test_scalars_are_bound_anew() -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape() as tape:
        s = x[0]
        t = s
        s += x[1]
        y = s * t
    assert t.item() == 1.0
    assert tape.gradient(y, x).tolist() == [4.0, 1.0]


def test_a_tensor_from_outside_cannot_be_changed_in_a_trace() -> None:
    y = jd.constant([1.0, 2.0])

    @jd.compile
    def f(x):
        y[0] = x
        return np.sum(y)

    with pytest.raises(TypeError, match="from outside of a compiled function is changed in place"):
        f(3.0)


def test_assignment_into_a_buffer_is_followed() -> None:
    def f(x):
        y = np.zeros(2)
        y[0] = x[0] * x[1]
        return np.sum(y * x)

    np.testing.assert_array_equal(jd.grad(f)(np.array([2.0, 3.0])), [12.0, 4.0])


def test_assignment_into_a_numpy_array_from_outside_is_refused() -> None:
    buffer = np.zeros(2)

    def f(x):
        buffer[0] = x[0] * x[1]
        return np.sum(buffer * x)

    with pytest.raises(
        jd.errors.UnsupportedError, match=r"assigned into a NumPy array.*\n.*buffer\[0\].*\n.*np\.zeros"
    ):
        jd.grad(f)(np.ones(2))
    assert buffer.tolist() == [0.0, 0.0]


def test_a_tape_warns_of_an_assignment_into_a_numpy_array() -> None:
    x, a = jd.Variable(2.0), np.zeros(2)
    with jd.GradientTape() as tape:
        a[:] = x * 3.0
        y = np.sum(a * x)
    with pytest.warns(jd.errors.DisconnectedWarning, match="leaves out what went through an assignment into a NumPy"):
        assert tape.gradient(y, x).item() == 12.0


def test_adding_to_a_numpy_array_in_place_is_an_error() -> None:
    y = np.zeros(2)
    with pytest.raises(TypeError, match=r"a NumPy array is changed in place.*\n.*\n  hint: write y = y \+ x"):
        y += jd.constant([1.0, 2.0])


def test_views_and_changed_tensors_are_freed_by_reference_counting() -> None:
    gc.collect()
    gc.disable()
    try:
        with jd.GradientTape() as tape:
            x = jd.Variable([1.0, 2.0])
            y = x * 1.0
            v = y[:1]
            y[0] = 3.0
            v += 1.0
        refs = [weakref.ref(t) for t in (y, v, tape)]
        del y, v, tape
        assert [r() for r in refs] == [None] * 3
    finally:
        gc.enable()


def test_many_views_of_one_array_do_not_pile_up() -> None:
    y = jd.constant(np.zeros(3))
    for _ in range(1000):
        y[:2]
    assert len(y._views) < 40
