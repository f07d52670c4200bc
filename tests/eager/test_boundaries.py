"""Tapes and accumulators around and across compiled functions and transforms: connected, or a clear error."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import TracingError

X = np.array([2.0, 3.0])
ROWS = np.stack([X, 2.0 * X])


def cube(v):
    return lambda x: np.sum(x * x * v)


def square(v):
    return lambda x: x * x * v


# What is computed inside, by v = [1, 2], and the gradient of that by v.
INSIDE = {
    "vmap": (lambda v, wrap: np.sum(jd.vmap(wrap(lambda x: x * v * v))(ROWS)), [12.0, 36.0]),
    "map": (lambda v, wrap: np.sum(jd.map(wrap(lambda x: x * v * v), ROWS)), [12.0, 36.0]),
    "grad": (lambda v, wrap: np.sum(jd.grad(wrap(cube(v)))(X)), [4.0, 6.0]),
    "value_and_grad": (lambda v, wrap: jd.value_and_grad(wrap(cube(v)))(X)[0], [4.0, 9.0]),
    "jvp": (lambda v, wrap: jd.jvp(wrap(cube(v)), (X,), (X,))[1], [8.0, 18.0]),
    "vjp": (lambda v, wrap: np.sum(jd.vjp(wrap(square(v)), X)[1](X)[0]), [8.0, 18.0]),
    "value of vjp": (lambda v, wrap: np.sum(jd.vjp(wrap(square(v)), X)[0]), [4.0, 9.0]),
    "hessian": (lambda v, wrap: np.sum(jd.hessian(wrap(cube(v)))(X)), [2.0, 2.0]),
    "jacfwd": (lambda v, wrap: np.sum(jd.jacfwd(wrap(square(v)))(X)), [4.0, 6.0]),
    "jacrev": (lambda v, wrap: np.sum(jd.jacrev(wrap(square(v)))(X)), [4.0, 6.0]),
    "hvp": (lambda v, wrap: np.sum(jd.hvp(wrap(cube(v)), (X,), (X,))), [4.0, 6.0]),
    "checkpoint": (lambda v, wrap: np.sum(jd.checkpoint(wrap(square(v)))(X)), [4.0, 9.0]),
    "call": (lambda v, wrap: np.sum(wrap(square(v))(X)), [4.0, 9.0]),
    "two values that meet alone": (lambda v, wrap: wrap(lambda x: x[0] * np.sum(v * v))(X), [4.0, 8.0]),
    "a part": (lambda v, wrap: wrap(lambda x: np.sum(x[:1] * v[1:]) + v[0] * v[1])(X), [2.0, 3.0]),
}
SOURCES = {"Variable": jd.Variable, "Tensor": jd.constant, "changed Tensor": lambda a: _changed(a)}


def _changed(a):
    x = jd.constant(np.zeros(2))
    x[:] = a
    return x


@pytest.mark.parametrize(
    ("wrap", "source"), [(lambda f: f, "Tensor"), (jd.compile, "Variable"), (jd.compile, "changed Tensor")]
)
@pytest.mark.parametrize("kind", INSIDE)
def test_what_is_computed_inside_is_connected_to_those_around(kind, wrap, source) -> None:
    compute, expected = INSIDE[kind]
    v = SOURCES[source]([1.0, 2.0])
    with jd.GradientTape() as tape:
        tape.watch(v)
        y = compute(v, wrap)
    np.testing.assert_allclose(tape.gradient(y, v), expected, rtol=1e-12)
    for k in range(2):
        with jd.ForwardAccumulator(v, np.eye(2)[k]) as accumulator:
            y = compute(v, wrap)
        np.testing.assert_allclose(accumulator.jvp(y), expected[k], rtol=1e-12)


@pytest.mark.parametrize("source", SOURCES)
def test_a_compiled_function_reads_tensors_anew_also_where_they_meet_alone(source) -> None:
    v = SOURCES[source]([1.0, 2.0])
    f = jd.compile(lambda x: x * np.sum(v * v) + v[1] ** 2)
    assert f(2.0) == 14.0
    if source == "Variable":
        v.assign([3.0, 0.0])
    else:
        v[:] = np.array([3.0, 0.0])
    assert f(2.0) == 18.0
    with jd.GradientTape() as tape:
        tape.watch(v)
        y = f(2.0)
    assert tape.gradient(y, v).tolist() == [12.0, 0.0]


@pytest.mark.parametrize("source", SOURCES)
def test_a_tape_in_a_compiled_function_by_what_is_around_it(source) -> None:
    v = SOURCES[source]([1.0, 2.0])

    @jd.compile
    def f(x):
        with jd.GradientTape(persistent=True) as tape:
            tape.watch(v)
            y = np.sum(v * v) * x
            z = np.sum(v * x)
        return tape.gradient(y, v), tape.gradient(z, v)

    np.testing.assert_array_equal(f(2.0), [[4.0, 8.0], [2.0, 2.0]])


def test_a_view_of_a_tensor_from_outside_is_not_changed_in_a_compiled_function() -> None:
    v = jd.constant([1.0, 2.0])

    def through_a_view(x):
        part = v[1:]
        part[0] = x
        return np.sum(part)

    def directly(x):
        v[0] = x
        return np.sum(v)

    for f in (through_a_view, directly):
        with pytest.raises(TracingError, match="from outside of"):
            jd.compile(f)(3.0)


def _made_inside(v, x):
    with jd.ForwardAccumulator(v, [1.0, 0.0]) as accumulator:
        y = np.sum(v * x)
    return accumulator.jvp(y)


def _made_inside_by_its_argument(v, x):
    with jd.ForwardAccumulator(x, [1.0, 0.0]) as accumulator:
        y = np.sum(v * x)
    return accumulator.jvp(y)


def _entered_inside(v, x, accumulator):
    with accumulator:
        return np.sum(v * x)


def _asked_inside(v, x, accumulator):
    return x * accumulator.jvp(v)


def test_an_accumulator_does_not_cross_into_a_compiled_function() -> None:
    for v in (jd.Variable([1.0, 2.0]), jd.constant([1.0, 2.0])):
        accumulator = jd.ForwardAccumulator(v, [1.0, 0.0])
        for f in (
            lambda x, v=v: _made_inside(v, x),
            lambda x, v=v: _made_inside_by_its_argument(v, x),
            lambda x, v=v, a=accumulator: _entered_inside(v, x, a),
            lambda x, v=v, a=accumulator: _asked_inside(v, x, a),
        ):
            with pytest.raises(
                TracingError, match=r"ForwardAccumulator in a compiled function.*\n.*\n  hint: use jd\.jvp"
            ):
                jd.compile(f)(X)


def test_a_tape_does_not_cross_the_edge_of_a_compiled_function() -> None:
    v, kept = jd.Variable([1.0, 2.0]), {}
    tape = jd.GradientTape(persistent=True)
    with tape:
        y = np.sum(v * v)
        for asked in (
            lambda x: tape.gradient(np.sum(x * v), v),
            lambda x: tape.gradient(y, v) * x,
            lambda x: tape.jacobian(y, v) * x,
            lambda x: tape.watch(x),
        ):
            with pytest.raises(TracingError, match="inside a compiled function, of a tape entered outside of it"):
                jd.compile(asked)(X)

    @jd.compile
    def keeps(x):
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = np.sum(x * x)
        kept.update(tape=inner, x=x, y=y)
        return y

    keeps(X)
    with pytest.raises(TracingError, match="after its trace has ended"):
        kept["tape"].gradient(kept["y"], kept["x"])
