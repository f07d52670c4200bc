"""Dense linear algebra: numpy.linalg in plain Python, the same LAPACK routines in compiled code.

Where NumPy raises LinAlgError, compiled code raises it with the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.np.numpy_support import as_dtype

from jitdiff.native.extending import floating, jitable, overload
from jitdiff.native.fortran import Integer, getrf, getri, getrs, potrf
from jitdiff.native.runtime.elementwise import log
from jitdiff.native.runtime.stacks import over_stack, over_stacks

LinAlgError = np.linalg.LinAlgError

_TRANSPOSED, _UPPER = ord("T"), ord("U")
INVERSION_BLOCK = 32
_SINGULAR = "Singular matrix"
_INDEFINITE = "Matrix is not positive definite"
_NOT_SQUARE = "Last 2 dimensions of the array must be square"
_NO_FIT = "the shapes of the matrices do not fit"


def solve(a: Any, b: Any, out: Any) -> None:
    """Write the solution x of ``a @ x = b`` into `out`; `b` is a vector, a matrix or a stack of matrices."""
    out[...] = np.linalg.solve(a, b)


def inv(a: Any, out: Any) -> None:
    """Write the inverse of `a` into `out`."""
    out[...] = np.linalg.inv(a)


def cholesky(a: Any, out: Any) -> None:
    """Write the lower Cholesky factor of `a`, whose lower triangle alone is read, into `out`."""
    out[...] = np.linalg.cholesky(a)


def det(a: Any, out: Any = None) -> Any:
    """Return the determinant of a matrix, or write those of a stack into `out`."""
    return _filled(np.linalg.det(a), out)


def slogdet_sign(a: Any, out: Any = None) -> Any:
    """Return the sign of the determinant of a matrix, or write those of a stack into `out`."""
    return _filled(np.linalg.slogdet(a).sign, out)


def slogdet_logabsdet(a: Any, out: Any = None) -> Any:
    """Return ``log(abs(det(a)))`` of a matrix, or write those of a stack into `out`."""
    return _filled(np.linalg.slogdet(a).logabsdet, out)


def _filled(value: Any, out: Any) -> Any:
    if out is None:
        return value
    out[...] = value
    return None


@overload(solve)
def _solve(a: Any, b: Any, out: Any) -> Any:
    if max(a.ndim, b.ndim) > 2:
        return over_stacks(solve, a.ndim, b.ndim)
    dtype = as_dtype(out.dtype)

    def vector(a: Any, b: Any, out: Any) -> None:
        n = a.shape[0]
        if a.shape[1] != n:
            raise LinAlgError(_NOT_SQUARE)
        if b.shape[0] != n or out.shape[0] != n:
            raise ValueError(_NO_FIT)
        if n == 0:
            return
        lu = np.empty((n, n), dtype)
        pivots = np.empty(n, Integer)
        for i in range(n):
            out[i] = b[i]
            for j in range(n):
                lu[i, j] = a[i, j]
        # Rows here are columns to LAPACK: it factors the transposed matrix, and solves with the transpose of that.
        if getrf((n, n, lu, n, pivots)) > 0:
            raise LinAlgError(_SINGULAR)
        getrs((_TRANSPOSED, n, 1, lu, n, pivots, out, n))

    def matrix(a: Any, b: Any, out: Any) -> None:
        n, columns = b.shape
        if a.shape[1] != a.shape[0]:
            raise LinAlgError(_NOT_SQUARE)
        if a.shape[0] != n or out.shape != b.shape:
            raise ValueError(_NO_FIT)
        if n * columns == 0:
            return
        lu = np.empty((n, n), dtype)
        pivots = np.empty(n, Integer)
        x = np.empty((columns, n), dtype)
        for i in range(n):
            for j in range(n):
                lu[i, j] = a[i, j]
            for j in range(columns):
                x[j, i] = b[i, j]
        if getrf((n, n, lu, n, pivots)) > 0:
            raise LinAlgError(_SINGULAR)
        getrs((_TRANSPOSED, n, columns, lu, n, pivots, x, n))
        for i in range(n):
            for j in range(columns):
                out[i, j] = x[j, i]

    return vector if b.ndim == 1 else matrix


@overload(inv)
def _inv(a: Any, out: Any) -> Any:
    if a.ndim > 2:
        return over_stack(inv)
    dtype = as_dtype(out.dtype)

    def implementation(a: Any, out: Any) -> None:
        n = a.shape[0]
        if a.shape[1] != n:
            raise LinAlgError(_NOT_SQUARE)
        if out.shape != a.shape:
            raise ValueError(_NO_FIT)
        if n == 0:
            return
        pivots = np.empty(n, Integer)
        work = np.empty(INVERSION_BLOCK * n, dtype)
        for i in range(n):
            for j in range(n):
                out[i, j] = a[i, j]
        if getrf((n, n, out, n, pivots)) > 0:
            raise LinAlgError(_SINGULAR)
        getri((n, out, n, pivots, work, work.size))

    return implementation


@overload(cholesky)
def _cholesky(a: Any, out: Any) -> Any:
    if a.ndim > 2:
        return over_stack(cholesky)

    def implementation(a: Any, out: Any) -> None:
        n = a.shape[0]
        if a.shape[1] != n:
            raise LinAlgError(_NOT_SQUARE)
        if out.shape != a.shape:
            raise ValueError(_NO_FIT)
        if n == 0:
            return
        for i in range(n):
            for j in range(n):
                out[i, j] = a[i, j] if j <= i else 0
        # The lower triangle in rows is the upper one in LAPACK's columns.
        if potrf((_UPPER, n, out, n)) > 0:
            raise LinAlgError(_INDEFINITE)

    return implementation


@jitable
def _determinant(value: Any, diagonal: Any) -> Any:
    return value * diagonal


@jitable
def _sign(value: Any, diagonal: Any) -> Any:
    return -value if diagonal < 0 else value


@jitable
def _logarithm(value: Any, diagonal: Any) -> Any:
    return value + log(abs(diagonal))


def _from_diagonal(
    function: Callable[..., Any], combine: Callable[..., Any], counts_swaps: bool, singular: float
) -> None:
    """Compile `function` as a fold over the diagonal of U, or as `singular` if there is a zero on it."""

    def matrix(kind: Any) -> Any:
        dtype = as_dtype(kind)
        swapped, start = (-1, 1) if counts_swaps else (1, 0)

        def implementation(a: Any, out: Any = None) -> Any:
            n = a.shape[0]
            if a.shape[1] != n:
                raise LinAlgError(_NOT_SQUARE)
            value = kind(start)
            if n > 0:
                lu = np.empty((n, n), dtype)
                pivots = np.empty(n, Integer)
                for i in range(n):
                    for j in range(n):
                        lu[i, j] = a[i, j]
                if getrf((n, n, lu, n, pivots)) > 0:
                    return kind(singular)
                for i in range(n):
                    value = combine(value, lu[i, i])
                    if pivots[i] != i + 1:
                        value *= kind(swapped)
            return value

        return implementation

    def stack(a: Any, out: Any = None) -> Any:
        if a.shape[0] != out.shape[0]:
            raise ValueError(_NO_FIT)
        for i in range(out.shape[0]):
            out[i] = function(a[i])

    @overload(function)
    def _choose(a: Any, out: Any = None) -> Any:
        if a.ndim == 2:
            return matrix(floating(a.dtype))
        return stack if a.ndim == 3 else over_stack(function)


_from_diagonal(det, _determinant, True, 0.0)
_from_diagonal(slogdet_sign, _sign, True, 0.0)
_from_diagonal(slogdet_logabsdet, _logarithm, False, -np.inf)
