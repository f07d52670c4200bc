"""Random programs of views and writes: every array is what NumPy's is after each step, and derivatives agree."""

import numpy as np
import pytest

import jitdiff as jd


def key_for(rng, shape):
    """A basic index of an array of this shape, which leaves an axis."""
    parts = []
    for n in shape:
        start, stop = sorted(rng.integers(0, n + 1, 2))
        kind = rng.integers(0, 4)
        if kind == 0 and n > 0:
            parts.append(int(rng.integers(-n, n)))
        elif kind == 1:
            parts.append(slice(int(start), int(stop)))
        elif kind == 2:
            parts.append(slice(None, None, int(rng.choice([-2, -1, 2]))))
        else:
            parts.append(slice(None))
    if all(isinstance(p, int) for p in parts):
        parts[0] = slice(None)
    return tuple(parts) if len(parts) > 1 or rng.integers(2) else parts[0]


def steps_of(rng, count):
    """A program: what to do, to which array, and numbers to choose by; the same for NumPy and Tensors."""
    kinds = ["view", "view", "transpose", "reshape", "write", "write", "add", "out", "copy", "drop", "element"]
    return [(rng.choice(kinds), int(rng.integers(1 << 30)), int(rng.integers(1 << 30))) for _ in range(count)]


def run(program, x, seen=None):
    """Run a program on a vector, and return the sum of what it leaves, weighted."""
    arrays = [x * 1.0, np.outer(x, x)]
    for kind, which, seed in program:
        rng = np.random.default_rng(seed)
        y = arrays[which % len(arrays)]
        scale = 1.0 + 0.01 * np.sum(x)
        if kind == "view":
            arrays.append(y[key_for(rng, y.shape)])
        elif kind == "transpose":
            arrays.append(y.T)
        elif kind == "reshape":
            # Of an array of its own: whether other reshapes are views depends on the layout in memory.
            arrays.append(np.reshape(y.copy(), -1)[: max(y.size, 1)])
        elif kind == "write":
            key = key_for(rng, y.shape)
            y[key] = np.sin(y[key]) * scale
        elif kind == "add":
            key = key_for(rng, y.shape)
            y[key] += 0.5 * y[key] * scale
        elif kind == "out":
            np.multiply(y, scale, out=y)
        elif kind == "copy":
            arrays.append(y.copy())
        elif kind == "element" and y.size:
            at = tuple(int(rng.integers(n)) for n in y.shape)
            y[at] = y[at] * scale + 0.1
        elif kind == "drop" and len(arrays) > 3:
            del arrays[which % len(arrays)]
        if seen is not None and rng.integers(3) == 0:
            seen.append([np.array(a) for a in arrays])
    return sum((k + 1.0) * np.sum(np.cos(a)) for k, a in enumerate(arrays) if a.size)


X = np.array([0.3, 0.7, -0.4])


@pytest.mark.parametrize("seed", range(150))
def test_a_random_program(seed) -> None:
    program = steps_of(np.random.default_rng(seed), 25)
    plain, eager = [], []
    value = run(program, X, plain)
    found = run(program, jd.constant(X), eager)
    np.testing.assert_allclose(found, value, rtol=1e-12)
    for want, got in zip(plain, eager, strict=True):
        for a, b in zip(want, got, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-14)

    def f(x):
        return run(program, x)

    gradient = jd.grad(f)(X)
    h = 1e-6
    differences = [(run(program, X + h * e) - run(program, X - h * e)) / (2 * h) for e in np.eye(X.size)]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-7)
    direction = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(jd.jvp(f, (X,), (direction,))[1], gradient @ direction, rtol=1e-9, atol=1e-10)
    x = jd.Variable(X)
    with jd.GradientTape() as tape:
        y = f(x)
    np.testing.assert_allclose(tape.gradient(y, x), gradient, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:random numbers are drawn once")
@pytest.mark.parametrize("seed", range(0, 150, 30))
def test_a_random_program_compiled(seed) -> None:
    program = steps_of(np.random.default_rng(seed), 12)
    value, gradient = jd.compile(lambda x: run(program, x)).value_and_grad(X)
    np.testing.assert_allclose(value, run(program, X), rtol=1e-12)
    np.testing.assert_allclose(gradient, jd.grad(lambda x: run(program, x))(X), rtol=1e-10)


@pytest.mark.parametrize("seed", range(0, 150, 10))
def test_a_random_program_in_a_checkpoint(seed) -> None:
    program = steps_of(np.random.default_rng(seed), 12)

    def f(x):
        return jd.checkpoint(lambda x: run(program, x))(x)

    np.testing.assert_allclose(jd.grad(f)(X), jd.grad(lambda x: run(program, x))(X), rtol=1e-12)
