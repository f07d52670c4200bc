"""Functions over the slices of their arguments, plain and compiled: axes, nests with derivatives, mistakes."""

from dataclasses import dataclass

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import ArgumentError, ArgumentTypeError, AxisError, ShapeError, TracingError
from jitdiff.ir import For

A = np.random.default_rng(1).normal(size=(4, 3))
B = np.random.default_rng(2).normal(size=(4, 3))


def both(f):
    """`f` as it is, compiled, and inside a compiled function."""
    return [f, jd.compile(f), pytest.param(Inside(f), id="inside")]


class Inside:
    """A function whose transforms are taken inside a compiled function."""

    def __init__(self, f):
        self.f = f


def mapped(f, *args, axes=0, out=0, **kwargs):
    """Call ``vmap(f)``, in a trace if `f` is `Inside`."""
    if isinstance(f, Inside):
        return jd.compile(lambda *a, **k: jd.vmap(f.f, axes, out)(*a, **k))(*args, **kwargs)
    return jd.vmap(f, in_axes=axes, out_axes=out)(*args, **kwargs)


@pytest.mark.parametrize("f", both(lambda x, y: np.dot(x, y) * np.tanh(x)))
@pytest.mark.parametrize("axes", [0, (0, 0), (0, None), (None, 0), (1, 0), (-1, 0), [0, -2], (-2, 1)])
def test_in_axes(f, axes) -> None:
    plain = f.f if isinstance(f, Inside) else getattr(f, "__wrapped__", f)
    entries = (axes, axes) if isinstance(axes, int) else axes
    args = [x[0] if a is None else x.T if a % 2 else x for x, a in zip((A, B), entries, strict=True)]
    want = [
        plain(*(x if a is None else np.moveaxis(x, a, 0)[i] for x, a in zip(args, entries, strict=True)))
        for i in range(4)
    ]
    found = mapped(f, *args, axes=axes)
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, np.stack(want), rtol=1e-13)


@pytest.mark.parametrize("f", both(lambda x: {"sum": np.sum(x), "outer": np.outer(x, x[:2])}))
@pytest.mark.parametrize(("out", "place"), [(0, 0), (1, 1), (2, 2), (-1, 2), (-3, 0)], ids=str)
def test_out_axes(f, out, place) -> None:
    found = mapped(f, A, out={"sum": 0, "outer": out})
    np.testing.assert_allclose(found["sum"], A.sum(1), rtol=1e-14)
    np.testing.assert_allclose(found["outer"], np.moveaxis(np.einsum("bi,bj->bij", A, A[:, :2]), 0, place), rtol=1e-14)
    assert found["outer"].flags.c_contiguous


@pytest.mark.parametrize("f", both(lambda x, w: (x * w, np.exp(w), 1.5)))
def test_what_does_not_depend_on_the_slice(f) -> None:
    w = B[0]
    product, exponential, number = mapped(f, A, w, axes=(0, None), out=(0, None, None))
    np.testing.assert_allclose(product, A * w)
    np.testing.assert_allclose(exponential, np.exp(w), rtol=1e-14)
    assert number == 1.5
    _, repeated, numbers = mapped(f, A, w, axes=(0, None), out=(0, -1, 0))
    np.testing.assert_allclose(repeated, np.stack([np.exp(w)] * 4, 1), rtol=1e-14)
    np.testing.assert_array_equal(numbers, np.full(4, 1.5))


@dataclass
class Layer:
    w: np.ndarray
    b: float


@pytest.mark.parametrize("f", both(lambda layer, x: np.tanh(layer["w"] @ x["in"][0] + layer["b"])))
def test_trees_of_axes(f, rng) -> None:
    w, b = rng.normal(size=(2, 3)), rng.normal(size=2)
    found = mapped(f, {"w": w, "b": b}, {"in": [A]}, axes=(None, 0))
    want = np.tanh(A @ w.T + b)
    np.testing.assert_allclose(found, want, rtol=1e-13)
    found = mapped(f, {"w": w, "b": np.stack([b] * 4, 1)}, {"in": [A]}, axes=({"w": None, "b": 1}, {"in": [0]}))
    np.testing.assert_allclose(found, want, rtol=1e-13)


@pytest.mark.parametrize("f", both(lambda layer, x: np.sum(layer.w * x) + layer.b))
def test_dataclasses_and_missing_parts(f) -> None:
    found = mapped(f, Layer(B, 0.5), A, axes=(Layer(0, None), 0))
    np.testing.assert_allclose(found, np.sum(A * B, 1) + 0.5, rtol=1e-12, atol=1e-14)
    assert jd.vmap(lambda p: p[0] * 2)((A, None)).shape == (4, 3)


@pytest.mark.parametrize("f", both(lambda x, scale=1.0: x * scale))
def test_keywords_are_mapped_along_the_first_axis(f) -> None:
    np.testing.assert_array_equal(mapped(f, A, scale=np.arange(4.0)), A * np.arange(4.0)[:, None])
    found = mapped(f, A.T, scale=np.arange(4.0), axes=(1,))
    np.testing.assert_array_equal(found, A * np.arange(4.0)[:, None])
    np.testing.assert_array_equal(mapped(f, A, axes=(0,)), A)


def test_static_arguments() -> None:
    f = jd.compile(lambda x, power, kind: x**power if kind == "power" else x, static_argnames="power")
    np.testing.assert_allclose(jd.vmap(f, in_axes=(0, None, None))(A, 3, "power"), A**3, rtol=1e-13)
    plain = lambda x, power: x**power  # noqa: E731
    np.testing.assert_allclose(jd.vmap(plain, in_axes=(0, None))(A, 2), A**2)


def test_of_a_compiled_function_it_is_one_compiled_loop() -> None:
    f = jd.compile(lambda x, w: np.tanh(x @ w))
    g = jd.vmap(f, in_axes=(0, None))
    assert isinstance(g, jd.Compiled)
    assert g is jd.vmap(f, in_axes=(0, None))
    assert g is not jd.vmap(f, in_axes=(0, 0))
    assert jd.vmap(jd.compile(loss)).__name__ == "loss_vmap"
    g(A, B[0])
    (specialisation,) = g.specialisations
    assert [type(node) for node in specialisation.block.nodes] == [For]


def test_what_is_the_same_for_all_is_computed_once() -> None:
    @jd.compile
    def f(x, w):
        return x * np.linalg.inv(w)[0, 0]

    g = jd.vmap(f, in_axes=(0, None))
    np.testing.assert_allclose(g(A, np.eye(2) * 4), A / 4)
    names = [getattr(node, "op", node).name for node in g.specialisations[0].block.nodes if not isinstance(node, For)]
    assert "inv" in names


def test_other_sizes_compile_nothing() -> None:
    f = jd.vmap(jd.compile(lambda x, w: np.sum(x * w)), in_axes=(0, None))
    for n in (3, 5, 7, 100):
        X = np.arange(4.0 * n).reshape(n, 4)
        np.testing.assert_allclose(f(X, np.ones(4)), X.sum(1))
    assert len(f.specialisations) == 2


@pytest.mark.parametrize("f", both(lambda x, y: np.dot(x, y)))
def test_nests(f) -> None:
    inner = f.f if isinstance(f, Inside) else f
    table = jd.vmap(jd.vmap(inner, (None, 0)), (0, None))
    if isinstance(f, Inside):
        table = jd.compile(lambda a, b: jd.vmap(jd.vmap(inner, (None, 0)), (0, None))(a, b))
    np.testing.assert_allclose(table(A, B), A @ B.T, rtol=1e-13)


def loss(w, x, y):
    return (np.tanh(x @ w) - y) ** 2


def by_hand(w, X, y):
    t = np.tanh(X @ w)
    return (2 * (t - y) * (1 - t * t))[:, None] * X


@pytest.mark.parametrize("f", [loss, jd.compile(loss)])
def test_gradients_of_each_example(f, rng) -> None:
    w, y = rng.normal(size=3), rng.normal(size=4)
    each = jd.vmap(jd.grad(f), in_axes=(None, 0, 0))
    np.testing.assert_allclose(each(w, A, y), by_hand(w, A, y), rtol=1e-12)
    values, gradients = jd.vmap(jd.value_and_grad(f, argnums=(0, 1)), in_axes=(None, 0, 0))(w, A, y)
    np.testing.assert_allclose(values, (np.tanh(A @ w) - y) ** 2, rtol=1e-12)
    np.testing.assert_allclose(gradients[0], by_hand(w, A, y), rtol=1e-12)
    t = np.tanh(A @ w)
    np.testing.assert_allclose(gradients[1], (2 * (t - y) * (1 - t * t))[:, None] * w, rtol=1e-12)


def test_gradients_of_each_example_are_one_loop(rng) -> None:
    each = jd.vmap(jd.grad(jd.compile(loss)), in_axes=(None, 0, 0))
    each(rng.normal(size=3), A, rng.normal(size=4))
    assert sum(isinstance(node, For) for node in each.specialisations[0].block.nodes) == 1
    assert each.source.count("for ") == 1


@pytest.mark.parametrize("f", [loss, jd.compile(loss)])
def test_differentiated(f, rng) -> None:
    w, y = rng.normal(size=3), rng.normal(size=4)

    def total(w, X, y):
        return np.sum(jd.vmap(f, in_axes=(None, 0, 0))(w, X, y))

    want = by_hand(w, A, y).sum(0)
    for g in (jd.grad(total), jd.grad(jd.compile(total))):
        np.testing.assert_allclose(g(w, A, y), want, rtol=1e-12)
    vmapped = jd.vmap(f, in_axes=(None, 0, 0))
    np.testing.assert_allclose(jd.jacobian(vmapped)(w, A, y), by_hand(w, A, y), rtol=1e-12)
    np.testing.assert_allclose(jd.jacfwd(vmapped)(w, A, y), by_hand(w, A, y), rtol=1e-12)
    v = rng.normal(size=3)
    y0, dot = jd.jvp(lambda w: vmapped(w, A, y), (w,), (v,))
    np.testing.assert_allclose(dot, by_hand(w, A, y) @ v, rtol=1e-12)
    np.testing.assert_allclose(y0, (np.tanh(A @ w) - y) ** 2, rtol=1e-12)
    jd.check_grads(total, (w, A, y), order=2 if f is loss else 1)


@pytest.mark.parametrize("f", [loss, jd.compile(loss)])
def test_on_the_tape(f, rng) -> None:
    w, X, y = jd.Variable(rng.normal(size=3)), jd.constant(A), rng.normal(size=4)
    with jd.GradientTape() as tape:
        tape.watch(X)
        losses = jd.vmap(f, in_axes=(None, 0, 0))(w, X, y)
        total = np.sum(losses)
    assert isinstance(losses, jd.Tensor)
    gw, gX = tape.gradient(total, [w, X])
    np.testing.assert_allclose(gw, by_hand(w.numpy(), A, y).sum(0), rtol=1e-12)
    t = np.tanh(A @ w.numpy())
    np.testing.assert_allclose(gX, (2 * (t - y) * (1 - t * t))[:, None] * w.numpy(), rtol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_hessians_of_each_example(compiled) -> None:
    f = lambda x: np.prod(x)  # noqa: E731
    hessians = jd.vmap(jd.hessian(jd.compile(f) if compiled else f))(A)
    for h, x in zip(hessians, A, strict=True):
        np.testing.assert_allclose(h, [[0, x[2], x[1]], [x[2], 0, x[0]], [x[1], x[0], 0]], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_gradient_through_gradients_of_each_example(compiled, rng) -> None:
    w, y = rng.normal(size=3), rng.normal(size=4)

    def norms(w, X, y):
        each = jd.vmap(jd.grad(loss), in_axes=(None, 0, 0))(w, X, y)
        return np.sum(jd.vmap(lambda g: np.dot(g, g))(each))

    f = jd.compile(norms) if compiled else norms
    np.testing.assert_allclose(f(w, A, y), np.sum(by_hand(w, A, y) ** 2), rtol=1e-12)
    step = 1e-6 * np.eye(3)
    want = [(np.sum(by_hand(w + s, A, y) ** 2) - np.sum(by_hand(w - s, A, y) ** 2)) / 2e-6 for s in step]
    np.testing.assert_allclose(jd.grad(f)(w, A, y), want, rtol=1e-7)


def test_loops_and_branches_for_each_slice() -> None:
    @jd.compile
    def root(a):
        return jd.while_loop(lambda x: np.abs(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), a + 1.0)

    a = np.array([1.0, 2.0, 9.0, 100.0])
    np.testing.assert_allclose(jd.vmap(root)(a), np.sqrt(a), rtol=1e-12)
    np.testing.assert_allclose(jd.vmap(jd.grad(root))(a), 0.5 / np.sqrt(a), rtol=1e-8)
    sign = jd.compile(lambda x: jd.cond(x > 0, lambda: x * x, lambda: -x))
    np.testing.assert_allclose(jd.vmap(jd.grad(sign))(np.array([2.0, -3.0])), [4.0, -1.0])


def test_slices_may_be_changed_in_place() -> None:
    @jd.compile
    def f(x):
        y = np.zeros_like(x)
        y[0] = x[0]
        y[1:] += x[1:] ** 2
        x[0] = 7.0
        return y + x

    before = A.copy()
    want = A + np.concatenate([7.0 + 0 * A[:, :1], A[:, 1:] ** 2], 1)
    np.testing.assert_allclose(jd.vmap(f)(A), want, rtol=1e-14)
    np.testing.assert_array_equal(A, before)
    np.testing.assert_allclose(jd.vmap(jd.jacobian(f))(A)[1], np.diag([1.0, *(1 + 2 * A[1, 1:])]), rtol=1e-14)


def test_what_is_around_the_slices_cannot_be_changed() -> None:
    def f(total, x):
        total[0] += x[0]
        return total * 1.0

    def g(A, total):
        return jd.vmap(lambda x: f(total, x))(A)

    with pytest.raises(TracingError, match=r"changes f64\[2\] in place, which is the same for all slices"):
        jd.compile(g)(A, np.zeros(2))


@pytest.mark.parametrize("world", [lambda f: f, jd.compile])
def test_each_slice_has_arguments_of_its_own(world) -> None:
    def f(x, total):
        x *= 2.0
        total[0] += x[0]
        total[1:] *= total[0]
        return total * x[1]

    a, total = A.copy(), np.array([1.0, 2.0])
    want = np.stack([f(row.copy(), total.copy()) for row in A])
    np.testing.assert_allclose(jd.vmap(world(f), in_axes=(0, None))(a, total), want, rtol=1e-14)
    np.testing.assert_array_equal(a, A)
    np.testing.assert_array_equal(total, [1.0, 2.0])

    def loss(total, A):
        return np.sum(jd.vmap(f, in_axes=(0, None))(A, total) ** 2)

    step = np.array([1e-6, 0.0])
    slope = (loss(total + step, A) - loss(total - step, A)) / 2e-6
    np.testing.assert_allclose(jd.grad(world(loss))(total, A)[0], slope, rtol=1e-7)


def test_plain_functions_may_do_anything() -> None:
    def f(x):
        return x * 2 if x.sum() > 0 else np.zeros(3)

    want = np.where(A.sum(1, keepdims=True) > 0, 2 * A, 0)
    np.testing.assert_array_equal(jd.vmap(f)(A), want)
    np.testing.assert_array_equal(jd.vmap(jd.jacobian(f))(A)[0], (2.0 if A[0].sum() > 0 else 0.0) * np.eye(3))


@pytest.mark.parametrize("f", both(lambda x, n: (x * n, n + 1)))
def test_dtypes(f) -> None:
    x, n = A.astype(np.float32), np.arange(4)
    y, m = mapped(f, x, n)
    assert (y.dtype, m.dtype) == (np.result_type(np.float32, np.int64), np.int64)
    single = jd.vmap(jd.compile(lambda x: np.sum(np.exp(x))))(x)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, np.exp(x).sum(1), rtol=1e-6)
    assert jd.vmap(jd.grad(jd.compile(lambda x: np.sum(np.exp(x)))))(x).dtype == np.float32


@pytest.mark.parametrize("f", both(lambda x: (np.sum(x), np.outer(x, x), x > 0)))
def test_no_slices(f) -> None:
    total, outer, positive = mapped(f, A[:0], out=(0, 1, -1))
    assert (total.shape, total.dtype) == ((0,), np.float64)
    assert outer.shape == (3, 0, 3)
    assert (positive.shape, positive.dtype) == ((3, 0), np.bool_)


@pytest.mark.parametrize("f", [lambda x: np.exp(x), jd.compile(lambda x: np.exp(x))])
def test_gradient_of_no_slices(f) -> None:
    assert jd.grad(lambda X: np.sum(jd.vmap(f)(X)))(A[:0]).shape == (0, 3)


@pytest.mark.parametrize("f", both(lambda x, y: x * y))
class TestMistakes:
    """Each with its own sentence, the same in every world."""

    def test_lengths_differ(self, f) -> None:
        with pytest.raises(ShapeError, match=r"the mapped axes differ in length: 4 of argument_0, 3 of argument_1"):
            mapped(f, A, B[:3])

    def test_no_such_axis(self, f) -> None:
        with pytest.raises(AxisError, match=r"argument_1 is f64\[\], which has no axis 0 to map") as caught:
            mapped(f, A, 2.0)
        assert isinstance(caught.value, ValueError)
        with pytest.raises(AxisError, match=r"argument_0 is f64\[4,3\], which has no axis 2 to map"):
            mapped(f, A, B, axes=(2, 0))

    def test_nothing_is_mapped(self, f) -> None:
        with pytest.raises(ArgumentError, match="in_axes maps no argument"):
            mapped(f, A, B, axes=None)
        with pytest.raises(ArgumentError, match="in_axes maps no argument"):
            mapped(f, A, B, axes=(None, None))

    def test_as_many_entries_as_arguments(self, f) -> None:
        with pytest.raises(
            (ArgumentError, ArgumentTypeError), match=r"in_axes has 1 entries, and there are 2 pos|too many"
        ):
            mapped(f, A, B, axes=(0,))

    def test_structure_of_axes(self, f) -> None:
        with pytest.raises(
            ArgumentError, match=r"in_axes=\(0, \(0, 0\)\) does not have the structure of the arguments"
        ):
            mapped(f, A, B, axes=(0, (0, 0)))
        with pytest.raises(ArgumentError, match=r"out_axes=\(0, 0\) does not have the structure of the result"):
            mapped(f, A, B, out=(0, 0))

    def test_out_axes(self, f) -> None:
        with pytest.raises(AxisError, match="out_axes has 2, and the stacked result has 2 axes"):
            mapped(f, A, B, out=2)
        with pytest.raises(ArgumentError, match="out_axes is None for the result of <lambda>, which is not the same"):
            mapped(f, A, B, out=None)


def test_kinds_of_axes() -> None:
    with pytest.raises(ArgumentTypeError, match="in_axes is made of integers and None, and 'x' is neither"):
        jd.vmap(np.sin, in_axes=("x",))
    with pytest.raises(ArgumentTypeError, match="in_axes is an int, None or a tuple"):
        jd.vmap(np.sin, in_axes={"x": 0})
    with pytest.raises(ArgumentTypeError, match=r"out_axes is made of integers and None, and 0\.5 is neither"):
        jd.vmap(np.sin, out_axes=0.5)
    with pytest.raises(ArgumentTypeError, match="a function is needed, not 3"):
        jd.vmap(3)


def test_results_that_cannot_be_stacked() -> None:
    def ragged(x):
        return np.ones(int(x))

    with pytest.raises(ShapeError, match=r"the result of ragged is f64\[1\] for slice 0 and f64\[2\] for slice 1"):
        jd.vmap(ragged)(np.array([1.0, 2.0]))
    with pytest.raises(ArgumentTypeError, match="returned a str"):
        jd.vmap(lambda x: "text")(A)
    with pytest.raises(ArgumentError, match=r"for slice 0 and .* for slice 1"):
        jd.vmap(lambda x: (x,) if x > 1 else x)(np.array([2.0, 1.0]))
    with pytest.raises(ArgumentTypeError, match="argument_0 is a str, 'text', which has no axis 0 to map"):
        jd.vmap(lambda x: x)("text")


def test_errors_name_the_line() -> None:
    with pytest.raises(ShapeError, match=r"test_vmap.py:\d+ in test_errors_name_the_line:  jd.vmap\(np.add\)"):
        jd.vmap(np.add)(A, B[:3])


@pytest.mark.parametrize("f", [lambda r: np.sum(r["x"]) * r["k"], jd.compile(lambda r: np.sum(r["x"]) * r["k"])])
def test_map(f) -> None:
    rows = {"x": A, "k": np.arange(4.0)}
    want = A.sum(1) * np.arange(4)
    np.testing.assert_allclose(jd.map(f, rows), want, rtol=1e-13)
    inside = jd.compile(lambda r: jd.map(f, r))
    np.testing.assert_allclose(inside(rows), want, rtol=1e-13)
    assert any(isinstance(node, For) for node in inside.specialisations[0].block.nodes)
    gradient = jd.grad(lambda r: np.sum(jd.map(f, r) ** 2))(rows)
    np.testing.assert_allclose(gradient["k"], 2 * want * A.sum(1), rtol=1e-12)


def test_map_of_a_compiled_function_is_one_native_call() -> None:
    f = jd.compile(lambda x: np.sum(x**2))
    jd.map(f, A)
    assert not f.specialisations


class Model:
    def __init__(self):
        self.w = np.array([1.0, 2.0, 3.0])

    @jd.compile
    def score(self, x):
        return np.dot(self.w, x) ** 2


def test_methods() -> None:
    model = Model()
    np.testing.assert_allclose(jd.vmap(model.score)(A), (A @ model.w) ** 2, rtol=1e-13)
    np.testing.assert_allclose(jd.vmap(jd.grad(model.score))(A), 2 * (A @ model.w)[:, None] * model.w, rtol=1e-12)


def test_variables_are_mapped() -> None:
    for f in (lambda x: np.sum(x**2), jd.compile(lambda x: np.sum(x**2))):
        v = jd.Variable(A)
        with jd.GradientTape() as tape:
            y = jd.vmap(f)(v)
        np.testing.assert_allclose(tape.gradient(y, v), 2 * A, rtol=1e-13)


def test_tapes_and_rules_of_users_inside() -> None:
    @jd.compile
    def by_tape(x):
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = np.sum(x**3)
        return tape.gradient(y, x)

    np.testing.assert_allclose(jd.vmap(by_tape)(A), 3 * A**2, rtol=1e-13)

    @jd.custom_vjp
    def wrong(x):
        return np.sin(x)

    wrong.defvjp(lambda x: (np.sin(x), x), lambda x, g: (g * 100.0 * x,))
    for f in (lambda x: np.sum(wrong(x)), jd.compile(lambda x: np.sum(wrong(x)))):
        np.testing.assert_allclose(jd.vmap(jd.grad(f))(A), 100 * A, rtol=1e-13)


def test_maps_inside_maps_with_derivatives_between() -> None:
    f = jd.compile(lambda X: jd.vmap(jd.vmap(jd.grad(lambda s: np.sin(s) * s)))(X))
    np.testing.assert_allclose(f(A), np.cos(A) * A + np.sin(A), rtol=1e-12)
    total = jd.compile(lambda X: np.sum(jd.vmap(lambda x: np.sum(jd.vmap(lambda a: np.sin(a) * x[0])(x)))(X)))
    want = np.cos(A) * A[:, :1]
    want[:, 0] += np.sin(A).sum(1)
    np.testing.assert_allclose(total.grad(A), want, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(jd.grad(total.__wrapped__)(A), want, rtol=1e-12, atol=1e-14)
    tangents = jd.vmap(lambda x: jd.jvp(jd.compile(np.exp), (x,), (np.ones(3),))[1])(A)
    np.testing.assert_allclose(tangents, np.exp(A), rtol=1e-13)


def test_positions_out_of_range_are_noticed() -> None:
    pick = jd.vmap(jd.compile(lambda x, i: x[i]), in_axes=(None, 0))
    np.testing.assert_array_equal(pick(A[0], np.array([2, 0])), A[0, [2, 0]])
    with pytest.raises(IndexError):
        pick(A[0], np.array([2, 7]))


def test_pickled() -> None:
    import pickle

    each = jd.vmap(jd.compile(loss), in_axes=(None, 0, 0), out_axes=-1)
    again = pickle.loads(pickle.dumps(each))
    y = np.ones(4)
    np.testing.assert_array_equal(again(B[0], A, y), each(B[0], A, y))
