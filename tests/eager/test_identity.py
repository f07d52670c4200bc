"""Values that are equal as numbers stay different values: in rules, checkpoints, tapes and transforms."""

import numpy as np
import pytest

import jitdiff as jd


def product_rule(a, c):
    return a * c, lambda g: (g * c, g * a)


@jd.custom_vjp
def product(a, c):
    return a * c


product.defvjp(lambda a, c: (a * c, (a, c)), lambda saved, g: (g * saved[1], g * saved[0]))


@jd.custom_jvp
def product_by_jvp(a, c):
    return a * c


@product_by_jvp.defjvp
def _(primals, tangents):
    (a, c), (da, dc) = primals, tangents
    return a * c, da * c + a * dc


PRODUCTS = {
    "checkpoint reads one around": lambda a, c: jd.checkpoint(lambda a: a * c)(a),
    "checkpoint reads both around": lambda a, c: jd.checkpoint(lambda: a * c)(),
    "checkpoint in another": lambda a, c: jd.checkpoint(lambda a: jd.checkpoint(lambda c: a * c)(c))(a),
    "checkpoint of one twice": lambda a, c: jd.checkpoint(lambda a, b, c: a * c + b - a)(a, a, c),
    "custom_gradient": jd.custom_gradient(product_rule),
    "custom_vjp": product,
    "custom_jvp": product_by_jvp,
    "compiled": jd.compile(lambda a, c: a * c),
    "compiled, reads one around": lambda a, c: jd.checkpoint(jd.compile(lambda a, c: a * c))(a, c),
    "cond": lambda a, c: jd.cond(np.sum(a) > -9.0, lambda a, c: a * c, lambda a, c: a + c, a, c),
    "list": lambda a, c: np.prod(np.stack([a, c]), axis=0),
    "in place": lambda a, c: np.multiply(a, c, out=np.zeros_like(a)) if np.ndim(a) else a * c,
}


@pytest.mark.parametrize("values", [(2.0, 2.0), (0.0, 0.0), (2.0, 3.0)])
@pytest.mark.parametrize("shape", [(), (1,), (2,)])
@pytest.mark.parametrize("kind", PRODUCTS)
def test_derivatives_of_a_product_of_two_values(kind, shape, values):
    def f(p):
        return np.sum(PRODUCTS[kind](p[0], p[1]))

    p = np.stack([np.full(shape, v) for v in values])
    expected = p[::-1]
    np.testing.assert_array_equal(jd.grad(f)(p), expected)
    np.testing.assert_array_equal(jd.jvp(f, (p,), (np.ones_like(p),))[1], np.sum(expected))
    np.testing.assert_array_equal(jd.hvp(f, (p,), (np.ones_like(p),)), np.ones_like(p))
    x = jd.Variable(p)
    with jd.GradientTape() as tape:
        y = f(x)
    np.testing.assert_array_equal(tape.gradient(y, x), expected)


@pytest.mark.parametrize("kind", [k for k in PRODUCTS if k != "in place"])
def test_derivatives_of_a_product_of_equal_values_compiled(kind):
    f = jd.compile(lambda a, c: PRODUCTS[kind](a, c) * 1.0)
    assert jd.grad(f, argnums=(0, 1))(2.0, 2.0) == (2.0, 2.0)


def test_a_variable_and_a_tensor_of_equal_numbers_are_two_sources():
    v, w, c = jd.Variable(2.0), jd.Variable(2.0), jd.constant(2.0)
    with jd.GradientTape(persistent=True) as tape:
        tape.watch(c)
        y = jd.checkpoint(lambda a: a * w * w * c)(v)
    assert [g.item() for g in tape.gradient(y, [v, w, c])] == [8.0, 16.0, 8.0]
    assert [g.item() for g in tape.gradient(y, [w, v, w])] == [16.0, 8.0, 16.0]
