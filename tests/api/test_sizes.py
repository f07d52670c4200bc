"""Calls at many sizes: one program for all of them, right at each."""

import operator
import warnings

import numpy as np
import pytest

import jitdiff as jd
from jitdiff import errors

SIZES = (3, 4, 7, 1, 2, 5, 11, 30)


def difference(f, args, direction, eps=1e-6):
    """Return the derivative of `f` by its first argument along a direction, from differences."""
    x, *rest = args
    return (f(x + eps * direction, *rest) - f(x - eps * direction, *rest)) / (2 * eps)


def programs_for(f, arguments, sizes=SIZES):
    """Check value and gradient at each size, and return how many programs there were after each call."""
    compiled = jd.compile(f).value_and_grad
    counts = []
    for n in sizes:
        args = arguments(n)
        value, gradient = compiled(*args)
        np.testing.assert_allclose(value, f(*(np.copy(a) for a in args)), rtol=1e-12, atol=1e-12)
        for seed in range(3):
            v = np.random.default_rng(seed).normal(size=gradient.shape)
            np.testing.assert_allclose(np.sum(gradient * v), difference(f, args, v), rtol=1e-6, atol=1e-6)
        counts.append(len(compiled.specialisations))
    return counts


def vector(n):
    return (np.random.default_rng(n).normal(size=n),)


def is_one(x):
    if len(x) == 1:
        return 100 * np.sum(x)
    return np.sum(x**2)


def is_not_one(x):
    return np.sum(x**2) if x.shape[0] != 1 else np.sum(x) * 100


def among(x):
    return np.sum(x**2) * (3.0 if len(x) in (1, 2) else 1.0)


def counted(x):
    return np.sum(x**2) * (3.0 if (1, 2).count(len(x)) else 1.0)


def by_operator(x):
    return np.sum(x) * 5 if operator.eq(x.shape, (4,)) else np.sum(x**2)


def differs_by_operator(x):
    return np.sum(x) * 5 if operator.ne(len(x), 4) else np.sum(x**2)


def shape_is(x):
    return np.sum(x) * 5 if x.shape == (4,) else np.sum(x**2)


def more_than_two(x):
    if len(x) > 2:
        return np.sum((x[2:] - x[:-2]) ** 2)
    return np.sum(x)


def between(x):
    return np.sum(x**2) if 2 <= len(x) < 6 else np.sum(x)


def half(x):
    return np.sum(x**2) if len(x) > 2.5 else np.sum(x)


def at_most(x):
    k = min(len(x), 4)
    return np.sum(x[:k] ** 2)


def numpy_number(x):
    return np.sum(x**2) if np.int64(3) < len(x) else np.sum(x)


@pytest.mark.parametrize(
    ("f", "classes"),
    [
        (is_one, 2),
        (is_not_one, 2),
        (among, 4),
        (counted, 4),
        (by_operator, 3),
        (differs_by_operator, 3),
        (shape_is, 3),
        (more_than_two, 2),
        (between, 3),
        (half, 2),
        (at_most, 3),
        (numpy_number, 2),
    ],
)
def test_a_comparison_of_sizes_has_its_own_answer_at_each_size(f, classes) -> None:
    counts = programs_for(f, vector)
    # One for the first sizes, and one for each set of sizes with the same answers.
    assert counts[-1] <= 1 + classes
    assert counts[-1] == counts[-4]


def test_sizes_of_two_arguments_are_compared() -> None:
    def same(x, y):
        return np.sum(x) * np.sum(y) if x.shape == y.shape else np.sum(x) - np.sum(y)

    sizes = [(3, 4), (5, 6), (4, 4), (7, 7), (8, 2), (3, 3)]
    compiled = jd.compile(same)
    for n, m in sizes:
        x, y = vector(n)[0], vector(m + 100)[0][:m]
        np.testing.assert_allclose(compiled(x, y), same(x, y), rtol=1e-12)
    assert len(compiled.specialisations) <= 4


def test_what_always_holds_is_no_condition() -> None:
    def checked(x, y):
        assert x.shape[0] > 0
        assert len(x) == len(y)
        if len(x) < 1 or not len(x):
            raise ValueError("empty")
        return np.sum(x * y) / max(len(x), 1)

    compiled = jd.compile(checked)
    for n in SIZES:
        compiled(np.ones(n), np.ones(n))
    assert len(compiled.specialisations) == 2


def test_a_call_that_is_refused_leaves_sizes_symbolic() -> None:
    @jd.compile
    def product(x, y):
        return np.sum(x * y)

    product(np.ones(3), np.ones(3))
    with pytest.raises(errors.ShapeError):
        product(np.ones(4), np.ones(5))
    for n in SIZES:
        assert product(np.ones(n), np.ones(n)) == n
    assert len(product.specialisations) == 2


def test_comparisons_hold_for_programs_that_were_pickled() -> None:
    import pickle

    compiled = jd.compile(lambda x: np.sum(x) * 100 if len(x) == 1 else np.sum(x))
    assert compiled(np.ones(3)) == 3
    assert compiled(np.ones(4)) == 4
    restored = pickle.loads(pickle.dumps(compiled))
    assert restored(np.ones(5)) == 5
    with pytest.raises(errors.TracingError):
        restored(np.ones(1))


def test_numbers_computed_of_sizes_are_traced() -> None:
    def scaled(x):
        n = len(x)
        return np.sum(x) / np.sqrt(n) + 1.0 / n + n**0.5 * np.log(n) + 0.5**n / n + (n + 0.5) * n**2 + (1.5 - n) * x[0]

    assert programs_for(scaled, vector)[-1] == 2


def test_numbers_computed_of_sizes_keep_the_dtype() -> None:
    compiled = jd.compile(lambda x: np.mean(x) * (1.0 / len(x)) * float(len(x)))
    for n in (3, 4, 5):
        assert compiled(np.ones(n, np.float32)).dtype == np.float32
    assert len(compiled.specialisations) == 2


def test_numbers_computed_of_integer_arguments_keep_the_dtype() -> None:
    compiled = jd.compile(lambda x, n: x * (0.5 * n) + x * (1 / n))
    assert compiled(np.ones(2, np.float32), 4).dtype == np.float32


def matrix(n):
    return (np.random.default_rng(n).normal(size=(n, 4)),)


def labelled(n):
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, 4)), rng.integers(0, 4, n)


def cross_entropy(x, labels):
    z = x - np.max(x, axis=1, keepdims=True)
    log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])


def by_range(x, labels):
    return np.sum(x[range(len(labels)), labels] ** 2)


def along_rows(x, labels):
    return np.sum(np.take_along_axis(x, labels[:, None], axis=1) ** 2)


def along_columns(x, labels):
    return np.sum(np.take_along_axis(x.T, labels[None, :], axis=0) ** 2)


def put_along(x, labels):
    y = x * 1.0
    np.put_along_axis(y, labels[:, None], 0.5 * x[:, :1], axis=1)
    return np.sum(y**2)


def one_hot(x, labels):
    h = np.zeros((len(labels), 4))
    h[np.arange(len(labels)), labels] = 1.0
    return np.sum(h * x**2)


def clipped(x, labels):
    return np.sum(np.take(x[:, 0], labels, mode="clip") ** 2) + np.sum(np.take(x[:, 1], labels, mode="wrap") ** 2)


def at_positions(x):
    return np.sum(x[np.arange(len(x))] ** 2) + np.sum(x[np.arange(1, x.shape[0])] * x[1:])


def backwards(x):
    i = np.arange(len(x))
    return np.sum(x[i[::-1]] * x) + np.sum(x[-1 - i] * x**2) + np.sum(x[len(x) - 1 - i, 0] * x[:, 1])


def flat_positions(x):
    return np.sum(x.ravel()[np.arange(len(x)) * 4 + 1] ** 2)


def weights(x):
    n = len(x)
    w = np.arange(n) / n + np.arange(1, n + 1)[::-1] + np.arange(0, 2 * n, 2) + np.arange(n - 1, -1, -1.0)
    return np.sum(w * x[:, 0] ** 2) + np.sum(np.arange(n, dtype=float)[:, None] * x)


def spaced(x):
    n = len(x)
    w = np.linspace(0, 1, n) + np.linspace(-1.0, 2.0, n, endpoint=False) + np.linspace(0, n, n)
    return np.sum(w * x[:, 0] ** 2)


def filled(x):
    n = len(x)
    a = np.zeros(n) + np.ones((n, 2))[:, 0] * np.full(n, 2.0) + np.zeros(x.shape)[:, 0]
    return np.sum(a * x[:, 0] ** 2) + np.sum(np.zeros_like(x, shape=(n, 2)) + x[:, :2])


def buffers(x):
    y = np.empty((len(x), 2))
    y[:, 0] = x[:, 0]
    y[:, 1] = x[:, 1] ** 2
    z = np.zeros(len(x))
    for i in range(len(x)):
        z[i] = y[i, 0] * y[i, 1]
    return np.sum(z)


def diagonals(x):
    k = x @ x.T + 0.1 * np.eye(len(x)) + np.identity(len(x)) + np.eye(len(x), k=1)
    i = np.arange(len(x))
    k[i, i] += 1.0
    return np.sum(k**2) + np.sum(k[np.diag_indices(len(x))] ** 2) + np.sum(np.tri(len(x)) * k)


def grids(x):
    rows, columns = np.meshgrid(np.arange(len(x)), np.arange(4), indexing="ij")
    i, j = np.indices(x.shape)
    k = np.mgrid[: len(x), :4]
    r, c = np.ogrid[: len(x), :4]
    return np.sum((rows + 2 * columns + i * j + k[0] + r * c) * x**2)


def meshed(x):
    a, b = np.meshgrid(x[:, 0], x[:2, 1])
    return np.sum(a**2 * b) + np.sum(x[np.ix_(np.arange(len(x)), np.array([0, 2]))] ** 2)


def shaped(x):
    n = len(x)
    y = x.reshape(n, -1, 2).reshape(n * 2, -1)
    return np.sum(y**2) + np.sum(np.tile(x[0], (n, 1)) * x) + np.sum(np.repeat(x[:1], n, axis=0) * x)


def moved(x):
    n = len(x)
    rows = np.broadcast_to(np.arange(4.0), (n, 4))
    first, last = np.split(x, 2, axis=1)
    return np.sum(rows * x**2) + np.sum(np.roll(x, 1, axis=0) * x) + np.sum(first * last) + np.prod(x.shape) * x[0, 0]


def comprehended(x):
    n = len(x)
    return np.sum(np.array([x[i, 0] ** 2 for i in range(n)])) + sum(x[i, 1] ** 3 for i in range(n))


def listed(x):
    rows = list(range(len(x)))
    return np.sum(x[rows] ** 2)


def averaged(x):
    n = len(x)
    means = np.cumsum(x, axis=0) / np.arange(1, n + 1)[:, None]
    columns = np.column_stack([np.ones(n), x])
    return np.sum(means**2) + np.average(x[:, 0] ** 2, weights=np.arange(1, n + 1)) + np.sum(columns**3)


def largest(x):
    return np.sum(x[np.arange(len(x)), np.argmax(x, axis=1)] ** 2)


def squeezed(x):
    return np.sum(np.squeeze(x[:, :1]) ** 2)


PROGRAMS = [
    (cross_entropy, labelled), (by_range, labelled), (along_rows, labelled), (along_columns, labelled),
    (put_along, labelled), (one_hot, labelled), (at_positions, matrix), (backwards, matrix),
    (flat_positions, matrix), (weights, matrix), (spaced, matrix), (filled, matrix), (buffers, matrix),
    (diagonals, matrix), (grids, matrix), (meshed, matrix), (shaped, matrix), (moved, matrix), (comprehended, matrix),
    (listed, matrix), (averaged, matrix), (largest, matrix), (squeezed, matrix),
]  # fmt: skip


@pytest.mark.parametrize(("f", "arguments"), PROGRAMS, ids=lambda f: f.__name__)
def test_after_the_second_size_nothing_is_compiled_again(f, arguments) -> None:
    counts = programs_for(f, arguments, (5, 4, 7, 3, 11, 30))
    assert counts == [1, 2, 2, 2, 2, 2]


@pytest.mark.parametrize(("f", "arguments"), PROGRAMS, ids=lambda f: f.__name__)
def test_small_and_empty_sizes_are_right(f, arguments) -> None:
    compiled = jd.compile(f)
    for n in (5, 4, 2, 1, 3, 0, 6):
        args = arguments(n)
        try:
            with warnings.catch_warnings(action="ignore"):
                want = f(*map(np.copy, args))
        except (IndexError, ZeroDivisionError, ValueError):
            assert n == 0
            continue
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(compiled(*args), want, rtol=1e-12, atol=1e-12)
    assert len(compiled.specialisations) <= 5


@pytest.mark.parametrize(("f", "arguments"), [(cross_entropy, labelled), (diagonals, matrix), (put_along, labelled)])
def test_other_derivatives_have_one_program_too(f, arguments) -> None:
    pushed = jd.compile(lambda x, *rest: jd.jvp(lambda y: f(y, *rest), (x,), (np.sin(x),))[1])
    rows = jd.jacobian(jd.compile(lambda x, *rest: f(x, *rest) * x[:, 0]))
    hessian = jd.compile(jd.hessian(f))
    for n in (5, 4, 7, 3):
        args = arguments(n)
        x, *rest = args
        gradient = jd.grad(f)(*args)
        np.testing.assert_allclose(pushed(*args), np.sum(gradient * np.sin(x)), rtol=1e-9)
        want = gradient * x[:, 0, None, None]
        want[np.arange(n), np.arange(n), 0] += f(*map(np.copy, args))
        np.testing.assert_allclose(rows(*args), want, rtol=1e-9, atol=1e-10)
        v = np.cos(x)
        ahead, behind = (jd.grad(f)(x + h * v, *rest) for h in (1e-5, -1e-5))
        second = np.tensordot(hessian(*args), v)
        np.testing.assert_allclose(second, (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-6)
    assert [len(g.specialisations) for g in (pushed, rows, hessian)] == [2, 2, 2]
