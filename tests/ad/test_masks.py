"""What was not taken has no derivative, whatever its slope is; and a zero that is only a number hides no slope."""

import numpy as np
import pytest

import jitdiff as jd
from tests.fuzz.kernels import plain_python

inf, nan = np.inf, np.nan
CHARGES = np.array([1.0, -2.0, 3.0])
PAIRS = np.triu_indices(3, 1)
OTHERS = 1.0 - np.eye(3)
CHOSEN = np.array([False, True, True])
MISSING = np.array([nan, 1.0, 2.0])
PLACES = np.array([2, 1, 1])


def distances(x):
    return np.sqrt((x[:, None] - x[None, :]) ** 2)


def with_a_part_replaced(x):
    y = np.sqrt(x)
    y[0] = x[1]
    return np.sum(y * y * x)


def with_chosen_replaced(x):
    y = np.sqrt(x)
    y[np.array([0, 0])] = x[1]
    return np.sum(y * y * x)


def unit_rows(x):
    m = np.outer(x, np.array([3.0, 4.0]))
    return m / np.sqrt(np.sum(m * m, axis=1))[:, None]


def by_branches(x):
    def root(t):
        return np.sqrt(t) if t > 0.0 else 0.0 * t

    return root(x[0]) + root(x[1]) * x[2]


def a_choice_beside_a_loop(x):
    def power(t):
        y = t
        for _ in range(3):
            y = np.sqrt(y)
        return y

    return np.where(x[0] > 0.0, power(x[0]), x[1])


def roots_in_a_loop(x):
    y = x
    for _ in range(30):
        y = np.sqrt(y) * 1.5
    return np.sum(np.where(x > 0, y, 0.0))


def logarithms_around_a_loop(x):
    z = np.log(x)
    y = z
    for _ in range(30):
        y = np.sqrt(np.abs(y) * y) * 1.01 + z
    return np.sum(np.where(x > 1, y, x))


def turned_in_a_loop(x):
    y, z = x, np.sqrt(x)
    for _ in range(33):
        y, z = z[::-1], np.sqrt(np.sqrt(y + 1.0))
    return np.sum(np.where(np.arange(3) == 1, y, 0.0) * x)


def elements_in_a_loop(x):
    y, total = np.sqrt(x), 0.0
    for i in range(len(x)):
        total += y[i] * x[i] if x[i] > 0 else x[i] ** 2
    return total


def elements_by_where(x):
    y, total = 1.0 / x, 0.0
    for i in range(len(x)):
        total += np.where(x[i] > 0.5, np.sin(x[i]) * y[i], 1.0)
    return total


def elements_set_in_a_loop(x):
    y, out = np.log(x), 0.0 * x
    for i in range(len(x)):
        out[i] = y[i] if x[i] > 0 else x[i]
    return np.sum(out**2)


def rows_of_a_history(x):
    rows, y = [], x
    for _ in range(40):
        y = np.sqrt(y + 0.5)
        rows.append(y)
    return np.sum(np.where(x > -0.5, np.stack(rows), 0.0) ** 2)


def a_branch_in_a_loop(x):
    y = np.log(x)
    for _ in range(25):
        y = np.sqrt(y + 2.0) if np.sum(x) > -10.0 else y * 2.0
    return np.sum(np.where(x > 0, y, x**2))


def an_arm_that_reads_nothing(x):
    y = np.sqrt(x[0])
    for i in range(30):
        z = x[1] * x[2] * i if x[1] > 0.0 else y
    return z


def until(x):
    y, n = np.sqrt(x), 0
    while n < 20 and np.sum(x) < 100.0:
        y = np.sqrt(y + x)
        n += 1
    return np.sum(np.where(x >= 0, y, x)[1:])


# Name, function to a scalar, where.
PROGRAMS = [
    ("where", lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), [-3.0, 1.0, 4.0]),
    ("where, a quotient", lambda x: np.sum(np.where(x != 0, np.sin(x) / x, 1.0) * x), [0.0, 1.0, -2.0]),
    ("where, a product", lambda x: np.sum(np.where(x > 0.5, (1 / x) * np.log(x), x)), [0.0, 1.0, 2.0]),
    ("where in where", lambda x: np.sum(np.where(x < 0, x**3, np.where(x > 1, 1 / x, np.sqrt(x)))), [-1.0, 0.5, 2.0]),
    ("where, both arms", lambda x: np.sum(np.where(x > 0, np.sqrt(x), np.sqrt(-x)) * x), [-1.0, 0.5, 2.0]),
    ("where, differences", lambda x: np.sum(np.where(CHOSEN[1:], np.diff(np.log(x)), 0.0)), [1.0, 2.0, 3.0]),
    ("where, a missing number", lambda x: np.sum(np.where(CHOSEN, x * MISSING, 0.0) ** 2), [1.0, 2.0, 3.0]),
    ("where, a power", lambda x: np.sum(np.where(x > 0, x**-1.5, 0.0)), [-1.0, 1.0, 4.0]),
    ("where, broadcast", lambda x: np.sum(np.where(x[:, None] > 0, np.sqrt(x)[:, None] * x, 1.0)), [-1.0, 1.0, 4.0]),
    ("where, a checkpoint", lambda x: np.sum(np.where(x > 0, jd.checkpoint(np.sqrt)(x), 0.0)), [-2.0, 1.0, 4.0]),
    ("where, around one", lambda x: np.sum(np.where(x > 0, jd.checkpoint(np.sin)(np.log(x)), x)), [-2.0, 1.0, 4.0]),
    ("where, whole", lambda x: np.where(x[0] > 0, jd.checkpoint(np.sqrt)(x[0]), x[1] * x[2]), [-1.0, 2.0, 3.0]),
    ("where, a loop", a_choice_beside_a_loop, [-1.0, 2.0, 3.0]),
    ("where, an inverse", lambda x: np.where(x[0] > 5, np.linalg.det(np.outer(x, x)), x[1]), [1.0, 2.0, 3.0]),
    ("maximum", lambda x: np.sum(np.maximum(np.log(x), -1.0) * x), [0.01, 1.0, 2.0]),
    ("max", lambda x: np.max(np.sqrt(x)) * x[1], [0.0, 1.0, 4.0]),
    ("clip", lambda x: np.sum(np.clip(1 / x, -5.0, 5.0) * x), [0.01, 1.0, 2.0]),
    ("tril", lambda x: np.sum(np.tril(distances(x) ** 2, -1)), [1.0, 2.0, 2.5]),
    ("tril of the root", lambda x: np.sum(np.tril(distances(x) ** 3, -1)), [1.0, 2.0, 2.5]),
    ("triu of a quotient", lambda x: np.sum(np.triu(np.outer(CHARGES, CHARGES) / distances(x), 1)), [1.0, 2.0, 2.5]),
    ("triu of a product", lambda x: np.sum(np.triu(np.outer(x, x) * (1 / distances(x)), 1)), [1.0, 2.0, 2.5]),
    ("pairs", lambda x: np.sum((np.outer(x, x) / distances(x))[PAIRS]), [1.0, 2.0, 2.5]),
    ("pairs of a product", lambda x: np.sum((np.outer(x, x) * (1 / distances(x)))[PAIRS]), [1.0, 2.0, 2.5]),
    ("constant zeros", lambda x: np.sum(OTHERS * distances(x) ** 3), [1.0, 2.0, 2.5]),
    ("constant truth values", lambda x: np.sum(~np.eye(3, dtype=bool) * distances(x)), [1.0, 2.0, 2.5]),
    ("diagonal", lambda x: np.sum(np.diag(np.sqrt(np.outer(x, x) - 2.0 * OTHERS))), [2.0, 1.0, 3.0]),
    ("slice", lambda x: np.sum(np.sqrt(x)[1:] ** 3), [0.0, 1.0, 4.0]),
    ("slice backwards", lambda x: np.sum(np.log(x)[:0:-1] * np.array([1.0, 2.0])), [0.0, 1.0, 4.0]),
    ("slice by steps", lambda x: np.sum(np.sqrt(x)[::2]), [1.0, 0.0, 4.0]),
    ("slices that leave one out", lambda x: np.sum(np.sqrt(x)[1:2] * np.sqrt(x)[2:]), [0.0, 1.0, 4.0]),
    ("an element", lambda x: np.sqrt(x)[1] * x[0], [0.0, 1.0, 4.0]),
    ("a column", lambda x: np.sum(np.sqrt(np.outer(x, [0.0, 1.0]))[:, 1]), [3.0, 1.0, 4.0]),
    ("positions", lambda x: np.sum(np.sqrt(x)[PLACES] * CHARGES), [0.0, 1.0, 4.0]),
    ("mask", lambda x: np.sum(np.sqrt(x)[CHOSEN] * x[1:]), [0.0, 1.0, 4.0]),
    ("take", lambda x: np.sum(np.take(np.sqrt(x), PLACES)), [0.0, 1.0, 4.0]),
    ("split", lambda x: np.sum(np.split(np.sqrt(x), [1])[1]), [0.0, 1.0, 4.0]),
    ("rows", lambda x: np.sum(unit_rows(x)[1:] * np.array([[1.0, 2.0], [3.0, 4.0]])) + x[0], [0.0, 1.0, 4.0]),
    ("a part replaced", with_a_part_replaced, [0.0, 1.0, 4.0]),
    ("chosen replaced", with_chosen_replaced, [0.0, 1.0, 4.0]),
    ("joined and taken apart", lambda x: np.sum(np.sqrt(np.concatenate([x[:1] * 0.0, x]))[1:]), [2.0, 1.0, 4.0]),
    ("norms of rows", lambda x: np.sum(np.linalg.norm(np.outer(x, [3.0, 4.0]), axis=1)[1:] ** 2), [0.0, 1.0, 4.0]),
    ("branches", by_branches, [1.0, 2.0, 3.0]),
    ("a loop", roots_in_a_loop, [-3.0, 1.0, 4.0]),
    ("around a loop", logarithms_around_a_loop, [-1.0, 2.0, 4.0]),
    ("turned in a loop", turned_in_a_loop, [-3.0, 1.0, 4.0]),
    ("elements in a loop", elements_in_a_loop, [-3.0, 1.0, 4.0]),
    ("elements by where", elements_by_where, [0.0, 1.0, 4.0]),
    ("elements set in a loop", elements_set_in_a_loop, [-3.0, 1.0, 4.0]),
    ("rows of a history", rows_of_a_history, [-3.0, 1.0, 4.0]),
    ("a branch in a loop", a_branch_in_a_loop, [-3.0, 1.0, 4.0]),
    ("an arm that reads nothing", an_arm_that_reads_nothing, [-3.0, 1.0, 4.0]),
    ("until", until, [-3.0, 1.0, 4.0]),
]  # fmt: skip
cases = pytest.mark.parametrize(("f", "x"), [c[1:] for c in PROGRAMS], ids=[c[0] for c in PROGRAMS])


def differences(f, x, h=1e-6):
    """The derivative of `f` by every element by central differences, by one-sided ones where those are not finite."""
    found = []
    for e in np.eye(x.size):
        d = (f(x + h * e) - f(x - h * e)) / (2 * h)
        found.append(d if np.all(np.isfinite(d)) else (f(x + h * e) - f(x)) / h)
    return np.array(found)


def along(f, x):
    """The gradient by forward mode."""
    return np.array([jd.jvp(f, (x,), (e,))[1] for e in np.eye(x.size)])


@cases
def test_gradients(f, x) -> None:
    x = np.array(x)
    with np.errstate(all="ignore"), plain_python():
        expected = differences(f, x)
        gradient = jd.grad(f)(x)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(jd.grad(jd.compile(f))(x), gradient, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(along(f, x), gradient, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(along(jd.compile(f), x), gradient, rtol=1e-12, atol=1e-12)
        v = jd.Variable(x)
        with jd.GradientTape() as tape:
            y = f(v)
        np.testing.assert_allclose(tape.gradient(y, v), gradient, rtol=1e-12, atol=1e-12)


def by_products(f):
    return lambda x: np.stack([jd.hvp(f, (x,), (e,)) for e in np.eye(x.size)])


SECOND = {
    "hessian": jd.hessian,
    "reverse over reverse": lambda f: jd.jacrev(jd.grad(f)),
    "forward over reverse": lambda f: jd.jacfwd(jd.grad(f)),
    "reverse over forward": lambda f: jd.jacrev(jd.jacfwd(f)),
    "products": by_products,
}


@pytest.mark.parametrize("wrap", [lambda f: f, jd.compile], ids=["plain", "compiled"])
@cases
def test_second_derivatives(f, x, wrap) -> None:
    x = np.array(x)
    with np.errstate(all="ignore"), plain_python():
        expected = differences(jd.grad(f), x, h=1e-5)
        for name, second in SECOND.items():
            np.testing.assert_allclose(second(wrap(f))(x), expected, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("wrap", [lambda f: f, jd.compile], ids=["plain", "compiled"])
def test_third_derivatives(wrap) -> None:
    def f(t):
        return np.where(t > 0, t**2.5, 0.0)

    def g(t):
        return np.where(t != 0, np.sin(t) / t, 1.0)

    with np.errstate(all="ignore"):
        for h, t, expected in ((f, 4.0, 2.5 * 1.5 * 0.5 * 4.0**-0.5), (f, -3.0, 0.0), (g, 0.0, 0.0)):
            third = jd.grad(jd.grad(jd.grad(wrap(h))))
            np.testing.assert_allclose(third(t), expected, rtol=1e-12)
            assert jd.jvp(jd.grad(jd.grad(wrap(h))), (t,), (1.0,))[1] == pytest.approx(expected)


def steep(x):
    return np.sqrt(x) + x


# The derivative is zero times infinity: of the square of `steep` it is 1, which nobody knows here.
HIDDEN = [
    ("where", lambda x: np.sum(np.where(x >= 0, steep(x), 0.0) ** 2)),
    ("maximum", lambda x: np.sum(np.maximum(steep(x), -1.0) ** 2)),
    ("slice", lambda x: np.sum(steep(x)[:2] ** 2)),
    ("tril", lambda x: np.sum(np.tril(steep(np.outer(x, x)) ** 2))),
    ("constant", lambda x: np.sum((np.array([2.0, 0.0, 1.0]) * steep(x)) ** 2)),
]


@pytest.mark.parametrize("f", [f for _, f in HIDDEN], ids=[name for name, _ in HIDDEN])
def test_a_zero_that_is_only_a_number_does_not_hide_an_infinite_slope(f) -> None:
    x = np.array([0.0, 1.0, 4.0])
    with np.errstate(all="ignore"):
        assert np.isnan(jd.grad(f)(x)[0])
        assert np.isnan(jd.grad(jd.compile(f))(x)[0])


def test_jacobians_take_many_cotangents_at_once() -> None:
    def f(x):
        return np.where(x > 0, np.sqrt(x), x**2) * np.sqrt(np.abs(x))[::-1]

    x = np.array([-1.0, 0.5, 2.0, 3.0, -2.0])
    with np.errstate(all="ignore"):
        expected = differences(f, x).T
        for g in (f, jd.compile(f)):
            np.testing.assert_allclose(jd.jacrev(g)(x), expected, rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(jd.jacfwd(g)(x), expected, rtol=1e-6, atol=1e-7)


def test_a_program_for_all_sizes() -> None:
    @jd.compile
    def f(x):
        y = np.sqrt(x)
        return np.sum(y[1:] * y[1:]) + np.sum((y * (1.0 / x))[:0:-1]) + np.sum(np.where(x > 0.5, np.log1p(y), 0.0))

    for n in (3, 4, 5, 9):
        x = np.arange(float(n))
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(f.grad(x), differences(f.__wrapped__, x), rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(jd.hessian(f)(x), differences(f.grad, x, 1e-5), rtol=1e-4, atol=1e-4)


def test_what_is_taken_everywhere_needs_no_guard() -> None:
    def f(x):
        y = np.log(x)
        return np.sum(y[1:] * y[:-1])

    assert "else 0.0" not in jd.compile(f).grad.specialisation(np.ones(5)).emitted.source
