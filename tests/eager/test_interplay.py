"""Tensors among everything else: ufunc methods, several tapes over compiled functions, printing, pickling, threads."""

import copy
import pickle

import numpy as np
import pytest

import jitdiff as jd


def weighted_gradient(f, x):
    x = jd.constant(x)
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    assert type(y) is jd.Tensor
    return tape.gradient(y, x, output_gradients=np.cos(np.arange(y.size)).reshape(y.shape))


METHODS = {
    "add.reduce": lambda x: np.add.reduce(x),
    "add.reduce, axis": lambda x: np.add.reduce(x, axis=1, keepdims=True),
    "multiply.reduce": lambda x: np.multiply.reduce(x),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=None),
    "minimum.reduce": lambda x: np.minimum.reduce(x, axis=1),
    "add.accumulate": lambda x: np.add.accumulate(x),
    "multiply.accumulate": lambda x: np.multiply.accumulate(x, axis=1),
    "add.outer": lambda x: np.add.outer(x, x[0]),
    "multiply.outer": lambda x: np.multiply.outer(x[:, 0], x),
    "subtract.outer": lambda x: np.subtract.outer(x, np.array([1.0, 2.0])),
    "hypot.outer": lambda x: np.hypot.outer(np.array([1.0, 2.0]), x),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_ufuncs(name, rng) -> None:
    f, a = METHODS[name], rng.uniform(0.5, 2.0, (2, 3))
    np.testing.assert_allclose(f(jd.constant(a)), f(a), rtol=1e-15)
    weights = np.cos(np.arange(f(a).size)).reshape(f(a).shape)
    h, numerical = 1e-6, np.zeros_like(a)
    for at in np.ndindex(a.shape):
        step = np.zeros_like(a)
        step[at] = h
        numerical[at] = np.sum(weights * (f(a + step) - f(a - step))) / (2 * h)
    np.testing.assert_allclose(weighted_gradient(f, a), numerical, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.add.reduceat(x, [0, 1]), "numpy.add is not supported: its method reduceat has no rule"),
        (lambda x: np.divide.accumulate(x), "numpy.divide is not supported: its method accumulate has no rule"),
        (lambda x: np.hypot.reduce(x), "numpy.hypot is not supported: its method reduce has no rule"),
        (lambda x: np.multiply.at(x, [0], 2.0), "numpy.multiply is not supported: its method at has no rule"),
        (lambda x: np.add.reduce(x, where=[True, False]), "where="),
        (lambda x: np.sin(x, dtype=np.float32), "numpy.sin is not supported: the argument dtype= has no rule"),
        (lambda x: np.fft.fft(x), "numpy.fft.fft is not supported"),
        (lambda x: np.gradient(x), "numpy.gradient is not supported"),
    ],
)
def test_what_has_no_rule_says_so(call, message) -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape(), pytest.raises(NotImplementedError, match=message) as error:
        call(x * 1.0)
    assert "test_interplay.py" in str(error.value)


@pytest.fixture(scope="module")
def energy():
    return jd.compile(lambda x: np.sum(np.exp(x) * x))


def test_a_compiled_function_under_one_two_and_three_tapes(energy) -> None:
    """The k-th derivative of exp(x) x is exp(x) (x + k)."""
    a = np.array([0.3, -0.2])
    x = jd.constant(a)
    with jd.GradientTape() as third:
        with jd.GradientTape() as second:
            with jd.GradientTape() as first:
                first.watch(x)
                y = energy(x)
            one = first.gradient(y, x)
        two = second.gradient(one, x)
    three = third.gradient(two, x)
    for k, found in enumerate((one, two, three), start=1):
        np.testing.assert_allclose(found, np.exp(a) * (a + k), rtol=1e-12)


def test_a_compiled_function_under_an_accumulator(energy) -> None:
    a, t = np.array([0.3, -0.2]), np.array([1.0, 2.0])
    x = jd.constant(a)
    with jd.ForwardAccumulator(x, t) as accumulator:
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = energy(x)
        g = tape.gradient(y, x)
    np.testing.assert_allclose(accumulator.jvp(y), np.sum(t * np.exp(a) * (a + 1)), rtol=1e-12)
    np.testing.assert_allclose(accumulator.jvp(g), t * np.exp(a) * (a + 2), rtol=1e-12)


def test_a_tape_inside_a_compiled_function_inside_a_tape() -> None:
    @jd.compile
    def slope(x):
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = np.sum(x**4)
        return tape.gradient(y, x)

    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape() as tape:
        g = slope(x)
    assert g.tolist() == [4.0, 32.0]
    assert tape.gradient(g, x).tolist() == [12.0, 48.0]


def test_iteration_and_unpacking_stay_on_the_tape() -> None:
    x = jd.Variable([[1.0, 2.0], [3.0, 4.0]])
    with jd.GradientTape() as tape:
        (a, b), second = x
        total = sum(row[0] * row[1] for row in x) + a * b + max(second)
    assert tape.gradient(total, x).tolist() == [[4.0, 2.0], [4.0, 4.0]]


def test_numbers_for_formatting_and_python() -> None:
    x = jd.constant(2.5)
    assert f"{x:6.2f}|{x:.1e}|{jd.Variable(3):d}" == "  2.50|2.5e+00|3"
    assert (float(x), int(x), bool(x), round(x, 0).item(), complex(x)) == (2.5, 2, True, 2.0, 2.5 + 0j)
    assert (len(jd.Variable([1.0, 2.0])), [10, 20][jd.Variable(1)]) == (2, 20)
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{jd.constant([1.0]):.2f}"


def test_comparison_and_hashing() -> None:
    x, v = jd.constant([1.0, 2.0]), jd.Variable([1.0, 3.0])
    assert [(x == v).tolist(), (x < v).tolist(), (v >= x).tolist(), (x != 1.0).tolist()] == [
        [True, False], [False, True], [True, True], [False, True],
    ]  # fmt: skip
    assert (x == "text", x != None) == (False, True)  # noqa: E711
    assert len({x, v, x, jd.constant([1.0, 2.0])}) == 3
    x[0] = 5.0
    assert x in {x}


@pytest.mark.parametrize("value", [2.0, [1.0, 2.0], [[1, 2], [3, 4]], np.float32(1.5), True])
def test_copies_and_pickles(value) -> None:
    for x in (jd.constant(value), jd.Variable(value, trainable=False, name="v")):
        for other in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert type(other) is type(x)
            assert other is not x
            assert (other.tolist(), other.dtype, other.shape) == (x.tolist(), x.dtype, x.shape)
    changed = jd.constant([1.0, 2.0])
    changed[0] = 7.0
    again = pickle.loads(pickle.dumps(changed))
    assert type(again) is jd.Tensor
    assert again.tolist() == [7.0, 2.0]


def test_copies_stay_on_the_tape() -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape() as tape:
        y = x * 2.0
        z = copy.copy(y) * copy.deepcopy(y)
    assert tape.gradient(z, x).tolist() == [8.0, 16.0]


def test_trees_with_tensors_are_copied_and_pickled() -> None:
    layer = {"w": jd.Variable([1.0, 2.0], name="w"), "scale": jd.constant(3.0)}
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        other["w"].assign([0.0, 0.0])
        with jd.GradientTape() as tape:
            y = np.sum(other["w"] * other["scale"])
        assert tape.gradient(y, other["w"]).tolist() == [3.0, 3.0]
    assert layer["w"].tolist() == [1.0, 2.0]
