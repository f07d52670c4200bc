"""`gradients_function` and its family."""

import functools

import numpy as np
import pytest

import jitdiff as jd


def f(x, y):
    return x * x * y


def numbers(gradients):
    return [g if g is None else g.tolist() for g in gradients]


def test_gradients_come_as_a_list() -> None:
    gradients = jd.gradients_function(f)(3.0, 2.0)
    assert type(gradients) is list
    assert all(type(g) is jd.Tensor for g in gradients)
    assert numbers(gradients) == [12.0, 9.0]


@pytest.mark.parametrize(("x", "n", "expected"), [(3.0, 2, 6.0), (4.0, 3, 48.0)])
def test_a_python_loop(x, n, expected) -> None:
    def power(x, n):
        result = 1.0
        for _ in range(n):
            result = result * x
        return result

    assert numbers(jd.gradients_function(power)(x, n)) == [expected, None]


@pytest.mark.parametrize("params", [["y"], [1]])
def test_params_by_name_or_position(params) -> None:
    assert numbers(jd.gradients_function(f, params)(3.0, 2.0)) == [9.0]
    assert numbers(jd.gradients_function(f, ["y", "x"])(3.0, 2.0)) == [9.0, 12.0]


def test_params_may_repeat_and_count_from_the_end() -> None:
    assert numbers(jd.gradients_function(f, [1, 1])(3.0, 2.0)) == [9.0, 9.0]
    assert numbers(jd.gradients_function(f, [-1, 0])(3.0, 2.0)) == [9.0, 12.0]
    assert numbers(jd.gradients_function(f, [])(3.0, 2.0)) == []


def test_arguments_of_any_kind() -> None:
    g = jd.gradients_function(lambda x, y: np.sum(x * y))
    for x in ([1.0, 2.0], np.array([1.0, 2.0]), jd.constant([1.0, 2.0]), jd.Variable([1.0, 2.0])):
        assert numbers(g(x, 3.0)) == [[3.0, 3.0], 3.0]


def test_the_same_object_twice_gets_independent_gradients() -> None:
    for one in (jd.constant(1.0), jd.Variable(1.0), np.float64(1.0)):
        assert numbers(jd.gradients_function(lambda x, y: x * y * y)(one, one)) == [1.0, 2.0]


def test_what_is_not_connected_is_none() -> None:
    assert numbers(jd.gradients_function(lambda x, y: x * 2.0)(1.0, 2.0)) == [2.0, None]
    assert numbers(jd.gradients_function(lambda x: 5.0)(1.0)) == [None]


def test_results_are_summed_and_weighed() -> None:
    g = jd.gradients_function(lambda x: {"a": x * 2.0, "b": x * x})
    assert numbers(g(3.0)) == [8.0]
    assert numbers(g(3.0, dy={"a": 10.0, "b": 1.0})) == [26.0]
    assert numbers(jd.gradients_function(lambda x: x * x)([1.0, 2.0], dy=[1.0, 10.0])) == [[2.0, 40.0]]


def test_higher_order() -> None:
    g = jd.gradients_function(lambda x: x**4)
    for expected in (4 * 27.0, 12 * 9.0, 24 * 3.0, 24.0):
        assert numbers(g(3.0)) == [expected]
        g = jd.gradients_function(lambda x, g=g: g(x)[0])


def test_under_a_tape() -> None:
    x = jd.Variable(3.0)
    with jd.GradientTape() as tape:
        (first,) = jd.gradients_function(lambda x: x**3)(x)
    assert first.item() == 27.0
    assert tape.gradient(first, x).item() == 18.0


def test_methods_and_partial_functions() -> None:
    class Model:
        def loss(self, x, y):
            return x * y

    assert numbers(jd.gradients_function(Model().loss, ["y"])(2.0, 3.0)) == [2.0]
    assert numbers(jd.gradients_function(functools.partial(f, 3.0))(2.0)) == [9.0]


def test_an_integer_asked_for_by_name_warns() -> None:
    with pytest.warns(jd.errors.TapeWarning, match="by its argument 1 will be None: its dtype is int64"):
        assert numbers(jd.gradients_function(lambda x, y: x * y, ["x", "y"])(2.0, 3)) == [3.0, None]


def test_value_and_gradients() -> None:
    value, gradients = jd.value_and_gradients_function(f)(3.0, 2.0)
    assert value.item() == 18.0
    assert numbers(gradients) == [12.0, 9.0]


def test_make_vjp() -> None:
    value, vjp = jd.make_vjp(f)(3.0, 2.0)
    assert value.item() == 18.0
    assert numbers(vjp()) == [12.0, 9.0]
    assert numbers(vjp(2.0)) == [24.0, 18.0]
    _, once = jd.make_vjp(f, persistent=False)(3.0, 2.0)
    once()
    with pytest.raises(RuntimeError, match="can only be called once on non-persistent tapes"):
        once()


def test_implicit_gradients_pair_gradients_with_variables() -> None:
    w, b = jd.Variable(2.0), jd.Variable(1.0)
    pairs = jd.implicit_gradients(lambda x, scale=1.0: scale * (b + w * x * x))(3.0, scale=2.0)
    assert [(g.item(), v is x) for (g, v), x in zip(pairs, (w, b), strict=True)] == [(18.0, True), (2.0, True)]
    value, pairs = jd.implicit_value_and_gradients(lambda: w * w * w)()
    assert (value.item(), pairs[0][0].item()) == (8.0, 12.0)


def test_implicit_gradients_differentiate_again() -> None:
    w = jd.Variable(2.0)
    first = jd.implicit_gradients(lambda: w**3)
    assert jd.implicit_gradients(lambda: first()[0][0])()[0][0].item() == 12.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jd.gradients_function(f)(1.0, y=2.0), ValueError, "cannot receive keyword arguments"),
        (
            lambda: jd.gradients_function(lambda x: None)(1.0),
            ValueError,
            "Cannot differentiate a function that returns None; did you forget to return a value from <lambda>",
        ),
        (
            lambda: jd.gradients_function(f, ["q"])(1.0, 2.0),
            ValueError,
            r"no parameter 'q'; the signature is f\(x, y\)",
        ),
        (
            lambda: jd.gradients_function(f, ["y", 0])(1.0, 2.0),
            ValueError,
            r"params must be all strings or all integers; got \['y', 0\]",
        ),
        (lambda: jd.gradients_function(f, [2])(1.0, 2.0), ValueError, "params has 2, but f was called with 2"),
        (lambda: jd.gradients_function(f, ["y"])(1.0), ValueError, "params has 'y', but f was called with 1"),
        (lambda: jd.gradients_function(max, ["a"])(1.0, 2.0), ValueError, "could not inspect its arguments by name"),
        (lambda: jd.gradients_function(f)(1.0, 2.0, dy=[1.0]), ValueError, r"dy has shape \(1,\), its target has \(\)"),
        (lambda: jd.gradients_function(f)("a", 2.0), TypeError, "not an array of numbers"),
        (
            lambda: jd.implicit_gradients(lambda: 1.0)(),
            ValueError,
            "No trainable variables were accessed while the function was being computed",
        ),
        (lambda: jd.implicit_gradients(lambda: None)(), ValueError, "returns None"),
    ],
)
def test_mistakes(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_inside_a_compiled_function() -> None:
    @jd.compile
    def g(x):
        return jd.gradients_function(lambda a, b: np.sum(a * b * b))(x, x)

    a, b = g(np.array([2.0, 3.0]))
    assert (a.tolist(), b.tolist()) == ([4.0, 9.0], [8.0, 18.0])
