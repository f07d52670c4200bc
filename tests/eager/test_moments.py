"""A rule or checkpoint that runs when the gradient is taken sees what was there when its function was called."""

import numpy as np
import pytest

import jitdiff as jd

X = np.array([2.0, 3.0])


def square(a):
    return a * a


def with_vjp(fun, fwd, bwd):
    f = jd.custom_vjp(fun)
    f.defvjp(fwd, bwd)
    return f


square_by_jvp = jd.custom_jvp(square)


@square_by_jvp.defjvp
def _(primals, tangents):
    return primals[0] * primals[0], 2.0 * primals[0] * tangents[0]


square_by_itself = jd.custom_vjp(square)
square_by_itself.defvjp(lambda a: (square_by_itself(a), a), lambda r, g: (2.0 * r * g,))

SQUARES = {
    "checkpoint": jd.checkpoint(square),
    "checkpoint in a checkpoint": jd.checkpoint(lambda a: jd.checkpoint(square)(a) * 1.0),
    "residuals": with_vjp(square, lambda a: (a * a, {"a": [a]}), lambda r, g: (2.0 * r["a"][0] * g,)),
    "a residual that is a view": with_vjp(square, lambda a: (a * a, a[:]), lambda r, g: (2.0 * r * g,)),
    "called by its own rule": square_by_itself,
    "closure": jd.custom_gradient(lambda a: (a * a, lambda g: 2.0 * a * g)),
    "tangents": square_by_jvp,
    "compiled": jd.compile(square),
    "checkpoint of compiled": jd.checkpoint(jd.compile(square)),
    "operations": square,
}


def argument_changes(f, x):
    y = x * 1.0
    v = f(y)
    y[0] = 5.0
    return v


def argument_changes_twice(f, x):
    y = x * 1.0
    v = f(y)
    y[0] = 5.0
    w = f(y)
    y += 1.0
    return v + w


def argument_was_changed_before(f, x):
    y = x * 1.0
    y[0] = x[1]
    v = f(y)
    y[1] = 7.0
    return v


def argument_is_a_view_of_what_changes(f, x):
    y = x * 1.0
    v = f(y[::-1])
    y[0] = 5.0
    return v


def argument_is_a_view_that_was_not_read_since(f, x):
    y = x * 1.0
    part = y[:]
    y[0] = x[0] * x[1]
    v = f(part)
    y *= 0.0
    return v


def result_changes(f, x):
    v = f(x)
    v[0] = 5.0
    return v


def result_is_the_next_argument(f, x):
    y = x * 1.0
    for k in range(3):
        y[:] = f(y)
        y[k % 2] *= 0.5
    return y


CHANGES = [
    argument_changes, argument_changes_twice, argument_was_changed_before, argument_is_a_view_of_what_changes,
    argument_is_a_view_that_was_not_read_since, result_changes, result_is_the_next_argument,
]  # fmt: skip


def differences(f, x, h=1e-6):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)])


def agree_in_every_mode(f, compiled=True) -> None:
    """The gradient of `f` at X by differences, reverse, forward, a tape, and compiled; and its derivative."""
    expected = differences(f, X)
    np.testing.assert_allclose(jd.grad(f)(X), expected, rtol=1e-6, atol=1e-6)
    p = np.array([1.0, -0.5])
    np.testing.assert_allclose(jd.jvp(f, (X,), (p,))[1], expected @ p, rtol=1e-6, atol=1e-6)
    x = jd.Variable(X)
    with jd.GradientTape() as tape:
        y = f(x)
    np.testing.assert_allclose(tape.gradient(y, x), expected, rtol=1e-6, atol=1e-6)
    second = differences(lambda x: jd.grad(f)(x) @ p, X)
    np.testing.assert_allclose(jd.hvp(f, (X,), (p,)), second, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jd.grad(lambda x: np.sum(jd.grad(f)(x) * p))(X), second, rtol=1e-5, atol=1e-5)
    if compiled:
        np.testing.assert_allclose(jd.grad(jd.compile(f))(X), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", SQUARES)
@pytest.mark.parametrize("changes", CHANGES, ids=lambda f: f.__name__)
def test_what_changes_after_the_call(changes, kind) -> None:
    agree_in_every_mode(lambda x: np.sum(changes(SQUARES[kind], x) * np.array([1.0, 3.0])))


def test_what_a_function_reads_around_it_changes_after_the_call() -> None:
    def checkpointed(x):
        c = x * 1.0
        v = jd.checkpoint(lambda a: a * c)(x)
        c[0] = 5.0
        return np.sum(v)

    def ruled(x):
        c = jd.stop_gradient(x) * 1.0
        v = with_vjp(lambda a: a * c, lambda a: (a * c, None), lambda r, g: (g * c,))(jd.stop_gradient(x) * x)
        c[0] = 5.0
        return np.sum(v * v)

    def constants(x):
        c = np.zeros_like(x) + 2.0
        part = c[1:]
        v = jd.checkpoint(lambda a: a * c * part)(x)
        c += 1.0
        return np.sum(v)

    agree_in_every_mode(checkpointed)
    agree_in_every_mode(constants)
    assert jd.grad(ruled)(X).tolist() == jd.grad(jd.compile(ruled))(X).tolist() == [2 * 8.0 * 4.0, 2 * 27.0 * 9.0]


def test_what_a_checkpointed_function_changes() -> None:
    def its_argument(x):
        def f(a):
            a[0] = a[1] * a[1]
            return a * a

        y = x * 1.0
        v = jd.checkpoint(f)(y)
        return np.sum(v * y)

    def an_argument_through_a_view(x):
        def f(a, part):
            part *= a[1]
            return np.sum(a)

        y = x * 1.0
        v = jd.checkpoint(f)(y, y[:1])
        return v * np.sum(y * y)

    def what_is_around_it(x):
        y, total = x * 1.0, np.zeros_like(x)

        def f(a):
            total[:] = total + a * y
            y[0] = a[0] * a[0]
            return a * 1.0

        v = jd.checkpoint(f)(y * 2.0) + jd.checkpoint(f)(x)
        y[1] = 1.0
        return np.sum(v) + np.sum(y * y) + np.sum(total**2)

    def arrays_of_its_own(x):
        def f(a):
            y = np.zeros_like(a)
            y[0] = a[1]
            y[1] = y[0] * a[0]
            kept.append(y)
            return y * 1.0

        kept = []
        return np.sum(jd.checkpoint(f)(x)) + np.sum(kept[0] ** 2)

    for f in (its_argument, an_argument_through_a_view, what_is_around_it):
        agree_in_every_mode(f)
    agree_in_every_mode(arrays_of_its_own, compiled=False)


def test_arrays_and_variables_that_change_after_the_call() -> None:
    w = np.array([1.0, 2.0])
    kinds = {
        "checkpoint": jd.checkpoint(lambda a, w: a * a * w),
        "rule": with_vjp(
            lambda a, w: a * a * w, lambda a, w: (a * a * w, (a, w)), lambda r, g: (2 * g * r[0] * r[1], None)
        ),
        "nondiff": jd.custom_vjp(lambda a, w: a * a * w, nondiff_argnums=(1,)),
        "closure": jd.custom_gradient(lambda a, w: (a * a * w, lambda g: (2 * g * a * w, None))),
        "compiled": jd.compile(lambda a, w: a * a * w),
        "captured": jd.compile(lambda a, _: a * a * w),
        "operations": lambda a, w: a * a * w,
    }
    kinds["nondiff"].defvjp(lambda a, w: (a * a * w, a), lambda w, a, g: (2 * g * a * w,))
    for name, f in kinds.items():
        w[:] = 1.0, 2.0
        x = jd.Variable(X)
        with jd.GradientTape() as tape:
            y = f(x, w)
        w[:] = 10.0
        x.assign([0.0, 0.0])
        np.testing.assert_array_equal(tape.gradient(y, x), [4.0, 12.0], err_msg=name)


def test_variables_and_tensors_that_a_function_reads_around_it() -> None:
    for wrap in (jd.checkpoint, jd.compile, lambda f: f):
        v, c = jd.Variable([1.0, 2.0]), jd.constant([1.0, 1.0])
        x = jd.Variable(X)
        f = wrap(lambda a: a * a * v * c)  # noqa: B023
        with jd.GradientTape() as tape:
            y = f(x)
        v.assign([10.0, 10.0])
        c[0] = 10.0
        dx, dv = tape.gradient(y, [x, v])
        np.testing.assert_array_equal(dx, [4.0, 12.0])
        np.testing.assert_array_equal(dv, [4.0, 9.0])
        np.testing.assert_array_equal(f(X), X * X * 10.0 * np.array([10.0, 1.0]))


def test_the_pullback_of_a_compiled_function_keeps_what_it_reads() -> None:
    w = np.array([1.0, 2.0])
    for f in (
        jd.compile(lambda x: np.exp(x * w)),
        jd.compile(lambda x: (np.exp(x * w), x[0])),
        lambda x: np.exp(x * w),
    ):
        w[:], x = (1.0, 2.0), X.copy()
        aux = isinstance(f(x), tuple)
        y, pull, *_ = jd.vjp(f, x, has_aux=aux)
        w[:], x[:], y[:] = 0.0, 0.0, 0.0
        np.testing.assert_allclose(pull(np.ones(2))[0], np.array([1.0, 2.0]) * np.exp(X * np.array([1.0, 2.0])))

    @jd.compile
    def within(x):
        x = x * 1.0
        y, pull = jd.vjp(square, x)
        x[0] = 9.0
        return pull(y)[0]

    np.testing.assert_allclose(within(X), 2.0 * X**3)
    g = jd.compile(square)
    np.testing.assert_allclose(jd.compile(lambda x: _changed_between(g, x))(X), 2.0 * X**3)


def _changed_between(f, x):
    x = x * 1.0
    y, pull = jd.vjp(f, x)
    x[0] = 9.0
    return pull(y)[0]


def test_a_checkpoint_that_computes_something_else_the_second_time_says_so() -> None:
    c = np.array([1.0, 2.0])
    rng = np.random.default_rng(1)
    for f in (lambda a: a * a * c, lambda a: a * rng.normal(size=2)):
        x = jd.Variable(X)
        with jd.GradientTape() as tape:
            y = jd.checkpoint(f)(x)
        c[0] = 10.0
        with pytest.raises(jd.errors.TapeError, match="random numbers, or reads an array that was changed"):
            tape.gradient(y, x)


def _changes_its_argument(a):
    a[0] = 7.0
    return a * a


def _changes_and_gives_a_gradient(a):
    return _changes_its_argument(a), lambda g: 2 * a * g


@pytest.mark.parametrize(
    "f",
    [
        with_vjp(_changes_its_argument, lambda a: (_changes_its_argument(a), a), lambda r, g: (2 * r * g,)),
        jd.custom_gradient(_changes_and_gives_a_gradient),
    ],
)
def test_a_function_with_a_rule_does_not_change_its_arguments(f) -> None:
    def loss(x):
        y = x * 1.0
        return np.sum(f(y)) + np.sum(f(y[:]))

    for run in (jd.grad(loss), jd.grad(jd.compile(loss)), lambda x: jd.jvp(loss, (x,), (x,))):
        with pytest.raises(jd.errors.JitdiffError, match="has a rule for its derivative, and changes an array"):
            run(X)


def test_only_moments_that_live_keep_old_values() -> None:
    y = jd.constant(np.ones(3)) * 1.0
    for k in range(5):
        y[0] = float(k)
    before = len(y._cell._past)
    assert before <= 1
    x = jd.Variable(np.ones(3))
    with jd.GradientTape() as tape:
        z = jd.checkpoint(lambda a: a * y)(x)
        y[0] = 7.0
        y[0] = 8.0
    assert len(y._cell._past) == before + 1
    assert tape.gradient(z, x).tolist() == [4.0, 1.0, 1.0]
