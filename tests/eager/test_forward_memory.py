"""Forward mode holds what the program holds, and its tangents: values that are dead are freed, and theirs too."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

import jitdiff as jd

SIZE = 20_000
X = np.linspace(0.0, 1.0, SIZE)


def sines(count):
    def f(x):
        for _ in range(count):
            x = np.sin(x)
        return x

    return f


def several_operands(count):
    def f(x):
        y = x
        for _ in range(count):
            y = np.sin(y) * x + 1.0
            y = np.where(y > 0.5, y, x)
        return y

    return f


def in_place(count):
    def f(x):
        y = x * 1.0
        for _ in range(count):
            y[1:] = np.sin(y[:-1])
            y *= 0.5
        return y

    return f


def rules(count):
    rule = jd.custom_jvp(np.sin)
    rule.defjvp(lambda primals, tangents: (np.sin(primals[0]), np.cos(primals[0]) * tangents[0]))

    def f(x):
        for _ in range(count):
            x = jd.checkpoint(rule)(x)
        return x

    return f


def by_jvp(f):
    return jd.jvp(f, (X,), (X,))


def by_nested_jvp(f):
    return jd.jvp(lambda x: jd.jvp(f, (x,), (x,))[1], (X,), (X,))


def by_accumulator(f):
    x = jd.constant(X)
    with jd.ForwardAccumulator(x, X) as accumulator:
        y = f(x)
    return accumulator, x, y


def by_nested_accumulators(f):
    x = jd.constant(X)
    with jd.ForwardAccumulator(x, X) as outer, jd.ForwardAccumulator(x, X) as inner:
        y = f(x)
        dy = inner.jvp(y)
    return outer, inner, y, dy


def arrays_held(run, f):
    """How many arrays of the size of X are held after a run, and at most during it."""
    gc.collect()
    tracemalloc.start()
    try:
        result = run(f)
        gc.collect()
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result is not None
    return held / X.nbytes, most / X.nbytes


@pytest.mark.parametrize("program", [sines, several_operands, in_place, rules], ids=lambda f: f.__name__)
@pytest.mark.parametrize("run", [by_jvp, by_nested_jvp, by_accumulator, by_nested_accumulators])
def test_a_longer_chain_holds_no_more(run, program) -> None:
    run(program(2))
    few, many = (arrays_held(run, program(n)) for n in (10, 60))
    assert abs(many[0] - few[0]) < 1.0
    assert abs(many[1] - few[1]) < 2.0
    assert many[0] < 16


def test_a_chain_of_sines_holds_a_few_arrays() -> None:
    held, most = arrays_held(by_jvp, sines(100))
    assert held < 2.5
    assert most < 10.5


def test_the_tangent_lives_as_long_as_its_value() -> None:
    x = jd.constant(2.0)
    with jd.ForwardAccumulator(x, 1.0) as accumulator:
        kept = x * x
        dead = kept * x
        tangent, dead = weakref.ref(accumulator.jvp(dead)), None
        assert tangent() is None
        z = kept * x
    assert dead is None
    gc.collect()
    assert [accumulator.jvp(v).item() for v in (x, kept, z)] == [1.0, 4.0, 12.0]
    assert repr(accumulator) == "<jd.ForwardAccumulator: not recording, 3 tangents>"


def test_many_values_that_die_are_not_taken_for_each_other() -> None:
    x = jd.Variable(1.0)
    with jd.ForwardAccumulator(x, 1.0) as accumulator:
        for k in range(200):
            constant = jd.constant(float(k)) * 2.0
            assert accumulator.jvp(constant) is None
            moving = x * float(k)
            assert accumulator.jvp(moving).item() == k
        assert accumulator.jvp(x).item() == 1.0


def test_what_is_held_is_released_with_the_accumulator() -> None:
    x = jd.constant([1.0, 2.0])
    with jd.ForwardAccumulator(x, [1.0, 0.0]) as accumulator:
        y = x * x
    tangent = weakref.ref(accumulator.jvp(y))
    assert tangent() is not None
    del accumulator
    gc.collect()
    assert tangent() is None
