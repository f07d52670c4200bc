"""Matrix products, einsum and linear algebra beyond what samples say: messages, special points, programs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitdiff.errors import ArgumentError, ShapeError, UnsupportedError
from jitdiff.ir import ArrayType, Builder, Dim, Value
from jitdiff.ir.builder import building
from jitdiff.ops import Tracer
from tests.tracing import gradient_of, numerical, run, trace

RNG = np.random.default_rng(1)


def numbers(*shape):
    return RNG.uniform(-1.0, 1.0, shape)


def spd(n):
    a = numbers(n, n)
    return a @ a.T + n * np.eye(n)


def ops_of(fn, *args):
    return [node.op.name for node in trace(fn, *args).nodes]


def check_gradient(fn, *args):
    for k, got in enumerate(run(gradient_of(fn), *args)):
        np.testing.assert_allclose(got, numerical(fn, args, k), rtol=1e-6, atol=1e-7)


def test_inner_sizes_that_differ_are_named():
    message = r"matmul: inner sizes differ: x f64\[8,3\] @ y f64\[4\]  \(3 != 4\)\n  at test_linalg.py"
    with pytest.raises(ShapeError, match=message):
        trace(lambda x, y: [x @ y], numbers(8, 3), numbers(4))


def test_a_scalar_is_no_matrix():
    with pytest.raises(ShapeError, match="a scalar is not a matrix"):
        trace(lambda x: [x @ 2.0], numbers(3))


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
@pytest.mark.parametrize("f", [np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.cholesky])
def test_matrices_must_be_square(f, shape):
    with pytest.raises(ShapeError, match="needs square matrices, not x f64"):
        trace(lambda x: [f(x)], numbers(*shape))


def test_sides_of_an_equation_must_fit():
    with pytest.raises(ShapeError, match=r"solve: sizes differ: x f64\[3,3\] and y f64\[2\]  \(3 != 2\)"):
        trace(lambda x, y: [np.linalg.solve(x, y)], numbers(3, 3), numbers(2))


def test_axes_of_a_tensordot_must_fit():
    with pytest.raises(ShapeError, match=r"axis 1 of x f64\[2,3\] is not axis 0 of y f64\[4\]  \(3 != 4\)"):
        trace(lambda x, y: [np.tensordot(x, y, 1)], numbers(2, 3), numbers(4))


@pytest.mark.parametrize(
    ("text", "shapes"),
    [("ij,jk->ik", [(2, 3)]), ("ijk->i", [(2, 3)]), ("ij->ijk", [(2, 3)]), ("i->ii", [(2,)]), ("i%->", [(2, 2)])],
)
def test_subscripts_that_make_no_sense(text, shapes):
    args = [numbers(*s) for s in shapes]
    with pytest.raises(ValueError):  # noqa: PT011 (what NumPy says is not ours)
        np.einsum(text, *args)
    with pytest.raises(ArgumentError, match="einsum"):
        trace(lambda *xs: [np.einsum(text, *xs)], *args)


def test_sizes_under_one_label_must_agree():
    with pytest.raises(ShapeError, match="3 != 4"):
        trace(lambda x, y: [np.einsum("ij,jk", x, y)], numbers(2, 3), numbers(4, 5))
    with pytest.raises(ShapeError, match="2 != 3"):
        trace(lambda x: [np.einsum("ii", x)], numbers(2, 3))


def test_norms_without_a_rule_say_so():
    with pytest.raises(UnsupportedError, match=r"ord='nuc'"):
        trace(lambda x: [np.linalg.norm(x, "nuc")], numbers(2, 2))


@st.composite
def einsums(draw):
    sizes = {"a": 2, "b": 3, "c": 1, "d": 4}
    terms = draw(st.lists(st.text("abcd", max_size=3), min_size=1, max_size=4))
    known = sorted(set("".join(terms)))
    result = draw(st.permutations(known))[: draw(st.integers(0, len(known)))]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return f"{','.join(terms)}->{''.join(result)}", [rng.uniform(-1, 1, [sizes[x] for x in t]) for t in terms]


@given(einsums())
@settings(max_examples=150, deadline=None)
def test_any_einsum_is_numpys(case):
    text, args = case
    (got,) = run(lambda *xs: [np.einsum(text, *xs)], *args)
    want = np.einsum(text, *args)
    assert np.shape(got) == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@given(einsums())
@settings(max_examples=25, deadline=None)
def test_any_einsum_has_its_gradient(case):
    text, args = case
    check_gradient(lambda *xs: [np.sum(np.einsum(text, *xs) ** 2)], *args)


def test_products_of_vectors_are_loops():
    assert ops_of(lambda x, y: [x @ y], numbers(3), numbers(3)) == ["multiply", "sum"]
    assert "matmul" not in ops_of(lambda x, y: [np.outer(x, y)], numbers(3), numbers(3))
    assert "matmul" not in ops_of(lambda x, y: [np.einsum("bi,bi->b", x, y)], numbers(3, 2), numbers(3, 2))


def test_products_of_matrices_are_calls():
    assert ops_of(lambda x, y: [x @ y], numbers(2, 3), numbers(3, 4)) == ["matmul"]
    assert ops_of(lambda x, y: [np.einsum("ij,jk->ik", x, y)], numbers(2, 3), numbers(3, 4)) == ["matmul"]
    assert ops_of(lambda x, y: [x @ y], numbers(5, 2, 3), numbers(3, 4)) == ["reshape", "matmul", "reshape"]


def test_gradient_of_a_matrix_vector_product_has_no_matrix_product():
    names = ops_of(gradient_of(lambda x, y: [np.sum((x @ y) ** 2)]), numbers(4, 3), numbers(3))
    assert names.count("matmul") == 2  # X @ w and X.T @ r


def test_the_gradient_of_a_norm_at_zero_is_zero():
    for f in (np.linalg.norm, lambda x: np.linalg.norm(x, 3)):
        (got,) = run(gradient_of(lambda x, f=f: [f(x)]), np.zeros(3))
        np.testing.assert_array_equal(got, np.zeros(3))
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    (got,) = run(gradient_of(lambda x: [np.sum(np.linalg.norm(x, axis=1))]), rows)
    np.testing.assert_allclose(got, [[0.0, 0.0], [0.6, 0.8]])


def test_nan_stays_in_a_norm():
    assert np.isnan(run(lambda x: [np.linalg.norm(x)], np.array([np.nan, 1.0]))[0])


def test_the_gradient_of_cholesky_is_symmetric():
    weights = numbers(3, 3)
    (got,) = run(gradient_of(lambda x: [np.sum(np.linalg.cholesky(x) * weights)]), spd(3))
    np.testing.assert_allclose(got, got.T)


def test_slogdet_gives_numpys_named_tuple():
    a = spd(3)
    sign, logdet = run(lambda x: [np.linalg.slogdet(x).sign, np.linalg.slogdet(x).logabsdet], a)
    np.testing.assert_allclose((sign, logdet), np.linalg.slogdet(a))


def test_log_likelihood_of_a_gaussian():
    def loss(x, y):
        scatter = x @ x.T + 3 * np.eye(3)
        factor = np.linalg.cholesky(scatter)
        z = np.linalg.solve(factor, y)
        return [np.sum(np.log(np.diag(factor))) + 0.5 * z @ z + np.linalg.slogdet(scatter)[1]]

    check_gradient(loss, numbers(3, 3), numbers(3))


def test_sizes_may_be_symbolic():
    n, f8 = Dim.symbol("n"), np.dtype(float)
    x, w, s = (Tracer(Value(ArrayType(f8, shape), name)) for shape, name in (((n, 3), "x"), ((3,), "w"), ((n, n), "s")))
    with building(Builder([x.atom, w.atom, s.atom])):
        assert (x @ w).shape == (n,)
        assert (x.T @ x).shape == (3, 3)
        assert np.einsum("ij,kj->ik", x, x).shape == (n, n)
        assert np.einsum("ij,kj,k->i", x, x, x[:, 0]).shape == (n,)
        assert np.linalg.solve(s, x).shape == (n, 3)
        assert np.trace(s).shape == ()
        assert np.linalg.norm(x, axis=1).shape == (n,)
        assert np.concatenate([x, x[1:]]).shape == (2 * n - 1, 3)
        assert np.diag(x[:, 0]).shape == (n, n)
        assert np.tile(x, (2, 1)).shape == (2 * n, 3)
        assert np.roll(x, 1, axis=0).shape == (n, 3)
        assert x.reshape(-1).shape == (3 * n,)
