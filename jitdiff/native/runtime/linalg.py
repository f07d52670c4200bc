"""Dense linear algebra: numpy.linalg in plain Python, the factorisations next door in compiled code.

Where NumPy raises LinAlgError, compiled code raises it with the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.np.numpy_support import as_dtype

from jitdiff.native.extending import floating, jitable, overload
from jitdiff.native.runtime.elementwise import log
from jitdiff.native.runtime.factorisations import factor_cholesky, factor_lu, solve_lower, solve_upper
from jitdiff.native.runtime.stacks import over_stack, over_stacks

LinAlgError = np.linalg.LinAlgError


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


@jitable
def _check_square(a: Any, out: Any) -> None:
    if a.shape[0] != a.shape[1]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    if out.shape[0] != a.shape[0] or out.shape[-1] != a.shape[0]:
        raise ValueError("the result has another shape")


@jitable
def _solve_in_place(a: Any, x: Any) -> None:
    n = a.shape[0]
    lu = np.empty((n, n), x.dtype)
    lu[:] = a
    pivots = np.empty(n, np.intp)
    if factor_lu(lu, pivots) == 0:
        raise LinAlgError("Singular matrix")
    for k in range(n):
        pivot = pivots[k]
        if pivot != k:
            for j in range(x.shape[1]):
                x[k, j], x[pivot, j] = x[pivot, j], x[k, j]
    solve_lower(lu, x)
    solve_upper(lu, x)


@overload(solve)
def _solve(a: Any, b: Any, out: Any) -> Any:
    if max(a.ndim, b.ndim) > 2:
        return over_stacks(solve, a.ndim, b.ndim)

    def vector(a: Any, b: Any, out: Any) -> None:
        _check_square(a, out)
        if b.shape[0] != a.shape[0]:
            raise ValueError("solve: the sides differ in length")
        out[:] = b
        _solve_in_place(a, out.reshape((out.shape[0], 1)))

    def matrix(a: Any, b: Any, out: Any) -> None:
        if out.shape != b.shape or a.shape[0] != a.shape[1] or b.shape[0] != a.shape[0]:
            raise ValueError("solve: the shapes do not fit")
        out[:] = b
        _solve_in_place(a, out)

    return vector if b.ndim == 1 else matrix


@overload(inv)
def _inv(a: Any, out: Any) -> Any:
    if a.ndim > 2:
        return over_stack(inv)

    def implementation(a: Any, out: Any) -> None:
        _check_square(a, out)
        out[:] = 0.0
        for i in range(out.shape[0]):
            out[i, i] = 1.0
        _solve_in_place(a, out)

    return implementation


@overload(cholesky)
def _cholesky(a: Any, out: Any) -> Any:
    if a.ndim > 2:
        return over_stack(cholesky)

    def implementation(a: Any, out: Any) -> None:
        _check_square(a, out)
        out[:] = a
        if not factor_cholesky(out):
            raise LinAlgError("Matrix is not positive definite")
        for i in range(out.shape[0]):
            out[i, i + 1 :] = 0.0

    return implementation


@jitable
def _factored(a: Any, lu: Any) -> int:
    if a.shape[0] != a.shape[1]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    lu[:] = a
    return factor_lu(lu, np.empty(a.shape[0], np.intp))


@jitable
def _determinant(lu: Any, sign: Any) -> Any:
    for i in range(lu.shape[0]):
        sign *= lu[i, i]
    return sign


@jitable
def _sign(lu: Any, sign: Any) -> Any:
    for i in range(lu.shape[0]):
        if lu[i, i] < 0.0:
            sign = -sign
    return sign


@jitable
def _logarithm(lu: Any, sign: Any) -> Any:
    # The sign counts as 0 but brings its dtype, which the logarithm shall have too.
    total = sign * 0
    for i in range(lu.shape[0]):
        total += log(abs(lu[i, i]))
    return total


def _from_lu(function: Callable[..., Any], value_of: Callable[..., Any], singular: float) -> None:
    """Compile `function` as `value_of` the LU factors of a matrix, or as `singular` if there are none."""

    def matrix(kind: Any) -> Any:
        dtype = as_dtype(kind)

        def implementation(a: Any, out: Any = None) -> Any:
            lu = np.empty(a.shape, dtype)
            sign = _factored(a, lu)
            return kind(singular) if sign == 0 else value_of(lu, kind(sign))

        return implementation

    def stack(a: Any, out: Any = None) -> Any:
        for i in range(out.shape[0]):
            out[i] = function(a[i])

    def stack_of_stacks(a: Any, out: Any = None) -> Any:
        for i in range(out.shape[0]):
            function(a[i], out[i])

    @overload(function)
    def _choose(a: Any, out: Any = None) -> Any:
        if a.ndim == 2:
            return matrix(floating(a.dtype))
        return stack if a.ndim == 3 else stack_of_stacks


_from_lu(det, _determinant, 0.0)
_from_lu(slogdet_sign, _sign, 0.0)
_from_lu(slogdet_logabsdet, _logarithm, -np.inf)
