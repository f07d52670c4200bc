"""What is pickled and copied with an object, and functions with rules of their own: they stay what they belong to."""

import copy
import functools
import pickle

import cloudpickle
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jitdiff as jd
from jitdiff.api.transforms import hessp
from tests.api.test_pickle import TRANSFORMS, X, compiled_cubic, flat, lambda_free


class Held:
    """Holds what is made of its own method."""

    def __init__(self, w, make):
        self.w = w
        self.made = make(self.plain)

    def plain(self, x):
        return np.sum(self.w * x**2)


OF_METHODS = {
    **{name: TRANSFORMS[name] for name in TRANSFORMS if not name.startswith(("implicit", "grad of"))},
    "hessp": lambda f: functools.partial(hessp(f), p=np.ones(3)),
    "vmap": lambda f: functools.partial(_each, jd.vmap(f)),
    "compile": lambda f: jd.compile(f),
    "compiled gradient": lambda f: jd.compile(f).grad,
    "gradient, compiled": lambda f: jd.compile(jd.grad(f)),
    "compiled of partial": lambda f: jd.compile(functools.partial(_times, f)).value_and_grad,
    "gradient of partial": lambda f: jd.grad(functools.partial(_times, f)),
    "gradient of a callable object": lambda f: jd.grad(lambda_free(f)),
    "checkpoint": lambda f: jd.grad(jd.checkpoint(f)),
    "gradient of the identity": lambda f: jd.grad_pass_through(f),
    "rule": lambda f: jd.custom_gradient(functools.partial(_with_rule, f)),
}


def _each(f, x):
    return f(np.stack([x, x]))


def _times(f, x):
    return f(x) * np.sum(x)


def _with_rule(f, x):
    return f(x), lambda g: g * x


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "cloudpickle": lambda x: pickle.loads(cloudpickle.dumps(x)),
}


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", OF_METHODS)
def test_what_an_object_holds_of_its_method_belongs_to_its_copy(kind, how, called):
    held = Held(2.0, OF_METHODS[kind])
    if called:
        held.made(X)
    again = COPIES[how](held)
    again.w = 5.0
    assert_allclose(flat(again.made(X)), flat(Held(5.0, OF_METHODS[kind]).made(X)))
    assert_allclose(flat(held.made(X)), flat(Held(2.0, OF_METHODS[kind]).made(X)))


def test_a_copied_function_that_donates_goes_on_doing_so():
    changed = X.copy()
    holder = Held(2.0, lambda f: jd.compile(functools.partial(_emptied, f), donate="x"))
    copy.deepcopy(holder).made(changed)
    assert changed[0] == 0.0


def _emptied(f, x):
    x[0] = 0.0
    return f(x)


@jd.custom_vjp
def tripled(x):
    return x * x


tripled.defvjp(lambda x: (x * x, x), lambda x, g: (6 * x * g,))


@jd.custom_jvp
def halved(x):
    return x * x


halved.defjvp(lambda primals, tangents: (primals[0] ** 2, primals[0] * tangents[0]))


@jd.checkpoint
def again(x):
    return x * x


@jd.custom_gradient
def clipped(x):
    return x * x, lambda g: np.clip(g, -1.0, 1.0) * x


@jd.grad_pass_through
def floored(x):
    return np.floor(x) ** 2


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("f", [tripled, halved, again, clipped, floored], ids=lambda f: f.__name__)
def test_functions_with_rules_are_known_by_their_names(f, how):
    assert COPIES[how](f) is f
    assert COPIES[how](jd.grad(f))(2.0) == jd.grad(f)(2.0)
    assert COPIES[how](jd.compile(f))(3.0) == 9.0


def test_lambdas_go_by_value_where_pickle_is_only_tried_first():
    """As dask does it: programs traced for some arguments would do where the function itself can be sent."""
    sender = {"__name__": "distributed.protocol.pickle"}
    exec("import pickle\ndef dumps(x):\n    return pickle.dumps(x)\n", sender)
    f = jd.compile(lambda x: np.sum(x**3))
    f(X)
    assert pickle.loads(pickle.dumps(f))(X) == f(X)
    for each in (f, f.grad):
        with pytest.raises((pickle.PicklingError, AttributeError)):
            sender["dumps"](each)
    assert pickle.loads(sender["dumps"](compiled_cubic.grad))(X[:2]) @ [1, 1] == compiled_cubic.grad(X[:2]) @ [1, 1]


@pytest.mark.parametrize("make", [jd.checkpoint, jd.recompute_grad, jd.custom_gradient, jd.grad_pass_through])
def test_functions_that_are_given_a_rule_are_pickled_as_what_they_are_made_of(make):
    plain = _value_and_rule if make is jd.custom_gradient else _value
    made = make(plain)
    assert (made.__name__, made.__doc__, made.__wrapped__) == (plain.__name__, plain.__doc__, plain)
    again = pickle.loads(pickle.dumps(made))
    assert again(3.0) == made(3.0) == 9.0
    assert jd.grad(again)(3.0) == jd.grad(made)(3.0)
    assert pickle.loads(pickle.dumps(jd.compile(made))).grad(3.0) == jd.grad(made)(3.0)


def _value(x):
    """Square."""
    return x * x


def _value_and_rule(x):
    """Square, with the derivative of a cube."""
    return x * x, lambda g: 3.0 * g * x * x


@pytest.mark.parametrize("function", [np.sum, np.linalg.norm, np.max])
def test_functions_of_numpy_are_pickled_by_their_names(function):
    for made in (jd.compile(function), jd.grad(function), jd.compile(function).grad):
        assert_allclose(pickle.loads(pickle.dumps(made))(X), made(X))
