"""Derivatives of determinants at singular matrices, against minors, whose determinants are polynomials."""

import numpy as np
import pytest

import jitdiff as jd

RNG = np.random.default_rng(3)


def of_rank(n, rank):
    """A random matrix of a rank."""
    return RNG.normal(size=(n, rank)) @ RNG.normal(size=(rank, n))


SINGULAR = {
    "zero": np.zeros((3, 3)),
    "one element": np.zeros((1, 1)),
    "a column of zeros": np.array([[0.0, 1.0], [0.0, 1.0]]),
    "equal rows": np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 0.0, 1.0]]),
    "rank 1": np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
    "rank 2 of 4": np.diag([2.0, 0.0, 3.0, 0.0]),
    "rank 3 of 4, rounded": of_rank(4, 3),
    "rank 2 of 4, rounded": of_rank(4, 2),
    "small and large": np.diag([1e8, 1e-8, 0.0]),
}
REGULAR = {"regular": RNG.normal(size=(3, 3)), "negative": -np.eye(4) + 0.1 * RNG.normal(size=(4, 4))}
matrices = pytest.mark.parametrize("a", [*SINGULAR.values(), *REGULAR.values()], ids=[*SINGULAR, *REGULAR])


def minor(a, *pairs):
    """A matrix without the rows and columns of pairs of positions."""
    rows, columns = ([k for k in range(len(a)) if k not in out] for out in zip(*pairs, strict=True))
    return a[np.ix_(rows, columns)]


def det(a):
    """The determinant by its expansion along the first row: sums and products alone."""
    if len(a) == 0:
        return 1.0
    return sum((-1.0) ** j * a[0, j] * det(minor(a, (0, j))) for j in range(len(a)))


def cofactors(a):
    n = len(a)
    return np.array([[(-1.0) ** (i + j) * det(minor(a, (i, j))) for j in range(n)] for i in range(n)])


def cofactors_along(a, h, step=1e-3):
    """Cofactors are polynomials of a degree below four here, so that this difference is exact but for rounding."""
    d1, d2 = ((cofactors(a + s * h) - cofactors(a - s * h)) / (2 * s) for s in (step, 2 * step))
    return (4 * d1 - d2) / 3


def close(got, want, a, power):
    scale = max(np.abs(a).max(), 1.0) ** power
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9 * scale)


@matrices
def test_the_gradient_is_the_matrix_of_cofactors(a):
    compiled = jd.compile(np.linalg.det)
    close(jd.grad(np.linalg.det)(a), cofactors(a), a, len(a) - 1)
    close(jd.grad(compiled)(a), cofactors(a), a, len(a) - 1)
    moved = RNG.normal(size=a.shape)
    close(jd.jvp(compiled, (a,), (moved,))[1], np.sum(cofactors(a) * moved), a, len(a) - 1)


@matrices
def test_the_second_derivative_is_that_of_the_cofactors(a):
    h = RNG.normal(size=a.shape)
    want = cofactors_along(a, h)
    compiled = jd.compile(np.linalg.det)
    close(jd.hvp(np.linalg.det, (a,), (h,)), want, a, len(a) - 1)
    close(compiled.hessp(a, h), want, a, len(a) - 1)
    hessian = jd.hessian(np.linalg.det)(a)
    close(np.einsum("ijkl,kl->ij", hessian, h), want, a, len(a) - 1)


def test_the_third_derivative_of_a_regular_matrix():
    a, h = REGULAR["negative"], RNG.normal(size=(4, 4))

    def slope(a):
        return np.sum(jd.hvp(np.linalg.det, (a,), (h,)) * h)

    step = 1e-3
    moved = RNG.normal(size=(4, 4))
    ends = [np.sum(cofactors_along(a + s * step * moved, h) * h) for s in (1, -1)]
    want = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(np.sum(jd.grad(slope)(a) * moved), want, rtol=1e-5)
    np.testing.assert_allclose(np.sum(jd.grad(jd.compile(slope))(a) * moved), want, rtol=1e-5)


def test_the_third_derivative_of_a_singular_matrix_is_refused():
    def slope(a):
        return np.sum(jd.hvp(np.linalg.det, (a,), (np.eye(2),)) ** 2)

    for f in (slope, jd.compile(slope)):
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            jd.grad(f)(np.array([[0.0, 1.0], [0.0, 1.0]]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_stacks_of_regular_and_singular_matrices(dtype):
    stack = np.stack([np.eye(3), np.outer([1.0, 2.0, 3.0], [1.0, 0.0, 1.0]), np.diag([1.0, 2.0, 0.0])]).astype(dtype)
    want = np.stack([cofactors(a) for a in stack.astype(float)])

    def total(a):
        return np.sum(np.linalg.det(a))

    for f in (total, jd.compile(total)):
        got = jd.grad(f)(stack)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, atol=1e-5 if dtype == np.float32 else 1e-12)
    h = RNG.normal(size=stack.shape)
    second = np.stack([cofactors_along(a, x) for a, x in zip(stack.astype(float), h, strict=True)])
    for f in (total, jd.compile(total)):
        got = jd.hvp(f, (stack.astype(float),), (h,))
        np.testing.assert_allclose(got, second, atol=1e-8)


def test_matrices_with_nan():
    a = np.array([[np.nan, 1.0], [0.0, 1.0]])
    compiled = jd.compile(np.linalg.det)
    for f in (np.linalg.det, compiled):
        with np.errstate(invalid="ignore"):
            assert np.isnan(jd.grad(f)(a)).all()
            assert np.isnan(jd.hvp(f, (a,), (np.ones((2, 2)),))).all()
