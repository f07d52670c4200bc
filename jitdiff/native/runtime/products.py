"""Matrix products into a given array: own loops for vectors and small matrices, BLAS above.

Inside compiled code the layout of an operand is part of its type, and ``X.T`` of a C-contiguous ``X`` is F-contiguous,
so each product picks its loop when it is compiled and copies nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import as_dtype

from jitdiff.native.extending import FLOATS, jitable, overload
from jitdiff.native.runtime.stacks import over_stacks

# Measured against OpenBLAS, whose calls cost 0.15 us: its matrix products win from 5x5 on,
# its matrix-vector products only where it can use several threads on a matrix that no cache holds.
_SMALL_PRODUCT = 128
_SMALL_MATRIX = 500_000


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
    if ranks == (2, 1):
        return _matrix_vector(a, b, out)
    if ranks == (1, 2):
        return lambda a, b, out: matmul(b.T, a, out)
    if ranks == (2, 2):
        return _matrix_matrix(a, b, out)
    return None


def _one_product(ranks: tuple[int, int]) -> Any:
    """Multiply a contiguous stack by one vector or matrix: the rows of all its matrices make one matrix."""

    def by_vector(a: Any, b: Any, out: Any) -> None:
        matmul(a.reshape((out.size, a.shape[-1])), b, out.reshape((out.size,)))

    def by_matrix(a: Any, b: Any, out: Any) -> None:
        rows = 1
        for size in a.shape[:-1]:
            rows *= size
        matmul(a.reshape((rows, a.shape[-1])), b, out.reshape((rows, out.shape[-1])))

    return by_vector if ranks[1] == 1 else by_matrix


def _uses_blas(*arrays: Any) -> bool:
    dtype = arrays[0].dtype
    return dtype in FLOATS and all(x.dtype == dtype for x in arrays) and arrays[-1].layout == "C"


def _zero(*arrays: Any) -> Any:
    """Return the zero that products of elements are summed from; booleans are counted."""
    return np.result_type(*(as_dtype(x.dtype) for x in arrays), np.int8).type(0)


@jitable
def _as_it_is(x: Any) -> Any:
    return x


@jitable
def _copied(x: Any) -> Any:
    return x.copy()


def _matrix_vector(a: Any, x: Any, out: Any) -> Any:
    loops = _columns if a.layout == "F" else _rows
    zero = _zero(a, x)

    def small(a: Any, b: Any, out: Any) -> None:
        if a.shape[1] != b.shape[0] or a.shape[0] != out.shape[0]:
            raise ValueError("matmul: the shapes do not fit")
        loops(a, b, out, zero)

    def any_size(a: Any, b: Any, out: Any) -> None:
        if a.shape[1] != b.shape[0] or a.shape[0] != out.shape[0]:
            raise ValueError("matmul: the shapes do not fit")
        if a.size < _SMALL_MATRIX:
            loops(a, b, out, zero)
        else:
            np.dot(a, b, out)

    return any_size if _uses_blas(a, x, out) and "A" not in (a.layout, x.layout) else small


@jitable
def _rows(a: Any, x: Any, out: Any, zero: Any) -> None:
    """One inner product for each row, four rows at a time to share the loads of `x`."""
    m, n = a.shape
    last = m - m % 4
    for i in range(0, last, 4):
        s0 = s1 = s2 = s3 = zero
        for j in range(n):
            s0 += a[i, j] * x[j]
            s1 += a[i + 1, j] * x[j]
            s2 += a[i + 2, j] * x[j]
            s3 += a[i + 3, j] * x[j]
        out[i], out[i + 1], out[i + 2], out[i + 3] = s0, s1, s2, s3
    for i in range(last, m):
        s0 = zero
        for j in range(n):
            s0 += a[i, j] * x[j]
        out[i] = s0


@jitable
def _columns(a: Any, x: Any, out: Any, zero: Any) -> None:
    """Add up multiples of the columns, four at a time to spare `out` the traffic."""
    m, n = a.shape
    for i in range(m):
        out[i] = zero
    last = n - n % 4
    for j in range(0, last, 4):
        for i in range(m):
            out[i] += (a[i, j] * x[j] + a[i, j + 1] * x[j + 1]) + (a[i, j + 2] * x[j + 2] + a[i, j + 3] * x[j + 3])
    for j in range(last, n):
        for i in range(m):
            out[i] += a[i, j] * x[j]


def _matrix_matrix(a: Any, b: Any, out: Any) -> Any:
    zero = _zero(a, b)
    contiguous_a, contiguous_b = (_copied if x.layout == "A" else _as_it_is for x in (a, b))

    def small(a: Any, b: Any, out: Any) -> None:
        if a.shape[1] != b.shape[0] or a.shape[0] != out.shape[0] or b.shape[1] != out.shape[1]:
            raise ValueError("matmul: the shapes do not fit")
        _entries(a, b, out, zero)

    def any_size(a: Any, b: Any, out: Any) -> None:
        if a.shape[1] != b.shape[0] or a.shape[0] != out.shape[0] or b.shape[1] != out.shape[1]:
            raise ValueError("matmul: the shapes do not fit")
        if out.size * a.shape[1] <= _SMALL_PRODUCT:
            _entries(a, b, out, zero)
        else:
            np.dot(contiguous_a(a), contiguous_b(b), out)

    return any_size if _uses_blas(a, b, out) else small


@jitable
def _entries(a: Any, b: Any, out: Any, zero: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = zero
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[i, j] = total
