"""Trip counts, indices and bounds of every integer dtype: Python's own integers, which never wrap."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import jitdiff as jd

DTYPES = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
PAIRS = [(5, 3), (3, 5), (0, 0), (0, 100), (100, 127)]
NEGATIVE = [(-100, 100), (-3, -7), (-7, -3)]

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def pairs_of(dtype):
    return [(dtype(a), dtype(b)) for a, b in PAIRS + (NEGATIVE if np.iinfo(dtype).min < 0 else [])]


def plain(lo, hi):
    n = s = 0
    for i in range(lo, hi):
        n, s = n + 1, s + i * i
    return n, s


def rolled(lo, hi):
    n = s = 0
    for i in jd.range(lo, hi):
        n, s = n + 1, s + i * i
    return n, s


def backwards(lo, hi):
    n = s = 0
    for i in reversed(range(lo, hi)):
        n, s = n + 1, s * 3 % 1000 + i
    return n, s


def fori(lo, hi):
    return jd.fori_loop(lo, hi, lambda i, c: (c[0] + 1, c[1] + i * i), (0, 0))


@every_dtype
@pytest.mark.parametrize("loop", [plain, rolled, backwards, fori])
def test_traced_bounds(loop, dtype):
    compiled = jd.compile(loop)
    for lo, hi in pairs_of(dtype):
        assert compiled(lo, hi) == loop(lo, hi)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64])
@pytest.mark.parametrize("loop", [plain, rolled, backwards, fori])
def test_static_bounds(loop, dtype):
    compiled = jd.compile(loop, static_argnums=(0, 1))
    for lo, hi in pairs_of(dtype)[1::4]:
        assert compiled(lo, hi) == loop(lo, hi)


@every_dtype
def test_steps(dtype):
    def stepping(lo, hi, step):
        n = s = 0
        for i in range(lo, hi, step):
            n, s = n + 1, s + i
        return n, s

    steps = [1, 2, -1, -3, dtype(2), *([dtype(-2)] if np.iinfo(dtype).min < 0 else [])]
    for step in steps:
        compiled = jd.compile(stepping, static_argnames="step")
        for lo, hi in pairs_of(dtype):
            assert compiled(lo, hi, step) == stepping(lo, hi, step)


@every_dtype
def test_gradients_through_the_whole_range_of_a_dtype(dtype):
    def power(x, lo, hi):
        y = x * 1.0
        for i in range(lo, hi):
            y = y * 0.9 + np.sin(x) * i
        return y

    ends = np.iinfo(dtype)
    lo, hi = dtype(max(ends.min, -128)), dtype(min(ends.max, 255))
    value, slope = jd.value_and_grad(power)(0.3, lo, hi)
    got, gradient = jd.compile(power).value_and_grad(0.3, lo, hi)
    np.testing.assert_allclose([got, gradient], [value, slope], rtol=1e-12)


@every_dtype
def test_items_are_python_integers(dtype):
    def weighted(x, n):
        total = x[0]
        for i in range(n):
            total = total + i * x[1]
        for k, v in enumerate(x, n):
            total = total + k * v
        return total * int(n) + float(n) * x[2]

    x = np.array([1, 2, 3], np.float32)
    expected = weighted(x, dtype(100))
    assert jd.compile(weighted)(x, dtype(100)).dtype == expected.dtype == np.float32
    np.testing.assert_allclose(jd.compile(weighted)(x, dtype(100)), expected, rtol=1e-6)


@every_dtype
@pytest.mark.parametrize("static", [False, True])
def test_where_enumerate_starts(dtype, static):
    def counted(x, start):
        total = 0.0
        for k, v in enumerate(x, start):
            total = total + k * v
        for k, v in enumerate([x[0], x[1]], start=start):
            total = total - k * v * v
        return total

    x = np.array([1.0, 2.0, 3.0])
    compiled = jd.compile(counted, static_argnames="start" if static else ())
    for start in (dtype(0), dtype(126)):
        assert compiled(x, start) == counted(x, start)


@every_dtype
def test_lengths_of_scans_and_checkpoints(dtype):
    def scanned(x, n):
        return jd.scan(lambda c, _: (c * 0.5 + 1, c), x, None, length=n, reverse=True)[1]

    for n in (dtype(0), dtype(3), dtype(100)):
        np.testing.assert_array_equal(jd.compile(scanned, static_argnames="n")(2.0, n), scanned(2.0, n), strict=True)
    step = dtype(7)

    def checkpointed(x, n):
        return jd.fori_loop(0, n, lambda i, c: c * 0.5 + np.sin(c) * i * 0.001, x, checkpoint=step)

    expected = jd.grad(lambda x, n: jd.fori_loop(0, n, lambda i, c: c * 0.5 + np.sin(c) * i * 0.001, x))(2.0, 100)
    np.testing.assert_allclose(jd.compile(checkpointed).grad(2.0, dtype(100)), expected, rtol=1e-12)


INDEXED = {
    "get": lambda x, i: x[i],
    "take": np.take,
    "neighbours": lambda x, i: x[i - 1] * x[i],
    "set": lambda x, i: _changed(x, i, add=False),
    "add": lambda x, i: _changed(x, i, add=True),
}


def _changed(x, i, add):
    y = x * 1.0
    if add:
        np.add.at(y, i, 7.0)
    else:
        y[i] = 7.0
    return y * x


@every_dtype
@pytest.mark.parametrize("name", INDEXED)
def test_indices_of_arrays_longer_than_the_dtype_counts(name, dtype):
    x, f = np.arange(300.0), INDEXED[name]
    compiled = jd.compile(f)
    ends = np.iinfo(dtype)
    indices = [dtype(3), dtype(min(ends.max, 255)), *([dtype(-1), dtype(-100)] if ends.min < 0 else [])]
    for i in (*indices, np.array(indices), np.array([3, 3], dtype)):
        np.testing.assert_array_equal(compiled(x, i), f(x, i), strict=True)
    with pytest.raises(IndexError):
        compiled(x[:50], dtype(100))


@every_dtype
def test_indices_in_text_run_as_python(dtype):
    f = jd.compile(lambda x, i: x[i] * 2.0)
    x, i = np.arange(300.0), np.array([3, np.iinfo(dtype).max if dtype in (np.int8, np.uint8) else 7, 0], dtype)
    i[2] = -1 if np.iinfo(dtype).min < 0 else 5
    out = np.empty(3)
    emitted = f.kernel(x, i).emitted
    scope = {}
    exec(emitted.source, scope)
    scope[emitted.entry](np.empty(emitted.workspace, np.uint8), x, i, out)
    np.testing.assert_array_equal(out, x[i] * 2.0)


@every_dtype
def test_bounds_of_slices(dtype):
    x = np.arange(300.0)
    ends = np.iinfo(dtype)
    bounds = [dtype(0), dtype(3), dtype(100), *([dtype(-1), dtype(-100)] if ends.min < 0 else [dtype(200)])]
    slices = [
        lambda x, i: x[:i],
        lambda x, i: x[i:],
        lambda x, i: x[i::-1],
        lambda x, i: x[:i:-2],
        lambda x, i: x[:: i * 1 if i else 1],
    ]
    for f, i in itertools.product(slices, bounds):
        np.testing.assert_array_equal(jd.compile(f, static_argnums=1)(x, i), f(x, i), strict=True)


@pytest.mark.parametrize("bound", [2.0, np.float64(2.0), np.array([1, 2]), np.bool_(True)])
def test_bounds_that_are_no_integers(bound):
    for f in (lambda n: sum(1.0 for _ in range(n)), lambda n: jd.fori_loop(0, n, lambda _, c: c + 1, 0)):
        for g in (f, jd.compile(f)):
            with pytest.raises(TypeError):
                g(bound)
