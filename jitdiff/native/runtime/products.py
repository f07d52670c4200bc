"""Matrix products into a given array: own loops for vectors and small matrices, BLAS above.

Inside compiled code the layout of an operand is part of its type, and ``X.T`` of a C-contiguous ``X`` is F-contiguous,
so each product picks its loop when it is compiled and copies nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import as_dtype

from jitdiff.native.extending import FLOATS, overload
from jitdiff.native.fortran import gemm, gemv
from jitdiff.native.runtime.stacks import over_stacks
from jitdiff.native.views import seen_as

# Measured against OpenBLAS: its matrix products win from 5x5 on, its matrix-vector products only where it can use
# several threads on a matrix that no cache holds.
_SMALL_PRODUCT = 128
_SMALL_MATRIX = 500_000
_NO_FIT = "matmul: the shapes do not fit"
_PLAIN, _TRANSPOSED = ord("N"), ord("T")


def dot(a: Any, b: Any) -> Any:
    """Return the inner product of two vectors."""
    return np.dot(a, b)


def matmul(a: Any, b: Any, out: Any) -> None:
    """Write ``a @ b`` into `out`, which must overlap neither.

    Parameters
    ----------
    a, b : array
        Vectors, matrices or stacks of matrices, of which not both are vectors. Views such as ``X.T`` are not copied.
    out : array
        C-contiguous, of the result's shape and dtype.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty(2)
    >>> matmul(np.eye(2), np.array([3.0, 4.0]), out)
    >>> out
    array([3., 4.])
    """
    np.matmul(a, b, out=out)


@overload(dot)
def _dot(a: Any, b: Any) -> Any:
    zero = _zero(a, b)

    def implementation(a: Any, b: Any) -> Any:
        if a.shape[0] != b.shape[0]:
            raise ValueError("dot: the vectors differ in length")
        total = zero
        for i in range(a.shape[0]):
            total += a[i] * b[i]
        return total

    return implementation


@overload(matmul)
def _matmul(a: Any, b: Any, out: Any) -> Any:
    ranks = (a.ndim, b.ndim)
    if a.ndim > 2 and b.ndim <= 2 and a.layout == out.layout == "C":
        return _one_product(ranks)
    if max(ranks) > 2:
        return over_stacks(matmul, *ranks)
    if ranks == (1, 2):
        return lambda a, b, out: matmul(b.T, a, out)
    if ranks == (2, 1):
        return _matrix_vector(a, b, out)
    if ranks == (2, 2):
        return _matrix_matrix(a, b, out)
    return None


def _one_product(ranks: tuple[int, int]) -> Any:
    """Multiply a contiguous stack by one vector or matrix: the rows of all its matrices make one matrix."""

    def by_vector(a: Any, b: Any, out: Any) -> None:
        if a.shape[:-1] != out.shape:
            raise ValueError(_NO_FIT)
        matmul(seen_as(a, (out.size, a.shape[-1])), b, seen_as(out, (out.size,)))

    def by_matrix(a: Any, b: Any, out: Any) -> None:
        if a.shape[:-1] != out.shape[:-1]:
            raise ValueError(_NO_FIT)
        rows = 1
        for size in a.shape[:-1]:
            rows *= size
        matmul(seen_as(a, (rows, a.shape[-1])), b, seen_as(out, (rows, out.shape[-1])))

    return by_vector if ranks[1] == 1 else by_matrix


def _uses_blas(*arrays: Any) -> bool:
    dtype = arrays[0].dtype
    return dtype in FLOATS and all(x.dtype == dtype for x in arrays) and arrays[-1].layout == "C"


def _zero(*arrays: Any) -> Any:
    """Return the zero that products of elements are summed from; booleans are counted."""
    return np.result_type(*(as_dtype(x.dtype) for x in arrays), np.int8).type(0)


def _matrix_vector(a: Any, b: Any, out: Any) -> Any:
    # Loops stand where they are used: each function in between would be optimised once more.
    by_blas = _uses_blas(a, b, out) and a.layout in "CF" and b.layout == "C"
    zero = _zero(a, b)

    def by_rows(a: Any, b: Any, out: Any) -> None:
        m, n = a.shape
        if n != b.shape[0] or m != out.shape[0]:
            raise ValueError(_NO_FIT)
        if by_blas and m * n >= _SMALL_MATRIX:
            gemv((_TRANSPOSED, n, m, 1.0, a, n, b, 1, 0.0, out, 1))
            return
        # Four rows at a time share the loads of the vector.
        last = m - m % 4
        for i in range(0, last, 4):
            s0 = s1 = s2 = s3 = zero
            for j in range(n):
                s0 += a[i, j] * b[j]
                s1 += a[i + 1, j] * b[j]
                s2 += a[i + 2, j] * b[j]
                s3 += a[i + 3, j] * b[j]
            out[i], out[i + 1], out[i + 2], out[i + 3] = s0, s1, s2, s3
        for i in range(last, m):
            s0 = zero
            for j in range(n):
                s0 += a[i, j] * b[j]
            out[i] = s0

    def by_columns(a: Any, b: Any, out: Any) -> None:
        m, n = a.shape
        if n != b.shape[0] or m != out.shape[0]:
            raise ValueError(_NO_FIT)
        if by_blas and m * n >= _SMALL_MATRIX:
            gemv((_PLAIN, m, n, 1.0, a, m, b, 1, 0.0, out, 1))
            return
        for i in range(m):
            out[i] = zero
        # Four columns at a time spare the result the traffic.
        last = n - n % 4
        for j in range(0, last, 4):
            for i in range(m):
                out[i] += (a[i, j] * b[j] + a[i, j + 1] * b[j + 1]) + (a[i, j + 2] * b[j + 2] + a[i, j + 3] * b[j + 3])
        for j in range(last, n):
            for i in range(m):
                out[i] += a[i, j] * b[j]

    return by_columns if a.layout == "F" else by_rows


def _matrix_matrix(a: Any, b: Any, out: Any) -> Any:
    by_blas = _uses_blas(a, b, out)
    if by_blas and "A" in a.layout + b.layout:
        # A view that BLAS cannot read is copied.
        if a.layout == "A":
            return lambda a, b, out: matmul(a.copy(), b, out)
        return lambda a, b, out: matmul(a, b.copy(), out)
    zero = _zero(a, b)
    # BLAS computes the transposed product, in its column order, from the transposed operands.
    plain_a, plain_b = a.layout == "C", b.layout == "C"
    transpose_a, transpose_b = (_PLAIN if plain else _TRANSPOSED for plain in (plain_a, plain_b))

    def implementation(a: Any, b: Any, out: Any) -> None:
        m, k = a.shape
        n = b.shape[1]
        if k != b.shape[0] or m != out.shape[0] or n != out.shape[1]:
            raise ValueError(_NO_FIT)
        if by_blas and m * n * k > _SMALL_PRODUCT:
            lead_a, lead_b = k if plain_a else m, n if plain_b else k
            gemm((transpose_b, transpose_a, n, m, k, 1.0, b, lead_b, a, lead_a, 0.0, out, n))
            return
        for i in range(m):
            for j in range(n):
                total = zero
                for h in range(k):
                    total += a[i, h] * b[h, j]
                out[i, j] = total

    return implementation
