"""Rules of the user's, eager and compiled: `custom_vjp`, `custom_jvp`, `custom_gradient` and what is made of it."""

import numpy as np
import pytest

import jitdiff as jd


def plain(x):
    return np.sin(x) * x


@jd.custom_vjp
def by_vjp(x):
    return plain(x)


by_vjp.defvjp(
    lambda x: (by_vjp(x), (x, by_vjp(x))),
    lambda residuals, g: (g * (np.cos(residuals[0]) * residuals[0] + residuals[1] / residuals[0]),),
)


@jd.custom_jvp
def by_jvp(x):
    return plain(x)


@by_jvp.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return by_jvp(x), t * (np.cos(x) * x + np.sin(x))


@jd.custom_gradient
def by_gradient(x):
    s = np.sin(x)
    return s * x, lambda dy: dy * (np.cos(x) * x + s)


KINDS = {
    "custom_vjp": by_vjp,
    "custom_jvp": by_jvp,
    "custom_gradient": by_gradient,
    "recompute_grad": jd.recompute_grad(plain),
}
each = pytest.mark.parametrize("kind", KINDS)


def scalar(f):
    return lambda x: np.sum(f(x))


@each
def test_values(kind) -> None:
    x = np.array([0.5, 0.7])
    np.testing.assert_array_equal(KINDS[kind](x), plain(x))
    assert type(KINDS[kind](x)) is np.ndarray
    np.testing.assert_array_equal(KINDS[kind](jd.constant(x)), plain(x))


@each
def test_under_tapes_to_third_order(kind) -> None:
    def derivatives(f):
        x = jd.Variable([0.5, 0.7])
        with jd.GradientTape() as a:
            with jd.GradientTape() as b:
                with jd.GradientTape() as c:
                    y = f(x)
                first = c.gradient(y, x)
            second = b.gradient(first, x)
        return [first.numpy(), second.numpy(), a.gradient(second, x).numpy()]

    np.testing.assert_allclose(derivatives(KINDS[kind]), derivatives(plain), rtol=1e-12)


@each
def test_in_forward_mode_and_mixed(kind) -> None:
    f, x, t = KINDS[kind], np.array([0.5, 0.7]), np.array([1.0, -2.0])
    np.testing.assert_allclose(jd.jvp(f, (x,), (t,))[1], jd.jvp(plain, (x,), (t,))[1])
    np.testing.assert_allclose(jd.hvp(scalar(f), (x,), (t,)), jd.hvp(scalar(plain), (x,), (t,)))


@each
def test_compiled(kind) -> None:
    f, x = jd.compile(scalar(KINDS[kind])), np.array([0.5, 0.7])
    np.testing.assert_allclose(f(x), np.sum(plain(x)))
    np.testing.assert_allclose(f.grad(x), jd.grad(scalar(plain))(x))
    np.testing.assert_allclose(jd.hessian(f)(x), jd.hessian(scalar(plain))(x), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("wrap", [lambda f: f, jd.compile], ids=["eager", "compiled"])
class TestTheRuleIsUsed:
    """Rules that are wrong on purpose show in the gradient."""

    def test_custom_vjp(self, wrap) -> None:
        @jd.custom_vjp
        def f(x, y):
            return x * y

        f.defvjp(lambda x, y: (f(x, y), None), lambda _, g: (g * 10.0, None))
        dx, dy = jd.grad(wrap(lambda x, y: f(x, y)), argnums=(0, 1))(2.0, 3.0)
        assert (dx, dy) == (10.0, 0.0)

    def test_custom_jvp(self, wrap) -> None:
        @jd.custom_jvp
        def f(x, y):
            return x * y

        f.defjvps(lambda t, z, x, y: 10.0 * t, None)
        dx, dy = jd.grad(wrap(lambda x, y: f(x, y)), argnums=(0, 1))(2.0, 3.0)
        assert (dx, dy) == (10.0, 0.0)

    def test_custom_gradient(self, wrap) -> None:
        @jd.custom_gradient
        def f(x, y):
            return x * y, lambda dz: (dz * 10.0, None)

        dx, dy = jd.grad(wrap(lambda x, y: f(x, y)), argnums=(0, 1))(2.0, 3.0)
        assert (dx, dy) == (10.0, 0.0)

    def test_grad_pass_through(self, wrap) -> None:
        f = jd.grad_pass_through(np.floor)
        assert jd.value_and_grad(wrap(lambda x: 3.0 * f(x)))(2.7) == (6.0, 3.0)

    def test_trees_and_static_arguments(self, wrap) -> None:
        @jd.custom_vjp
        def f(tree, kind, scale):
            return {"out": tree["a"] * scale if kind == "scaled" else tree["a"]}

        f.defvjp(
            lambda tree, kind, scale: (f(tree, kind, scale), (kind, scale)),
            lambda saved, g: ({"a": g["out"] * 7.0, "b": None}, None, None),
        )
        loss = wrap(lambda a, b: np.sum(f({"a": a, "b": b}, "scaled", 2.0)["out"]))
        value, (da, db) = jd.value_and_grad(loss, argnums=(0, 1))(np.array([1.0, 2.0]), 5.0)
        assert (value, da.tolist(), db) == (6.0, [7.0, 7.0], 0.0)

    def test_nondiff_argnums(self, wrap) -> None:
        def f(n, x):
            return x**n

        f = jd.custom_vjp(f, nondiff_argnums=(0,))
        f.defvjp(lambda n, x: (f(n, x), x), lambda n, x, g: (g * n * 100.0,))
        assert jd.grad(wrap(lambda x: f(3, x)))(2.0) == 300.0

    def test_second_order_is_that_of_the_rule(self, wrap) -> None:
        @jd.custom_vjp
        def f(x):
            return x * x

        f.defvjp(lambda x: (f(x), x), lambda x, g: (g * x**4,))
        assert jd.grad(jd.grad(wrap(lambda x: f(x))))(2.0) == 32.0

    def test_values_from_around(self, wrap) -> None:
        def outer(x, y):
            @jd.custom_vjp
            def f(x):
                return x * y

            f.defvjp(lambda x: (f(x), None), lambda _, g: (g * y * y,))
            return f(x)

        assert jd.grad(wrap(outer))(2.0, 3.0) == 9.0


def test_in_a_compiled_loop() -> None:
    @jd.compile
    def f(x):
        return jd.fori_loop(0, 3, lambda i, c: by_vjp(c), x)

    def g(x):
        for _ in range(3):
            x = plain(x)
        return x

    np.testing.assert_allclose(f.grad(1.3), jd.grad(g)(1.3))


def test_custom_gradient_with_variables() -> None:
    w = jd.Variable(3.0)

    @jd.custom_gradient
    def f(x):
        def grad(dy, variables=None):
            assert variables == [w]
            return dy * 10.0, [dy * 100.0]

        return w * x, grad

    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y = f(x)
    assert [g.item() for g in tape.gradient(y, [x, w])] == [10.0, 100.0]


@pytest.mark.parametrize("where", ["eager", "tape in a trace", "compiled under a tape"])
def test_custom_gradient_with_variables_and_its_second_order(where) -> None:
    """The rule is not that of x^3 w, on purpose."""
    w = jd.Variable(3.0)

    @jd.custom_gradient
    def f(x):
        return x**3 * w, lambda dy, variables=None: (dy * x * x * w, [dy * x**4])

    def derivatives(x, f):
        with jd.GradientTape() as outer:
            outer.watch([x, w])
            with jd.GradientTape() as inner:
                inner.watch(x)
                y = f(x)
            dx, dw = inner.gradient(y, [x, w])
        return dx, dw, *outer.gradient([dx, dw], [x, w])

    if where == "eager":
        found = derivatives(jd.constant(2.0), f)
    elif where == "tape in a trace":
        found = jd.compile(lambda x: derivatives(x, f))(2.0)
    else:
        found = derivatives(jd.constant(2.0), jd.compile(lambda x: f(x)))
    assert [float(g) for g in found] == [12.0, 16.0, 2 * 2 * 3 + 4 * 8.0, 4.0]


def test_custom_gradient_of_a_variable_alone_in_a_compiled_function() -> None:
    w = jd.Variable([1.0, 2.0])
    f = jd.custom_gradient(lambda: (np.sum(w), lambda dy, variables=None: ([], [dy * np.array([5.0, 7.0])])))
    unaware = jd.custom_gradient(lambda x: (x * np.sum(w), lambda dy: dy))
    with pytest.raises(TypeError, match="must accept keyword argument 'variables'"):
        jd.compile(lambda x: unaware(x))(1.0)
    with jd.GradientTape() as tape:
        y = f()
    assert tape.gradient(y, w).tolist() == [5.0, 7.0]


def test_custom_gradient_has_to_return_a_pair() -> None:
    for f in (lambda x: x * 1.0, lambda x: (x, None), lambda x: (x, x, x)):
        with pytest.raises(TypeError, match="has to return its result and a function that gives the gradients"):
            jd.custom_gradient(f)(jd.Variable(2.0))


def test_custom_gradient_of_several_results() -> None:
    @jd.custom_gradient
    def f(x, y):
        return (x * y, x + y), lambda da, db: (da * 10.0, db * 100.0)

    x, y = jd.Variable(2.0), jd.Variable(3.0)
    with jd.GradientTape(persistent=True) as tape:
        a, b = f(x, y)
    assert [g.item() for g in tape.gradient([a, b], [x, y])] == [10.0, 100.0]
    assert [g.item() for g in tape.gradient(a, [x, y])] == [10.0, 0.0]


def test_nested_custom_gradients() -> None:
    """The second derivative is what the rule of the rule says: the pattern of TensorFlow's own documentation."""

    @jd.custom_gradient
    def f(x):
        def first_order(dy):
            @jd.custom_gradient
            def derivative(x):
                return 10.0 * x, lambda ddy: ddy * 1000.0

            return dy * derivative(x)

        return x * x, first_order

    x = jd.Variable(2.0)
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            y = f(x)
        first = inner.gradient(y, x)
    assert first.item() == 20.0
    assert outer.gradient(first, x).item() == 1000.0


def test_custom_gradient_uses_what_it_drew_once() -> None:
    rng = np.random.default_rng(0)

    @jd.custom_gradient
    def noisy(x):
        noise = rng.normal(size=3)
        return x + noise, lambda dy: dy * noise

    x = jd.Variable(np.zeros(3))
    with jd.GradientTape() as tape:
        y = noisy(x)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_recompute_grad_keeps_no_intermediate_values() -> None:
    def f(x):
        for _ in range(20):
            x = np.sin(x)
        return x

    x = jd.Variable(np.ones(100))
    with jd.GradientTape() as kept:
        y = f(x)
    with jd.GradientTape() as recomputed:
        z = jd.recompute_grad(f)(x)
    assert "21 ops" in repr(kept)
    assert "2 ops" in repr(recomputed)
    np.testing.assert_array_equal(kept.gradient(y, x), recomputed.gradient(z, x))


def test_recompute_grad_of_variables() -> None:
    x, w = jd.Variable(2.0), jd.Variable(3.0)
    with jd.GradientTape() as tape:
        y = jd.recompute_grad(lambda x: w * x * w)(x)
    assert [g.item() for g in tape.gradient(y, [x, w])] == [9.0, 12.0]


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (
            (lambda x: (x, None), lambda _, g: g),
            TypeError,
            "f: its bwd has to return a tuple of 1, .* returned a Tensor",
        ),
        (
            (lambda x: (x, None), lambda _, g: (g, g)),
            TypeError,
            "its bwd has to return a tuple of 1, .* returned 2 of them",
        ),
        ((lambda x: x, lambda _, g: (g,)), TypeError, r"its fwd has to return \(result, residuals\)"),
        ((lambda x: (x, None), lambda _, g: (np.ones(3),)), ValueError, r"a gradient of shape \(3,\) for argument 0"),
    ],
)
def test_mistakes_in_a_custom_vjp(rule, error, message) -> None:
    @jd.custom_vjp
    def f(x):
        return x * 1.0

    f.defvjp(*rule)
    x = jd.Variable(2.0)

    def differentiate():
        with jd.GradientTape() as tape:
            y = f(x)
        return tape.gradient(y, x)

    with pytest.raises(error, match=message):
        differentiate()


def test_mistakes_in_a_custom_gradient() -> None:
    x, w = jd.Variable(2.0), jd.Variable(3.0)
    two = jd.custom_gradient(lambda x: (x * 1.0, lambda dy: (dy, dy)))
    with jd.GradientTape() as tape:
        y = two(x)
    with pytest.raises(ValueError, match="expected to return 1 gradients, but returned 2 instead"):
        tape.gradient(y, x)
    unaware = jd.custom_gradient(lambda x: (x * w, lambda dy: dy))
    with pytest.raises(TypeError, match="must accept keyword argument 'variables', since function uses variables"):
        unaware(x)
    forgetful = jd.custom_gradient(lambda x: (x * w, lambda dy, variables=None: (dy, [])))
    with jd.GradientTape() as tape:
        y = forgetful(x)
    with pytest.raises(ValueError, match="Must return gradient for each variable"):
        tape.gradient(y, x)


def test_a_function_without_a_rule() -> None:
    with pytest.raises(ValueError, match=r"f has no rule yet.*\n.*\n  hint: f\.defvjp"):
        jd.custom_vjp(_named_f)(1.0)
    with pytest.raises(ValueError, match=r"f has no rule yet.*\n.*\n  hint: f\.defjvp"):
        jd.custom_jvp(_named_f)(1.0)


def _named_f(x):
    return x


_named_f.__name__ = "f"
