"""Updates in place inside compiled functions mean what they mean in NumPy, views included."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jitdiff as jd
from jitdiff.errors import DtypeError, ShapeError, TracingError, UnsupportedError
from tests.codegen.programs import run

X = np.array([0.7, -1.2, 2.5, 0.3, 1.9, -0.4])


def element(x):
    y = np.zeros_like(x)
    y[0] = x[1] * 2
    y[-1] = x[0]
    return y


def slices(x):
    y = np.zeros_like(x)
    y[1:4] += x[:3] ** 2
    y[::2] *= 3.0
    y[4:] = 1.5
    return y


def mask(x):
    y = x.copy()
    y[y > 1.0] = 0.5
    return y


def rows(x):
    a = np.zeros_like(x).reshape(2, 3)
    a[1, :] = x[:3]
    a[:, 0] += x[4]
    return a


def fancy(x):
    y = np.ones_like(x)
    y[[0, 2, 2]] = x[:3]
    return y


def same_object(x):
    y = np.zeros_like(x)
    z = y
    z[0] = x[0]
    y += x
    return z * y


def basic_view(x):
    a = (x * 1.0).reshape(3, 2)
    row = a[1]
    row[0] = 7.0
    a[1, 1] = x[0]
    return a * row


def view_of_a_view(x):
    a = np.ones_like(x)
    b = a[1:]
    c = b[::2]
    c *= x[:3]
    a[1] += 1.0
    return a + b.sum() + c[0]


def transposed_view(x):
    a = (x * 2).reshape(2, 3)
    t = a.T
    t[0] = x[:2]
    return a


def raveled_view(x):
    a = (x * 2).reshape(2, 3)
    a.ravel()[4] = x[1]
    a.flatten()[0] = 100.0
    return a


def flipped_view(x):
    y = x * 2
    y[::-1][0] = 5.0
    np.flip(y)[1] = x[0]
    return y


def copies_are_apart(x):
    y = x * 2
    z = y.copy()
    w = y.astype(float)
    t = np.take(y, 0)
    f = y[[0, 1]]
    y[:] = 0.0
    f[0] = 3.0
    return z + w + t + f[1] + y


def swap(x):
    a, b = x * 2, x * 3
    a, b = b, a
    a[0] = x[5]
    return a - b


def out_argument(x):
    c = np.zeros_like(x)
    d = np.add(x, 1.0, out=c)
    np.multiply(x, 2.0, out=d[1:], where=x[1:] > 0) if False else np.multiply(x[1:], 2.0, out=d[1:])
    np.exp(x, out=c, where=x < 0)
    return c


def augmented(x):
    y = x * 1.0
    y -= x[0]
    y /= 2.0
    y **= 2
    y //= 0.1
    y %= 3.0
    return y + x


def an_argument(x):
    x[0] = 3.0
    x[1:] *= x[0]
    return x


def filled(x):
    y = np.zeros_like(x)
    y.fill(x[2])
    np.add.at(y, [0, 0, 1], x[:3])
    return y


def numbers_then_values(x):
    y = np.zeros_like(x)
    for k in range(3):
        y[k] = k
    n = int(y[2])
    y[n] = x[0]
    return y * n


PROGRAMS = [
    element, slices, mask, rows, fancy, same_object, basic_view, view_of_a_view, transposed_view, raveled_view,
    flipped_view, copies_are_apart, swap, out_argument, augmented, an_argument, filled, numbers_then_values,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_gradients(program):
    weights = np.cos(np.arange(6.0))

    def loss(x):
        return np.sum(program(x) * (weights if program(x * 1.0).ndim == 1 else weights.reshape(program(x * 1.0).shape)))

    compiled = jd.compile(loss)
    x = X.copy()
    assert_allclose(compiled(x), loss(X.copy()), rtol=1e-13)
    assert_allclose(x, X)
    step = 1e-6
    numerical = [(loss(X + d) - loss(X - d)) / (2 * step) for d in np.eye(6) * step]
    assert_allclose(compiled.grad(x), numerical, rtol=1e-6, atol=1e-7)
    assert_allclose(x, X)


def test_float32_keeps_its_dtype():
    @jd.compile
    def f(x):
        y = np.zeros_like(x)
        y[0] = 1.0
        y += x
        return y

    assert f(X.astype(np.float32)).dtype == np.float32


def test_loops_and_branches_change_arrays_around_them():
    @jd.compile
    def f(x):
        y, c = np.zeros_like(x), np.zeros_like(x)

        def body(i, total):
            y[i] = x[i] * x[i]

            def inner(j, _):
                c[j] += y[i] * x[j]
                return 0.0

            def double():
                c[i] *= 2
                return 0.0

            jd.fori_loop(0, i + 1, inner, 0.0)
            jd.cond(x[i] > 1, double, lambda: 1.0)
            return total + y[i]

        return jd.fori_loop(0, len(x), body, 0.0) + np.sum(y * c)

    def plain(x):
        y, c, total = np.zeros_like(x), np.zeros_like(x), 0.0
        for i in range(len(x)):
            y[i] = x[i] * x[i]
            for j in range(i + 1):
                c[j] += y[i] * x[j]
            if x[i] > 1:
                c[i] *= 2
            total += y[i]
        return total + np.sum(y * c)

    assert_allclose(f(X), plain(X))
    numerical = [(plain(X + d) - plain(X - d)) / 2e-6 for d in np.eye(6) * 1e-6]
    assert_allclose(f.grad(X), numerical, rtol=1e-6, atol=1e-6)


def test_a_while_loop_changes_arrays_around_it():
    @jd.compile
    def f(x):
        y = x * 1.0

        def body(k):
            y[k] += y[k - 1] ** 2
            return k + 1

        jd.while_loop(lambda k: (k < len(x)) & (y[0] < 10), body, 1)
        return y

    expected = X.copy()
    for k in range(1, 6):
        expected[k] += expected[k - 1] ** 2
    assert_allclose(f(X), expected)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: x.reshape(2, 3).T.reshape(-1).fill(0.0), TracingError, r"view or a copy.*\n.*\n.*copy\(\)"),
        (lambda x: np.broadcast_to(x, (2, 6)).fill(0.0), TracingError, "read-only view"),
        (lambda x: np.diag(x.reshape(2, 3)).fill(0.0), TracingError, "read-only view"),
        (lambda x: x.__setitem__(slice(0, 2), np.ones(3)), ShapeError, "shape"),
        (lambda x: x.__iadd__(np.ones((2, 6))), ShapeError, "does not fit"),
        (lambda x: x.astype(int).__iadd__(0.5), DtypeError, "cannot be stored"),
        (lambda x: x.__setitem__(17, 0.0), IndexError, "17"),
    ],
)
def test_mistakes(function, error, message):
    def f(x):
        function(x)
        return x

    with pytest.raises(error, match=message):
        jd.compile(f)(X)


@pytest.mark.parametrize("name", ["shape", "dtype"])
@pytest.mark.parametrize("world", [jd.compile, jd.grad])
def test_shape_and_dtype_cannot_be_set(world, name):
    def f(x):
        y = x * 1.0
        if name == "shape":
            y.shape = (1, -1)
        else:
            y.dtype = np.int64
        return np.sum(y)

    with pytest.raises(UnsupportedError, match=f"the {name} of an array is set in place"):
        world(f)(np.ones(2))


def test_a_stale_reshape_of_unknown_layout_is_refused():
    def f(x):
        a = x.reshape(2, 3)
        flat = a.T.reshape(-1)
        a[0, 0] = 1.0
        return flat

    with pytest.raises(TracingError, match="view or a copy"):
        jd.compile(f)(X)


def test_rows_of_known_zeros_are_changed_at_traced_indices():
    def f(x):
        y = np.zeros((len(x), 2))
        for i in jd.range(len(x)):
            for j in range(i):
                y[i] -= x[j] * x
                y[j] += x[i] * x
        return np.sum(y**2)

    x = X[:2] * 3.0
    compiled = jd.compile(f)
    assert_allclose(compiled(x), f(x))
    jd.check_grads(compiled, (x,))
    assert compiled.ir.count("for ") == 2


LONG = np.arange(40.0) + 1.0


def test_an_element_is_changed_after_a_loop_whose_arrays_change_places():
    def f(x):
        y = x * 1.0
        for _ in range(31):
            y = np.cos(y) + 0.1 * y[::-1]
        y[0] = 0.0
        return y

    assert_allclose(jd.compile(f)(LONG), f(LONG))


def test_a_part_is_read_that_an_update_changed_since():
    def f(x):
        y = x.copy()
        for _ in jd.range(3):
            end = y[30:] * 1.0
            y[0:10] += end
            y[25:35] += end
            y[10:20] += end
        return np.sum(y * y)

    assert_allclose(jd.compile(f)(LONG), f(LONG))


def test_an_array_is_needed_in_the_other_branch_alone():
    def f(x, w):
        if w > 0.1:
            total = np.sum(x)
        else:
            sums = np.cumsum(x)
            total = np.sum(sums**2)
        return total

    for w in (0.0, 1.0):
        assert_allclose(jd.compile(f)(X, w), f(X, w))


def test_what_memory_holds_is_no_part_of_a_program():
    def f(x):
        y = np.empty((50,))
        y[0] = x[0]
        for i in range(1, 50):
            y[i] = y[i - 1] * 0.5 + x[i]
        return np.sum(y)

    before = [np.full(50, 7.0 + k) * np.arange(50.0) for k in range(7)]
    del before
    compiled = jd.compile(f)
    assert not compiled.specialisation(np.ones(50)).block.captured
    assert_allclose(compiled(np.ones(50)), f(np.ones(50)))


@pytest.mark.parametrize("n", [1, 3, 13, 16, 17, 40])
@pytest.mark.parametrize("trips", [1, 2, 13])
def test_arrays_that_change_places_after_one_of_them_changed(n, trips):
    def halved(x):
        y, z = x * 1.0, 3.0 * x + 1.0
        for _ in jd.range(trips):
            for i in jd.range(n):
                y[i] = 0.5 * y[i] * y[i]
            y, z = z, y
        return np.sum(y) + 10.0 * np.sum(z * z)

    def three(x):
        y, z, w = x * 1.0, 3.0 * x, x + 1.0
        for _ in jd.range(trips):
            for i in jd.range(n):
                y[i] += 0.1 * np.sin(w[i])
            y, z, w = z, w, y
        return np.sum(y) + 10.0 * np.sum(z * z) - np.sum(w)

    def in_a_branch(x):
        y, z = x * 1.0, 3.0 * x + 1.0
        for k in jd.range(trips):
            if y[0] > k:
                y[0] = 0.25 * z[0]
                y, z = z, y
            else:
                z[0] -= 0.5
        return np.sum(y) + 10.0 * np.sum(z * z)

    for f in (halved, three, in_a_branch):
        x = np.linspace(0.1, 1.0, n)
        emitted = jd.compile(f).value_and_grad.specialisation(x).emitted
        value, gradient = run(emitted, [x])
        assert_allclose(value, f(x), rtol=1e-12)
        assert_allclose(gradient, jd.grad(f)(x), rtol=1e-10)
