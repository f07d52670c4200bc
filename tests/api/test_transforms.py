"""Transforms of plain and of compiled functions agree with each other and with formulas."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.frontend import flatten


def both(f):
    """The function as it is, and compiled."""
    return [pytest.param(f, id="plain"), pytest.param(jd.compile(f), id="compiled")]


def model(params, x, power=2):
    return np.sum(np.tanh(params["w"] * x)) + params["b"] ** power


def curve(x, a):
    return np.stack([np.sum(x) * a, x[0] * x[1], np.sin(a)])


@pytest.mark.parametrize("f", both(model))
def test_grad_of_a_tree(f) -> None:
    params, x = {"w": np.array([0.1, 0.2]), "b": 3.0}, np.array([1.0, 2.0])
    grads = jd.grad(f)(params, x)
    np.testing.assert_allclose(grads["w"], x / np.cosh(params["w"] * x) ** 2, rtol=1e-12)
    assert grads["b"] == 6.0
    by_both = jd.grad(f, argnums=(1, 0))(params, x)
    assert type(by_both) is tuple
    np.testing.assert_allclose(by_both[0], params["w"] / np.cosh(params["w"] * x) ** 2, rtol=1e-12)
    np.testing.assert_allclose(by_both[1]["w"], grads["w"], rtol=1e-12)
    value, same = jd.value_and_grad(f)(params, x, power=3)
    np.testing.assert_allclose(value, f(params, x, 3), rtol=1e-12)
    assert same["b"] == 27.0


@pytest.mark.parametrize("f", both(lambda x: x * x * x))
def test_gradients_of_gradients(f) -> None:
    assert jd.grad(f)(2.0) == 12.0
    assert jd.grad(jd.grad(f))(2.0) == 12.0
    assert jd.grad(jd.grad(jd.grad(f)))(2.0) == 6.0
    assert type(jd.grad(f)(2.0)) is np.float64
    assert jd.grad(f)(np.float32(2)).dtype == np.float32


@pytest.mark.parametrize("f", both(lambda x: (np.sum(x**2), {"largest": np.max(x), "n": 2})))
def test_aux(f) -> None:
    x = np.array([1.0, 2.0])
    grads, aux = jd.grad(f, has_aux=True)(x)
    np.testing.assert_array_equal(grads, [2, 4])
    assert aux == {"largest": 2.0, "n": 2}
    (value, aux), grads = jd.value_and_grad(f, has_aux=True)(x)
    assert value == 5.0
    assert aux["largest"] == 2.0
    y, dy, aux = jd.jvp(f, (x,), (np.ones(2),), has_aux=True)
    assert (y, dy, aux["n"]) == (5.0, 6.0, 2)
    y, pullback, aux = jd.vjp(f, x, has_aux=True)
    np.testing.assert_array_equal(pullback(2.0)[0], [4, 8])
    assert aux["largest"] == 2.0
    jacobian, aux = jd.jacfwd(f, has_aux=True)(x)
    np.testing.assert_array_equal(jacobian, [2, 4])
    assert aux["n"] == 2


@pytest.mark.parametrize("transform", [jd.jacfwd, jd.jacrev, jd.jacobian, jd.hessian, jd.grad, jd.value_and_grad])
def test_aux_of_any_kind(transform) -> None:
    def f(x):
        return np.sum(x**2), {"text": "some", "twice": x * 2, "number": 3, "function": np.sum}

    found, aux = transform(f, has_aux=True)(np.array([1.0, 2.0]))
    if transform is jd.value_and_grad:
        (_, aux), found = found, aux
    np.testing.assert_array_equal(found, 2 * np.eye(2) if transform is jd.hessian else [2, 4])
    assert type(aux["twice"]) is np.ndarray
    assert aux["twice"].tolist() == [2.0, 4.0]
    assert (aux["text"], aux["number"], aux["function"]) == ("some", 3, np.sum)


def test_aux_of_any_kind_beside_products() -> None:
    f = lambda x: (x**2, ("some", x * 2))  # noqa: E731
    x = np.array([1.0, 2.0])
    for aux in (jd.vjp(f, x, has_aux=True)[2], jd.jvp(f, (x,), (x,), has_aux=True)[2]):
        assert aux[0] == "some"
        assert type(aux[1]) is np.ndarray


def test_the_native_pullback_reads_what_the_value_saved() -> None:
    f = jd.compile(lambda w, X: np.exp(X @ w))
    w, X = np.array([0.1, -0.2]), np.arange(6.0).reshape(3, 2)
    y, pullback = jd.vjp(f, w, X)
    np.testing.assert_allclose(y, np.exp(X @ w), rtol=1e-14)
    for g in (np.ones(3), np.array([1.0, 0.0, 2.0])):
        gw, gX = pullback(g)
        np.testing.assert_allclose(gw, X.T @ (g * y), rtol=1e-14)
        np.testing.assert_allclose(gX, np.outer(g * y, w), rtol=1e-14)
    assert "exp(" not in f.adjoint_source
    with pytest.raises(ValueError, match="cotangent"):
        pullback(np.ones(4))


@pytest.mark.parametrize("f", both(curve))
def test_vjp_and_jvp_are_adjoint(f) -> None:
    x, a = np.array([0.5, -1.0]), 0.3
    y, pullback = jd.vjp(f, x, a)
    np.testing.assert_allclose(y, curve(x, a), rtol=1e-14)
    g, t = np.array([1.0, -2.0, 0.5]), (np.array([0.1, 0.7]), -0.4)
    gx, ga = pullback(g)
    y2, dy = jd.jvp(f, (x, a), t)
    np.testing.assert_allclose(y2, y, rtol=1e-14)
    np.testing.assert_allclose(g @ dy, gx @ t[0] + ga * t[1], rtol=1e-12)
    np.testing.assert_allclose(pullback(2 * g)[0], 2 * gx, rtol=1e-12)


@pytest.mark.parametrize("f", both(lambda x, n, kind: x * n if kind == "times" else x))
def test_what_does_not_move_has_no_cotangent(f) -> None:
    y, pullback = jd.vjp(f, 2.0, 3, "times")
    assert y == 6.0
    assert pullback(1.0) == (3.0, None, None)
    assert jd.jvp(f, (2.0, 3, "times"), (1.0, None, None)) == (6.0, 3.0)


@pytest.mark.parametrize("f", both(curve))
@pytest.mark.parametrize("transform", [jd.jacfwd, jd.jacrev, jd.jacobian])
def test_jacobians(f, transform) -> None:
    x, a = np.array([0.5, -1.0]), 0.3
    jx, ja = transform(f, argnums=(0, 1))(x, a)
    np.testing.assert_allclose(jx, [[a, a], [-1.0, 0.5], [0, 0]], atol=1e-15)
    np.testing.assert_allclose(ja, [np.sum(x), 0.0, np.cos(a)], atol=1e-15)
    np.testing.assert_allclose(transform(f)(x, a), jx, atol=1e-15)


@pytest.mark.parametrize("f", both(lambda p, x: {"y": np.outer(p["w"], x) * p["b"], "s": np.sum(p["w"])}))
@pytest.mark.parametrize("transform", [jd.jacfwd, jd.jacrev])
def test_jacobians_of_trees(f, transform) -> None:
    w, b, x = np.array([1.0, 2.0]), 3.0, np.array([1.0, -1.0, 2.0])
    found = transform(f)({"w": w, "b": b}, x)
    assert found["y"]["w"].shape == (2, 3, 2)
    np.testing.assert_allclose(found["y"]["w"], np.einsum("ik,j->ijk", np.eye(2), x * b))
    np.testing.assert_allclose(found["y"]["b"], np.outer(w, x))
    np.testing.assert_allclose(found["s"]["w"], [1, 1])
    assert found["s"]["b"] == 0.0


@pytest.mark.parametrize("f", both(lambda A: A @ A))
@pytest.mark.parametrize("transform", [jd.jacfwd, jd.jacrev])
def test_jacobians_of_matrices(f, transform, rng) -> None:
    A = rng.normal(size=(2, 2))
    eye = np.eye(2)
    want = np.einsum("ik,lj->ijkl", eye, A) + np.einsum("ik,jl->ijkl", A, eye)
    np.testing.assert_allclose(transform(f)(A), want, rtol=1e-12)


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("f", both(rosenbrock))
def test_hessian_and_its_products(f, rng) -> None:
    from scipy.optimize import rosen_hess

    x, v = rng.normal(size=5), rng.normal(size=5)
    H = rosen_hess(x)
    np.testing.assert_allclose(jd.hessian(f)(x), H, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(jd.hvp(f, (x,), (v,)), H @ v, rtol=1e-9, atol=1e-9)


def test_hessp_has_scipys_order() -> None:
    from scipy.optimize import minimize

    f = jd.compile(lambda x, a: np.sum((x - a) ** 4))
    a = np.array([1.0, 2.0])
    fit = minimize(f.value_and_grad, np.zeros(2), args=(a,), jac=True, hessp=f.hessp, method="Newton-CG", tol=1e-12)
    np.testing.assert_allclose(fit.x, a, atol=1e-2)
    np.testing.assert_allclose(f.hessp(np.zeros(2), np.ones(2), a), 12 * a**2)


def test_jacobians_of_compiled_functions_are_loops_of_the_program() -> None:
    from jitdiff.ir import For

    f = jd.compile(lambda x: np.sin(x) * np.sum(x))
    for transform in (jd.jacfwd, jd.jacrev):
        found = transform(f)
        found(np.ones(20))
        loops = [node for node in found.specialisations[0].block.nodes if isinstance(node, For)]
        assert len(loops) == 1
        assert len(found.source.splitlines()) < 60


def test_jacobian_chooses_by_sizes() -> None:
    from jitdiff.ir import For

    for n, m in ((30, 2), (2, 30)):
        W = np.linspace(0.1, 1.0, m * n).reshape(m, n)
        f = jd.compile(lambda x, W=W: np.tanh(W @ x))
        found = jd.jacobian(f)
        x = np.linspace(-1.0, 1.0, n)
        want = (1 - np.tanh(W @ x) ** 2)[:, None] * W
        np.testing.assert_allclose(found(x), want, rtol=1e-12)
        np.testing.assert_allclose(jd.jacobian(lambda x, W=W: np.tanh(W @ x))(x), want, rtol=1e-12)
        (loop,) = (node for node in found.specialisations[0].block.nodes if isinstance(node, For))
        assert loop.trip.value == 2


def test_plain_functions_run_once_or_twice_for_their_jacobian() -> None:
    calls = []

    def f(x):
        calls.append(1)
        return np.sin(x) * np.sum(x)

    x = np.linspace(0.1, 1.0, 20)
    want = np.diag(np.cos(x) * np.sum(x)) + np.sin(x)[:, None]
    for transform, runs in ((jd.jacrev, 1), (jd.jacfwd, 2), (jd.jacobian, 3)):
        calls.clear()
        np.testing.assert_allclose(transform(f)(x), want, rtol=1e-12)
        assert len(calls) == runs


def test_columns_are_pushed_in_parts_where_arrays_are_large(monkeypatch) -> None:
    from jitdiff.eager import jacobians

    monkeypatch.setattr(jacobians, "PASS_BYTES", 3 * 8 * 10)
    x = np.linspace(0.1, 1.0, 10)
    np.testing.assert_allclose(jd.jacfwd(np.exp)(x), np.diag(np.exp(x)), rtol=1e-14)
    f = lambda x, y: (x * y[0], y)  # noqa: E731
    (by_x, by_y), (of_x, of_y) = jd.jacfwd(f, argnums=(0, 1))(x, np.array([2.0, 3.0]))
    np.testing.assert_allclose(by_x, 2 * np.eye(10))
    np.testing.assert_allclose(by_y, np.stack([x, 0 * x], 1))
    np.testing.assert_allclose(of_x, np.zeros((2, 10)))
    np.testing.assert_allclose(of_y, np.eye(2))


@pytest.mark.parametrize("transform", [jd.jacfwd, jd.jacrev, jd.jacobian])
def test_jacobians_without_elements_or_connection(transform) -> None:
    assert transform(lambda x: x[:0] * 2)(np.ones(3)).shape == (0, 3)
    assert transform(lambda x: np.sum(x) + np.arange(2.0))(np.ones(0)).shape == (2, 0)
    np.testing.assert_array_equal(transform(lambda x: np.arange(5.0))(np.ones(6)), np.zeros((5, 6)))
    assert type(transform(lambda x: x * 2)(np.float32(3))) is np.float32


@pytest.mark.parametrize("f", both(lambda x: x[:2] * np.sum(x)))
@pytest.mark.parametrize("transform", [jd.jacfwd, jd.jacrev])
def test_jacobians_are_in_c_order_and_writable(f, transform) -> None:
    flags = transform(f)(np.ones(3)).flags
    assert flags.c_contiguous
    assert flags.writeable


@pytest.mark.parametrize("transform", [jd.jacfwd, jd.jacrev, jd.jacobian])
def test_jacobians_of_tensors_are_recorded(transform) -> None:
    a = np.linspace(0.1, 1.0, 5)
    x = jd.constant(a)
    with jd.GradientTape() as tape:
        tape.watch(x)
        matrix = transform(lambda v: np.sin(v) * v)(x)
        total = np.sum(matrix)
    assert isinstance(matrix, jd.Tensor)
    np.testing.assert_allclose(tape.gradient(total, x), 2 * np.cos(a) - a * np.sin(a), rtol=1e-12)


@pytest.mark.parametrize("outer", [jd.jacfwd, jd.jacrev])
@pytest.mark.parametrize("inner", [jd.jacfwd, jd.jacrev])
def test_jacobians_of_jacobians(outer, inner) -> None:
    a = np.linspace(0.5, 1.0, 6)
    found = outer(inner(lambda x: x**3 * np.sum(x)))(a)
    i, j, k = np.ix_(range(6), range(6), range(6))
    want = 6 * a[i] * np.sum(a) * (i == j) * (i == k) + 3 * a[i] ** 2 * ((i == j).astype(float) + (i == k))
    np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-14)


def test_jacobians_of_compiled_steps_and_rules_of_users() -> None:
    W = np.linspace(-1.0, 1.0, 48).reshape(8, 6)
    x = np.linspace(0.1, 1.0, 6)
    f = jd.compile(lambda x: (np.tanh(W @ x), np.sum(x)))

    @jd.custom_jvp
    def doubled(x):
        return 2 * x

    doubled.defjvp(lambda primals, tangents: (doubled(*primals), 2 * tangents[0]))

    def product(x):
        y, z = f(doubled(x))
        return y * z

    t = np.tanh(W @ (2 * x))
    want = 2 * ((1 - t * t)[:, None] * W * np.sum(2 * x) + t[:, None])
    for transform in (jd.jacfwd, jd.jacrev):
        np.testing.assert_allclose(transform(product)(x), want, rtol=1e-12)


@pytest.mark.parametrize("f", both(lambda x: jd.stop_gradient(x) * x))
def test_stop_gradient(f) -> None:
    assert jd.grad(f)(3.0) == 3.0
    assert jd.jvp(f, (3.0,), (1.0,)) == (9.0, 3.0)


def test_stop_gradient_of_a_tree() -> None:
    tree = {"a": np.ones(2), "b": (1.0,)}
    assert jd.stop_gradient(tree)["b"] == (1.0,)


@pytest.mark.parametrize("f", both(lambda x, y: jd.grad(lambda z: z * z * x)(y) * x))
def test_the_inner_function_of_a_gradient_reads_what_is_around_it(f) -> None:
    assert f(3.0, 2.0) == 36.0
    assert jd.grad(f, argnums=(0, 1))(3.0, 2.0) == (24.0, 18.0)


@pytest.mark.parametrize("f", both(lambda x: jd.grad(lambda z: z * x)(x)))
def test_a_variable_differentiated_twice_keeps_its_two_roles(f) -> None:
    assert f(3.0) == 3.0
    assert jd.grad(f)(3.0) == 1.0


@pytest.mark.parametrize("f", both(model))
def test_check_grads_accepts(f) -> None:
    params, x = {"w": np.array([0.1, 0.2]), "b": 1.5}, np.array([1.0, 2.0])
    jd.check_grads(f, (params, x), order=2)


def test_check_grads_finds_a_wrong_rule() -> None:
    @jd.custom_vjp
    def wrong(x):
        return np.sin(x)

    wrong.defvjp(lambda x: (np.sin(x), x), lambda x, g: (g * np.cos(x) * 1.01,))
    with pytest.raises(AssertionError, match="rev: the derivative differs"):
        jd.check_grads(wrong, (0.5,), order=1, modes=("rev",))


def test_arrays_give_arrays_and_tensors_tensors() -> None:
    x = jd.constant([1.0, 2.0])
    assert type(jd.grad(rosenbrock)(np.ones(2))) is np.ndarray
    with jd.GradientTape() as tape:
        tape.watch(x)
        g = jd.grad(lambda v: np.sum(v**3))(x)
        assert isinstance(g, jd.Tensor)
        total = np.sum(g)
    np.testing.assert_allclose(tape.gradient(total, x).numpy(), 6 * x.numpy())


def test_transforms_keep_names() -> None:
    assert jd.grad(rosenbrock).__name__ == "rosenbrock_grad"
    assert jd.hessian(jd.compile(rosenbrock)).__name__ == "rosenbrock_hessian"


def test_leaves_of_all_kinds_of_float() -> None:
    f = jd.compile(lambda a, b, c: np.sum(a) * b * c)
    grads = jd.grad(f, argnums=(0, 1, 2))(np.ones(2, np.float32), 2.0, np.array(3.0))
    assert [g.dtype for g in flatten(grads)[0]] == [np.float32, np.float64, np.float64]
