"""LU and Cholesky factorisations of row-major matrices, in place, for compiled code.

They are the right-looking blocked algorithms of Golub and Van Loan, *Matrix Computations* (4th ed., 3.2.11, 3.4.1 and
4.2.5): a narrow panel is factored by vector loops, and what it does to the rest is one matrix product. As in LAPACK,
NaNs run through.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.native.extending import jitable

_BLOCK = 48


@jitable
def _subtract_product(target: Any, left: Any, right: Any) -> None:
    """Subtract ``left @ right`` from `target`, any of them parts of larger matrices."""
    product = np.empty(target.shape, target.dtype)
    np.dot(left.copy(), right.copy(), product)
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] -= product[i, j]


@jitable
def _factor_panel(a: Any, start: int, stop: int, pivots: Any) -> int:
    """Factor the columns from `start` to `stop`, swapping whole rows; return the permutation's sign, 0 if singular."""
    n = a.shape[0]
    sign = 1
    for k in range(start, stop):
        pivot = k
        for i in range(k + 1, n):
            # Written so that a NaN is chosen and kept, and shows in the result.
            if not (abs(a[i, k]) <= abs(a[pivot, k]) or np.isnan(a[pivot, k])):
                pivot = i
        pivots[k] = pivot
        if a[pivot, k] == 0.0:
            return 0
        if pivot != k:
            sign = -sign
            for j in range(n):
                a[k, j], a[pivot, j] = a[pivot, j], a[k, j]
        inverse = 1.0 / a[k, k]
        for i in range(k + 1, n):
            a[i, k] *= inverse
            factor = a[i, k]
            for j in range(k + 1, stop):
                a[i, j] -= factor * a[k, j]
    return sign


@jitable
def factor_lu(a: Any, pivots: Any) -> int:
    """Replace `a` by its factors L and U with partial pivoting.

    Row ``k`` was swapped with row ``pivots[k]``. Returns the sign of the permutation, or 0 if a pivot is exactly zero.
    """
    n = a.shape[0]
    sign = 1
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        panel = _factor_panel(a, start, stop, pivots)
        if panel == 0:
            return 0
        sign *= panel
        if stop < n:
            solve_lower(a[start:stop, start:stop], a[start:stop, stop:])
            _subtract_product(a[stop:, stop:], a[stop:, start:stop], a[start:stop, stop:])
    return sign


@jitable
def solve_lower(lower: Any, x: Any) -> None:
    """Replace the rows of `x` by the solution of ``L @ solution = x``, L unit lower triangular."""
    n, columns = x.shape
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        if start > 0:
            _subtract_product(x[start:stop], lower[start:stop, :start], x[:start])
        for i in range(start, stop):
            for k in range(start, i):
                factor = lower[i, k]
                for j in range(columns):
                    x[i, j] -= factor * x[k, j]


@jitable
def solve_upper(upper: Any, x: Any) -> None:
    """Replace the rows of `x` by the solution of ``U @ solution = x``, U upper triangular."""
    n, columns = x.shape
    for start in range((n - 1) // _BLOCK * _BLOCK, -1, -_BLOCK):
        stop = min(start + _BLOCK, n)
        if stop < n:
            _subtract_product(x[start:stop], upper[start:stop, stop:], x[stop:])
        for i in range(stop - 1, start - 1, -1):
            for k in range(i + 1, stop):
                factor = upper[i, k]
                for j in range(columns):
                    x[i, j] -= factor * x[k, j]
            inverse = 1.0 / upper[i, i]
            for j in range(columns):
                x[i, j] *= inverse


@jitable
def factor_cholesky(a: Any) -> bool:
    """Replace the lower triangle of `a` by its Cholesky factor; return whether `a` is positive definite."""
    n = a.shape[0]
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        for k in range(start, stop):
            square = a[k, k]
            for j in range(start, k):
                square -= a[k, j] * a[k, j]
            if not square > 0.0:
                return False
            a[k, k] = np.sqrt(square)
            inverse = 1.0 / a[k, k]
            for i in range(k + 1, n):
                total = a[i, k]
                for j in range(start, k):
                    total -= a[i, j] * a[k, j]
                a[i, k] = total * inverse
        if stop < n:
            panel = a[stop:, start:stop]
            _subtract_product(a[stop:, stop:], panel, panel.T)
    return True
