"""Python control flow in compiled functions: the same values and gradients as the function in plain NumPy."""

import functools
import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jitdiff as jd
from jitdiff.errors import ArgumentTypeError, TraceWarning, TracingError
from jitdiff.frontend.convert import blocks
from jitdiff.ir import For, If, While

X = np.linspace(-2.0, 2.3, 12)
TABLE = np.cos(np.arange(12.0))


def if_elif_else(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] > 0 and i != 2:
            s += x[i] ** 2
        elif x[i] < -1:
            s -= x[i]
        else:
            s += 0.5
    return s


def continued(x):
    s = 0.0
    for v in x:
        if v < 0:
            continue
        s += v * v
    return s


def broken(x):
    s = 0.0
    for v in x:
        if v > 1:
            break
        s += v * v
    else:
        s += 100.0
    return s


def broken_with_else(x):
    s = 0.0
    for v in x:
        if v > 100:
            break
        s += v * v
    else:
        s *= 2.0
    return s


def early_return(x):
    if x[0] > 0:
        return x[0]
    if x[1] > 0:
        return x[1] * 2
    return x[2] * x[3]


def return_from_a_loop(x):
    for i in range(x.shape[0]):
        if x[i] > 0.5:
            return x[i] * 2
    return x[0]


def return_from_nested_loops(x):
    for i in range(len(x)):
        for j in range(len(x)):
            if x[i] * x[j] > 2 and i != j:
                return x[i] * x[j] ** 2
    return x[0]


def return_in_both(x):
    for v in x:
        if v > 0.3:
            if v > 0.5:
                return v * 3
            else:
                return v * 5
    return 0.0 * x[0]


def newton(x):
    z, n = x[0], 0
    while True:
        dz = (z * z - x[1] ** 2) / (2 * z)
        z = z - dz
        n += 1
        if abs(dz) < 1e-12 or n > 50:
            break
    return z


def return_from_an_endless_loop(x):
    z = x[0]
    while True:
        new = 0.5 * (z + 2.0 / z)
        if abs(new - z) < 1e-12:
            return new * x[1]
        z = new


def while_from_a_constant(x):
    error = np.inf
    z = x[5] + 3.0
    while error > 1e-10:
        new = 0.5 * (z + 2.0 / z)
        error = abs(new - z)
        z = new
    return z * x[0]


def static_while(x):
    k = 0
    names = []
    while k < 3:
        names.append(f"x{k}")
        x = x * 2
        k += 1
    return np.sum(x) * len(names)


def while_with_continue(x):
    i, s = 0, 0.0
    while i < len(x):
        i += 1
        if x[i - 1] < 0:
            continue
        s += x[i - 1] ** 3
    return s


def appended(x):
    ys = []
    for v in x:
        ys.append(np.tanh(v) * v)
    return np.sum(np.array(ys) ** 2) + ys[-1] + len(ys)


def appended_rows(x):
    rows = []
    for i in range(10):
        rows.append(x * i)
        rows.append(x + i)
    return np.sum(np.stack(rows) ** 2)


def appended_in_nested_loops(x):
    out = []
    for i in range(10):
        for j in range(9):
            out.append(x[i] * x[j])
    return np.sum(np.asarray(out) ** 2)


def appended_by_a_helper(x):
    ys = [x[0]]

    def keep(v):
        ys.append(v * v)

    for v in x:
        keep(v)
    ys.append(x[3])
    return np.stack(ys) @ np.arange(14.0)


def zipped(x):
    a = np.outer(x, x)
    s = 0.0
    for k, (row, v) in enumerate(zip(a, x, strict=True)):
        s = s + k * np.sum(row * v)
    return s


def reversed_rows(x):
    s = 0.0
    for v in reversed(x):
        s = 0.5 * s + v
    for i in reversed(range(len(x))):
        s = 0.5 * s + x[i] * i
    return s


def enumerated_from(x):
    s = 0.0
    for k, v in enumerate(x, 3):
        s += k * v
    return s


def stepped(x):
    s = 0.0
    for i in range(11, 0, -2):
        s = s * 0.5 + x[i] * x[i - 1]
    return s


def captured_array(x):
    s = 0.0
    for i in range(12):
        s += TABLE[i] * x[i]
    for t in TABLE:
        s += t * x[0]
    return s


def conditional_expression(x):
    t = x[0] if x[0] > x[1] else x[1] * 3
    return t * (2.0 if -5 < t < 5 else 1.0)


def boolean_operators(x):
    a = x[0] > 0 or x[1] < 0
    b = not (x[2] > 0 and x[3] > 0)
    return (x[4] if a and b else x[5]) * 2.0


def chosen_operands(x):
    a = x[0] and x[1]
    b = x[2] * 0.0 or x[3] * x[4]
    c = (x[5] and 0.0 * x[6] and x[7]) or x[8] * 2.0
    for t in x:
        a = (t and a) * 0.9 + (t or 1.0)
    return a * b + c


def operands_with_effects(x):
    y = x * 2.0

    def doubled():
        y[0] = y[0] * 2.0
        return y[0]

    if x[1] > 0 and doubled() > 0:
        y[1] = y[0]
    z = x[1] > 5.0 or doubled() > 0
    return np.sum(y * x) + (3.0 if z else 1.0)


def guarded_index(x):
    s, i = 0.0, 0
    while i < len(x) and x[i] < 1.0:
        s += x[i]
        i += 1
    return s


def swapped(x):
    p, q = x.copy(), np.zeros_like(x)
    for _ in range(20):
        for i in range(1, len(x) - 1):
            q[i] = (p[i - 1] + p[i] + p[i + 1]) / 3
        p, q = q, p
    return np.sum(p**2)


def stencil(x):
    a = np.outer(x, x)
    for _ in range(9):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                a[i, j] = (a[i - 1, j] + a[i, j - 1] + np.sin(a[i, j]) + a[i + 1, j] + a[i, j + 1]) / 5.0
    return np.sum(a**2)


def comprehensions(x):
    return sum(v * v for v in x) + sum([x[i] * x[i - 1] for i in range(len(x))]) + np.sum(np.array([v**3 for v in x]))


def max_min_sum(x):
    s = 0.0
    for v in x:
        s += max(v, 0.5) * min(v, 1.0, 2 * v)
    return s + max(x) + sum(x)


def math_functions(x):
    s = 0.0
    for v in x:
        s += math.sin(v) * math.exp(-v * v) + math.sqrt(math.fabs(v))
    return s * math.pi


def windows(x):
    y = np.zeros(12)
    a = np.outer(x, x)
    s = 0.0
    for i in range(1, 11):
        w = x[i - 1 : i + 2]
        y[i - 1 : i + 1] += w[1:] * np.sum(w)
        block = a[i - 1 : i + 1, :3]
        block *= 0.9
        s += np.sum(a[i - 1 : i + 2, i - 1 : i + 2]) * y[i]
    return s + np.sum(y**2)


def masked(x):
    y = np.sin(x)
    for _ in range(10):
        y[y > 0.5] *= 0.5
        y[y < 0] += 0.1
        y[x > y] = 0.3
    return np.sum(y * x)


def known_numbers(x):
    nodes = np.linspace(0.0, 1.0, 12)
    s = 0.0
    for q in np.array([0.11, 0.52, 0.93]):
        k = np.searchsorted(nodes, q) - 1
        t = (q - nodes[k]) / (nodes[k + 1] - nodes[k])
        s += (1 - t) * x[k] + t * x[k + 1]
    return s


def queues(x):
    queue = deque(range(12))
    items = [0, 1, 2]
    weights = iter([1.0, 2.0, 3.0] * 4)
    s = 0.0
    while queue:
        s += x[queue.popleft()] * next(weights)
    while len(items) > 0:
        s += x[items.pop()]
    memory = {}
    for i in range(12):
        memory[i] = x[i] ** 2
        found = {"square": memory[i]}
        found["twice"] = 2.0
        s += found["square"] * found["twice"]
    return s


def conversions(x):
    s = 0.0
    for i in range(len(x)):
        k = int(abs(x[i]) * 0.9 + 0.05)
        s += float(x[i]) * k + x[k]
    return s


def small_matrix(x):
    m = np.zeros((2, 2))
    for _ in range(30):
        m[0, 0] += x[0] * 0.01
        m[1, 0] = m[0, 0] * m[1, 1]
        m[1, 1] = np.cos(m[1, 0] + x[1]) * 0.5
    return np.sum(m)


def tuples_as_state(x):
    state = (x[0], x[1:3])
    for _ in range(15):
        a, b = state
        state = (a * 0.9 + b[0], b * np.array([0.5, 0.7]) + a)
    return state[0] + np.sum(state[1])


def rungekutta(x):
    def slope(y):
        return np.array([y[1], -y[0] * x[0] ** 2])

    y = x[1:3]
    for _ in range(50):
        h = 0.02
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.sum(y**2)


def temporaries_of_other_shapes(x):
    t = x[:3]
    for i in range(10):
        t = x[i] * np.ones(2)
        s = np.sum(t)
    for i in range(12):
        t = x[i]
        s = s + t * t
    return s


def variables_after_a_loop(x):
    for i in range(10):
        last = x[i] * 2
    return last * i


def dict_of_arrays(x):
    p = {"a": x[:2], "b": x[3]}
    for _ in range(9):
        p = {"a": p["a"] * 0.5 + p["b"], "b": p["b"] * 0.9}
    return np.sum(p["a"]) + p["b"]


def helper(v, scale=2.0, *, offset=0.0):
    if v > 0:
        return v * scale + offset
    return -v


def helper_functions(x):
    s = 0.0
    for v in x:
        s += helper(v) + helper(v, offset=1.0) + functools.partial(helper, scale=3.0)(v)
    return s


def lambdas(x):
    f = lambda v: v if v > 0 else -2.0 * v  # noqa: E731
    return sum(f(v) for v in x)


def recursion(x):
    def power(v, n):
        return 1.0 if n == 0 else v * power(v, n - 1)

    return power(x[0], 5)


def walrus_and_try(x):
    s = 0.0
    if (t := x[0] * 2) < 0:
        s = t
    try:
        s = s + x[1]
    finally:
        s = s * 2
    with np.errstate(all="ignore"):
        if x[2] < 0:
            return s * x[3]
    return s


def nonlocal_state(x):
    total = 0.0

    def add(v):
        nonlocal total
        if v > 0:
            total += v * v

    for v in x:
        add(v)
    return total


PROGRAMS = [f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == __name__]
PROGRAMS.remove(helper)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_gradients(program):
    compiled = jd.compile(program)
    assert_allclose(compiled(X), program(X.copy()), rtol=1e-12)
    step = 1e-6
    numerical = [(program(X + d) - program(X - d)) / (2 * step) for d in np.eye(12) * step]
    assert_allclose(compiled.grad(X), numerical, rtol=2e-5, atol=1e-6)
    # The other ways through the branches, and another size where the program takes any.
    assert_allclose(compiled(-X[::-1] * 0.7), program(-X[::-1] * 0.7), rtol=1e-12)


@pytest.mark.parametrize("program", [if_elif_else, broken, newton, swapped, guarded_index], ids=lambda f: f.__name__)
def test_second_derivatives(program):
    compiled = jd.compile(program)
    gradient = compiled.grad
    step = 1e-5
    numerical = [(gradient(X + d) - gradient(X - d)) / (2 * step) for d in np.eye(12) * step]
    assert_allclose(jd.hessian(compiled)(X), np.transpose(numerical), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("program", [if_elif_else, zipped, reversed_rows, max_min_sum], ids=lambda f: f.__name__)
def test_any_size(program):
    compiled = jd.compile(program)
    for n in (12, 15, 9, 20, 31):
        x = np.linspace(-1.5, 1.1, n)
        assert_allclose(compiled(x), program(x), rtol=1e-12)
    assert len(compiled._program.specialisations) == 2


def nodes(compiled, *args):
    compiled(*args)
    (found,) = compiled._program.specialisations
    return [type(node) for node in found.traced.block.nodes]


def test_long_ranges_roll_and_short_ones_unroll():
    def total(n):
        def f(x):
            s = 0.0
            for i in range(n):
                s += x[i]
            return s

        return f

    assert For in nodes(jd.compile(total(12)), X)
    assert For not in nodes(jd.compile(total(3)), X)


def test_short_loops_with_long_bodies_roll():
    def f(x):
        s = x
        for _ in range(4):
            s = np.sin(s) * x + np.cos(s) - s**3 + np.exp(-s) * np.tanh(x) + np.sqrt(np.abs(s)) / (1 + s * s)
            s = (
                np.log1p(np.exp(s))
                + np.sin(s) * x
                + np.cos(s)
                - s**3
                + np.exp(-s) * np.tanh(x)
                + np.abs(s) / (1 + s * s)
            )
            s = s + np.arctan(s) * x + np.cos(s) - s**3 + np.exp(-s) * np.tanh(x) + np.abs(s) / (1 + s * s)
            s = s * np.tanh(s)
        return s

    assert For in nodes(jd.compile(f), 0.3)


def test_jd_range_always_rolls():
    @jd.compile
    def f(x):
        y = 1.0
        for _ in jd.range(3):
            y *= x
        return y

    assert nodes(f, 2.0) == [For]
    assert f(2.0) == 8.0
    assert list(jd.range(1, 7, 3)) == [1, 4]


def test_traced_bounds():
    @jd.compile
    def f(x, n, m):
        s = 0.0
        for i in range(n, m):
            for j in range(i):
                s += x[i] * x[j]
        return s

    def plain(x, n, m):
        return sum(x[i] * x[j] for i in range(n, m) for j in range(i))

    assert_allclose([f(X, n, m) for n, m in [(2, 7), (0, 12), (5, 5), (7, 3)]],
                    [plain(X, n, m) for n, m in [(2, 7), (0, 12), (5, 5), (7, 3)]])  # fmt: skip
    assert len(f._program.specialisations) == 1
    assert_allclose(f.grad(X, 2, 7)[:2], [np.sum(X[2:7]), np.sum(X[2:7])])


def test_while_is_one_node():
    assert nodes(jd.compile(while_from_a_constant), X).count(While) == 1


def test_branches_are_nodes():
    assert If in nodes(jd.compile(early_return), X)


def test_checkpoints():
    @jd.compile
    def f(x):
        y = x
        for _ in jd.range(100, checkpoint="sqrt"):
            y = np.sin(y) * x
        return np.sum(y)

    @jd.compile
    def plain(x):
        y = x
        for _ in range(100):
            y = np.sin(y) * x
        return np.sum(y)

    assert_allclose(f(X), plain(X), rtol=1e-13)
    assert_allclose(f.grad(X), plain.grad(X), rtol=1e-12)


@dataclass
class Model:
    scale: float

    def predict(self, x):
        return self.scale * x if x > 0 else -x

    def __call__(self, x):
        return self.predict(x) * 2


def test_methods_and_callable_objects():
    model = Model(3.0)

    @jd.compile
    def f(x):
        return sum(model.predict(v) + model(v) for v in x)

    assert_allclose(f(X), sum(model.predict(v) + model(v) for v in X))


class Private:
    def __init__(self):
        self.__scale = 2.0

    @jd.compile
    def loss(self, x):
        s = 0.0
        for v in x:
            if v > 0:
                s += self.__scale * v
        return s


def test_private_names_in_methods():
    assert_allclose(Private().loss(X), 2 * np.sum(X[X > 0]))


def test_isinstance_and_len_are_numpys():
    @jd.compile
    def f(x, t):
        if isinstance(x, np.ndarray) and not isinstance(t, np.ndarray):
            return np.sum(x) * t * len(x)
        return 0.0

    assert_allclose(f(X, 2.0), np.sum(X) * 24)


def test_grad_of_a_plain_function_stays_eager():
    seen = []

    def f(x):
        seen.append(float(x))
        return x * x if x > 0 else -x

    assert jd.grad(f)(3.0) == 6.0
    assert seen == [3.0]


def test_transforms_inside():
    def energy(q):
        return q * q if q > 0 else -q

    @jd.compile
    def f(x):
        s = 0.0
        for v in x:
            s += jd.grad(energy)(v) ** 2
        return s

    assert_allclose(f(X), sum(np.where(X > 0, 2 * X, -1.0) ** 2))


def bent(x):
    if x > 0:
        return x * x
    return -x


@jd.custom_vjp
def bent_by_rule(x):
    return bent(x)


def bent_forward(x):
    return bent(x), x


def bent_backward(x, g):
    if x > 0:
        return (2 * x * g,)
    return (-g,)


bent_by_rule.defvjp(bent_forward, bent_backward)


@jd.custom_gradient
def bent_by_tensorflow(x):
    def back(g):
        return 2 * x * g if x > 0 else -g

    return bent(x), back


@pytest.mark.parametrize(
    ("kept", "values", "slopes"),
    [
        (jd.grad(bent), [6.0, -1.0], [2.0, 0.0]),
        (jd.hessian(bent), [2.0, 0.0], [0.0, 0.0]),
        (jd.vmap(bent), [9.0, 2.0], [6.0, -1.0]),
        (jd.checkpoint(bent), [9.0, 2.0], [6.0, -1.0]),
        (jd.recompute_grad(bent), [9.0, 2.0], [6.0, -1.0]),
        (bent_by_rule, [9.0, 2.0], [6.0, -1.0]),
        (bent_by_tensorflow, [9.0, 2.0], [6.0, -1.0]),
    ],
    ids=["grad", "hessian", "vmap", "checkpoint", "recompute_grad", "custom_vjp", "custom_gradient"],
)
def test_functions_kept_by_transforms_and_rules(kept, values, slopes):
    f = jd.compile(lambda x: np.sum(kept(x * np.ones(1) if kept.__name__.endswith("vmap") else x)))
    assert_allclose([f(3.0), f(-2.0)], values)
    assert_allclose([f.grad(3.0), f.grad(-2.0)], slopes)


def test_float32_stays():
    @jd.compile
    def f(x):
        s = 0
        for i in range(len(x)):
            s = s + i * x[i] if x[i] > 0 else s
        return s

    found = f(X.astype(np.float32))
    assert found.dtype == np.float32
    assert_allclose(found, sum(i * v for i, v in enumerate(X) if v > 0), rtol=1e-6)


def test_vmap_and_map_of_branches():
    def f(v):
        return v * v if v > 0 else -v

    assert_allclose(jd.vmap(jd.compile(f))(X), np.where(X > 0, X * X, -X))


def test_print_and_assert_tell_that_they_run_once(capsys):
    @jd.compile
    def f(x):
        assert x > 0, "never checked"
        print("traced", x)
        return x * 2

    with pytest.warns(TraceWarning) as caught:
        assert f(3.0) == 6.0
    assert "assertion" in str(caught[0].message)
    assert "print runs once" in str(caught[1].message)
    assert caught[0].filename == __file__
    assert "traced" in capsys.readouterr().out


def test_random_numbers_are_told_of():
    rng = np.random.default_rng(0)

    @jd.compile
    def noisy(x):
        return x + rng.normal()

    with pytest.warns(TraceWarning, match="drawn once"):
        noisy(1.0)

    @jd.compile
    def walk(x):
        for _ in jd.range(20):
            x = x + rng.normal()
        return x

    with pytest.raises(TracingError, match="the same ones every time"):
        walk(1.0)


def test_static_asserts_are_checked():
    @jd.compile
    def f(x):
        assert x.ndim == 1, "a vector"
        return np.sum(x)

    with pytest.raises(AssertionError, match="a vector"):
        f(np.ones((2, 2)))


def test_a_loop_that_cannot_roll_is_unrolled_and_told_of(monkeypatch):
    monkeypatch.setattr(blocks, "LONG_NODES", 50)

    @jd.compile
    def f(x):
        weights = ({"w": 1.0},) * 40
        s = 0.0
        for i in range(40):
            s = s * weights[i]["w"] + np.sin(s) * x
        return s

    with pytest.warns(TraceWarning, match="a loop of 40 iterations is unrolled into"):
        f(1.0)


def lines_of(function):
    return function.__code__.co_firstlineno


def carry_changes_shape(x):
    y = x[:1]
    for _ in jd.range(5):
        y = np.concatenate([y, x[:1]])
    return y


def carry_changes_dtype(x):
    y = np.arange(12)
    for _ in jd.range(5):
        y = y * x
    return y


def arms_disagree(x):
    if x[0] > 0:
        t = x[:2]
    else:
        t = x[:3]
    return np.sum(t)


def defined_in_one_arm(x):
    if x[0] > 0:
        t = x[1]
    return t * 2


def defined_in_a_loop(x):
    for i in range(int(x[0])):
        t = x[i]
    return t


def falls_off_the_end(x):
    if x[0] > 0:
        return x


def captured_is_changed(x):
    for i in range(12):
        TABLE[i] = x[i]
    return x


def list_grows_in_a_branch(x):
    ys = []
    for v in x:
        if v > 0:
            ys.append(v)
    return np.array(ys)


def list_is_read_while_it_grows(x):
    ys = [x[0]]
    for _ in jd.range(9):
        ys.append(ys[-1] * 2)
    return np.array(ys)


def row_view_is_rebound(x):
    a = np.outer(x, x)
    row = a[0]
    for i in jd.range(12):
        row += 1.0
        row = a[i]
    return np.sum(a)


def other_name_of_a_swapped_array(x):
    p, q = x.copy(), np.zeros_like(x)
    original = p
    for _ in jd.range(3):
        q[0] = p[1]
        p, q = q, p
    return np.sum(original)


def row_of_a_branch(x):
    a = np.outer(x, x)
    if x[0] > 0:
        row = a[0]
    else:
        row = a[1]
    row[0] = 5.0
    return np.sum(a)


def row_of_a_branch_read_later(x):
    a = np.outer(x, x)
    row = a[0] if x[0] > 0 else a[1]
    a[:] = 0.0
    return np.sum(row)


def row_left_by_a_loop(x):
    a = np.outer(x, x)
    for i in jd.range(12):
        row = a[i]
    row += 1.0
    return np.sum(a)


def two_names_left_by_a_loop(x):
    for i in jd.range(12):
        y = x * i
        z = y
    z[0] = 1.0
    return np.sum(y)


def none_then_array(x):
    best = None
    for i in jd.range(12):
        if best is None:
            best = x[i]
        best = np.maximum(best, x[i])
    return best


@pytest.mark.parametrize(
    ("function", "args", "message", "line"),
    [
        (carry_changes_shape, (X,), r"y changes in the loop from f64\[1\] to f64\[2\]", 2),
        (carry_changes_dtype, (X,), r"y changes in the loop from i64\[12\] to f64\[12\]", 2),
        (arms_disagree, (X,), r"t is f64\[2\] if the condition .* is true, and f64\[3\] if it is false", 5),
        (defined_in_one_arm, (X,), r"t has no value if the condition .* is false", 3),
        (defined_in_a_loop, (X,), r"t has no value if the loop does not run at all", 3),
        (falls_off_the_end, (X,), r"returns a value on some ways only", 1),
        (captured_is_changed, (X,), r"from outside of the compiled function is changed in place", 2),
        (list_grows_in_a_branch, (X,), r"a list grows in a branch", 4),
        (list_is_read_while_it_grows, (X,), r"reads a list that it appends to", 2),
        (row_view_is_rebound, (X,), r"rebinds a variable that is a view", 3),
        (other_name_of_a_swapped_array, (X,), r"is read after it was changed in place under another name", 6),
        (row_of_a_branch, (X,), r"is changed in place, and whether it shares elements", 6),
        (row_of_a_branch_read_later, (X,), r"is read after another array was changed in place", 4),
        (row_left_by_a_loop, (X,), r"is changed in place, and whether it shares elements", 4),
        (two_names_left_by_a_loop, (X,), r"is changed in place, and whether it shares elements", 4),
        (none_then_array, (X,), r"best changes in the loop from None to f64\[\]", 2),
    ],
    ids=lambda p: p.__name__ if callable(p) else "",
)
def test_mistakes(function, args, message, line):
    with pytest.raises(TracingError, match=message) as caught:
        jd.compile(function)(*args)
    assert f"test_convert.py:{lines_of(function) + line} in {function.__name__}" in str(caught.value)


def test_out_of_range_positions_in_loops():
    @jd.compile
    def f(x):
        s = 0.0
        for i in range(len(x) + 1):
            s += x[i]
        return s

    with pytest.raises(IndexError):
        f(X)


def test_without_source_there_is_no_conversion_and_the_error_says_so():
    namespace = {"np": np}
    exec("def f(x):\n    return x if x > 0 else -x\ndef g(x):\n    return np.sin(x) * 2", namespace)
    assert jd.compile(namespace["g"])(1.0) == np.sin(1.0) * 2
    with pytest.raises(TracingError, match="source of this function cannot be had"):
        jd.compile(namespace["f"])(1.0)


def test_the_hint_of_a_derivative_is_not_about_sources():
    with pytest.raises(TracingError, match="truth value") as caught:
        jd.compile(lambda x: x * float(next(v for v in [x] if v > 0))).grad(1.0)
    assert "source" not in str(caught.value)


def test_a_bound_that_is_no_integer():
    with pytest.raises(ArgumentTypeError, match="must be an integer"):
        jd.compile(lambda x: sum(i for i in range(x)))(3.0)


def test_the_callers_lines_stand_in_the_ir():
    compiled = jd.compile(if_elif_else)
    compiled(X)
    assert f"test_convert.py:{lines_of(if_elif_else) + 4}" in str(compiled.ir)


def test_bound_of_a_slice_that_is_an_argument_is_static():
    def head(x, n):
        return np.sum(x[:n] ** 2) + np.sum(x[n - 2 : 2 * n - 1])

    x = np.arange(5.0)
    compiled = jd.compile(head)
    for n in (2, 3):
        assert compiled(x, n) == head(x, n)
        np.testing.assert_array_equal(jd.grad(compiled)(x, n), 2 * x * (np.arange(5) < n) + _ones(n - 2, 2 * n - 1))


def _ones(start, stop):
    y = np.zeros(5)
    y[start:stop] = 1.0
    return y
