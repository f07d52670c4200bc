"""Matrices of cofactors: of regular matrices from the inverse, of singular ones from singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import as_dtype

from jitdiff.native.extending import jitable, overload
from jitdiff.native.fortran import Integer, gesvd, getrf, getri
from jitdiff.native.runtime.linalg import INVERSION_BLOCK, LinAlgError
from jitdiff.native.runtime.stacks import over_stack, over_stacks
from jitdiff.ops import OPS

_ALL = ord("A")
_NOT_CONVERGED = "SVD did not converge"


def cofactors(a: Any, out: Any) -> None:
    """Write the matrix of cofactors of `a` into `out`."""
    out[...] = OPS["cofactors"].evaluate(a)


def cofactors_along(a: Any, direction: Any, out: Any) -> None:
    """Write the derivative of the matrix of cofactors of `a` along a direction into `out`."""
    out[...] = OPS["cofactors_along"].evaluate(a, direction)


@jitable
def _determinant(lu: Any, pivots: Any) -> Any:
    """Factor a matrix in place, and return its determinant."""
    n = lu.shape[0]
    getrf((n, n, lu, n, pivots))
    det = lu.dtype.type(1)
    for i in range(n):
        det *= lu[i, i] if pivots[i] == i + 1 else -lu[i, i]
    return det


@jitable
def _frame(a: Any, u: Any, s: Any, vt: Any, copy: Any, pivots: Any) -> Any:
    """Fill in orthogonal matrices and singular values, and return the product of the determinants of the matrices.

    LAPACK sees the transpose of each matrix: so it is given `vt` for `u`.
    """
    n = a.shape[0]
    work = np.empty(8 * n, a.dtype)
    for i in range(n):
        for j in range(n):
            copy[i, j] = a[i, j]
    if gesvd((_ALL, _ALL, n, n, copy, n, s, vt, n, u, n, work, work.size)) > 0:
        raise LinAlgError(_NOT_CONVERGED)
    sign = 1
    for k in range(2):
        for i in range(n):
            for j in range(n):
                copy[i, j] = u[i, j] if k == 0 else vt[i, j]
        if _determinant(copy, pivots) < 0:
            sign = -sign
    return sign


@jitable
def _product_without(s: Any, i: int, j: int) -> Any:
    product = s.dtype.type(1)
    for k in range(s.shape[0]):
        if k not in (i, j):
            product *= s[k]
    return product


@overload(cofactors)
def _cofactors(a: Any, out: Any) -> Any:
    if a.ndim > 2:
        return over_stack(cofactors)
    dtype = as_dtype(out.dtype)

    def implementation(a: Any, out: Any) -> None:
        n = a.shape[0]
        if n == 0:
            return
        pivots = np.empty(n, Integer)
        for i in range(n):
            for j in range(n):
                out[i, j] = a[i, j]
        det = _determinant(out, pivots)
        if det != 0:
            work = np.empty(INVERSION_BLOCK * n, dtype)
            getri((n, out, n, pivots, work, work.size))
            for i in range(n):
                out[i, i] *= det
                for j in range(i):
                    out[i, j], out[j, i] = out[j, i] * det, out[i, j] * det
            return
        u, vt, copy, s = np.empty((n, n), dtype), np.empty((n, n), dtype), np.empty((n, n), dtype), np.empty(n, dtype)
        sign = _frame(a, u, s, vt, copy, pivots)
        for i in range(n):
            for j in range(n):
                out[i, j] = 0
        for k in range(n):
            others = sign * _product_without(s, k, k)
            for i in range(n):
                for j in range(n):
                    out[i, j] += u[i, k] * others * vt[k, j]

    return implementation


@overload(cofactors_along)
def _cofactors_along(a: Any, direction: Any, out: Any) -> Any:
    if a.ndim > 2 or direction.ndim > 2:
        return over_stacks(cofactors_along, a.ndim, direction.ndim)
    dtype = as_dtype(out.dtype)

    def implementation(a: Any, direction: Any, out: Any) -> None:
        n = a.shape[0]
        finite = True
        for i in range(n):
            for j in range(n):
                finite = finite and np.isfinite(a[i, j])
                out[i, j] = np.nan
        if n == 0 or not finite:
            return
        pivots = np.empty(n, Integer)
        u, vt, moved, s = np.empty((n, n), dtype), np.empty((n, n), dtype), np.empty((n, n), dtype), np.empty(n, dtype)
        sign = _frame(a, u, s, vt, moved, pivots)
        _between(u, True, direction, vt, True, moved, out)
        change = np.empty((n, n), dtype)
        for i in range(n):
            change[i, i] = 0
            for j in range(n):
                if j != i:
                    product = sign * _product_without(s, i, j)
                    change[i, j] = -product * moved[j, i]
                    change[i, i] += product * moved[j, j]
        _between(u, False, change, vt, False, out, moved)

    return implementation


@jitable
def _between(left: Any, transposed: bool, x: Any, right: Any, also: bool, out: Any, half: Any) -> None:
    """Write the product of three matrices, the outer ones perhaps transposed, into `out`; `half` is overwritten."""
    n = x.shape[0]
    for i in range(n):
        for j in range(n):
            half[i, j] = 0
            for k in range(n):
                half[i, j] += (left[k, i] if transposed else left[i, k]) * x[k, j]
    for i in range(n):
        for j in range(n):
            out[i, j] = 0
            for k in range(n):
                out[i, j] += half[i, k] * (right[j, k] if also else right[k, j])
