"""Linear algebra: factorisations and solves as calls, what they are made of as ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, ShapeError
from jitdiff.ir import broadcast_shapes
from jitdiff.ir.location import caller, describe
from jitdiff.ops.axes import described, operand, shape_of
from jitdiff.ops.batching import Flags, on_stacks
from jitdiff.ops.contraction import matmul, stacked
from jitdiff.ops.diagonal import tril
from jitdiff.ops.einsum import einsum
from jitdiff.ops.elementwise import multiply
from jitdiff.ops.emission import Call
from jitdiff.ops.families import every_operand, general, promote_floating
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import broadcast, expand_dims, matrix_transpose, moveaxis, reshaped
from jitdiff.ops.table import Op, implements


def _solve_vjp(xs: Sequence[Any], y: Any, g: Any) -> list[Any]:
    a, b = xs
    gb = solve_(matrix_transpose(a), g)
    if len(shape_of(b)) == 1:
        return [lambda: -multiply(expand_dims(gb, 1), y), gb]
    return [lambda: -matmul(gb, matrix_transpose(y)), gb]


def _solve_batch(op: Op, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    a, b = xs
    vector = len(shape_of(b)) - batched[1] == 1
    columns = expand_dims(b, -1) if vector else b
    if len(shape_of(a)) == 2 and not batched[0]:
        # One factorisation for all: the batch stands in the columns.
        n, rows, width = shape_of(columns)
        together = reshaped(moveaxis(columns, 0, 1), (rows, n * width))
        y = moveaxis(reshaped(op(a, together), (rows, n, width)), 1, 0)
    else:
        y = np.linalg.solve(a, columns)
    return reshaped(y, shape_of(y)[:-1]) if vector else y


solve_: Op = general(
    "solve",
    np.linalg.solve,
    lambda a, b: b,
    Call("solve({0}, {1}, {out})"),
    _solve_vjp,
    guards=every_operand,
    operands=promote_floating,
    batch=_solve_batch,
    samples=[
        sample(array(3, 3, kind="invertible"), array(3)),
        sample(array(3, 3, kind="invertible"), array(3, 2)),
        sample(array(2, 3, 3, kind="invertible"), array(2, 3, 2)),
    ],
)
"""The solution for a matrix and a vector or a matrix, or for two stacks of matrices of one length."""

inv_: Op = general(
    "inv",
    np.linalg.inv,
    lambda a: a,
    Call("inv({0}, {out})"),
    lambda xs, y, g: [-matmul(matrix_transpose(y), matmul(g, matrix_transpose(y)))],
    guards=every_operand,
    operands=promote_floating,
    batch=on_stacks,
    samples=[sample(array(3, 3, kind="invertible")), sample(array(2, 3, 3, kind="invertible"))],
)


def _half_lower(x: Any) -> Any:
    """Return the lower triangle with half the diagonal."""
    return 0.5 * (tril(x) + tril(x, -1))


def _cholesky_vjp(xs: Sequence[Any], y: Any, g: Any) -> list[Any]:
    upper = matrix_transpose(y)
    s = solve_(upper, _half_lower(matmul(upper, tril(g))))
    s = matrix_transpose(solve_(upper, matrix_transpose(s)))
    # Only the lower triangle of the matrix is read, so it stands for the upper one too.
    return [_half_lower(s + matrix_transpose(s))]


cholesky_: Op = general(
    "cholesky",
    np.linalg.cholesky,
    lambda a: a,
    Call("cholesky({0}, {out})"),
    _cholesky_vjp,
    guards=every_operand,
    operands=promote_floating,
    batch=on_stacks,
    samples=[sample(array(3, 3, kind="spd")), sample(array(2, 3, 3, kind="spd"))],
)


def matrices(function: str, a: Any) -> Any:
    """Return `a` if it is a square matrix or a stack of them."""
    a = operand(a)
    sizes = shape_of(a)
    if len(sizes) < 2 or sizes[-1] != sizes[-2]:
        raise ShapeError(f"{function}: needs square matrices, not {described(a)}", where=describe(caller()))
    return a


def as_stack(a: Any) -> Any:
    """Return a matrix as it is, and more than one in a single stack."""
    sizes = shape_of(a)
    return a if len(sizes) == 2 else stacked(a, sizes[:-2])


@implements(
    np.linalg.solve,
    samples=[
        sample(array(3, 3, kind="invertible"), array(3)),
        sample(array(3, 3, kind="invertible"), array(3, 2)),
        sample(array(2, 2, 3, 3, kind="invertible"), array(3)),
        sample(array(2, 1, 3, 3, kind="invertible"), array(2, 3, 2)),
        sample(array(3, 3, kind="invertible"), array(2, 3, 2)),
    ],
)
def solve(a: Any, b: Any) -> Any:
    """Return the solution of ``a @ x = b``; `b` is a vector only if it has one axis."""
    a, b = matrices("solve", a), operand(b)
    vector = len(shape_of(b)) == 1
    rows = shape_of(b)[0] if vector else shape_of(b)[-2]
    if rows != shape_of(a)[-1]:
        raise ShapeError(
            f"solve: sizes differ: {described(a)} and {described(b)}  ({shape_of(a)[-1]} != {rows})",
            where=describe(caller()),
        )
    if len(shape_of(a)) == 2 and len(shape_of(b)) <= 2:
        return solve_(a, b)
    columns = expand_dims(b, 1) if vector else b
    stack = broadcast_shapes(shape_of(a)[:-2], shape_of(columns)[:-2])
    x = solve_(stacked(a, stack), stacked(columns, stack))
    return reshaped(x, (*stack, rows) if vector else (*stack, *shape_of(b)[-2:]))


@implements(
    np.linalg.inv, samples=[sample(array(3, 3, kind="invertible")), sample(array(2, 1, 2, 2, kind="invertible"))]
)
def inv(a: Any) -> Any:
    """Return the inverse of a matrix."""
    a = matrices("inv", a)
    return reshaped(inv_(as_stack(a)), shape_of(a))


@implements(
    np.linalg.cholesky,
    samples=[
        sample(array(3, 3, kind="spd")),
        sample(array(3, 3, kind="spd"), upper=True),
        sample(array(2, 1, 2, 2, kind="spd")),
    ],
)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Return the lower triangular factor of a positive definite matrix, or the upper one.

    The matrix is taken to be symmetric: its gradient is.
    """
    a = matrices("cholesky", a)
    factor = reshaped(cholesky_(as_stack(0.5 * (a + matrix_transpose(a)))), shape_of(a))
    return matrix_transpose(factor) if upper else factor


@implements(
    np.linalg.matrix_power,
    samples=[
        sample(array(3, 3), 0),
        sample(array(3, 3), 1),
        sample(array(3, 3), 5),
        sample(array(2, 2, kind="invertible"), -2),
    ],
)
def matrix_power(a: Any, n: int) -> Any:
    """Return a matrix multiplied `n` times with itself, its inverse if `n` is negative."""
    a = matrices("matrix_power", a)
    if n < 0:
        a, n = inv(a), -n
    result = None
    while n:
        if n % 2:
            result = a if result is None else matmul(result, a)
        n //= 2
        a = matmul(a, a) if n else a
    return broadcast(np.eye(int(shape_of(a)[-1]), dtype=a.dtype), shape_of(a)) if result is None else result


@implements(
    np.linalg.multi_dot,
    samples=[sample([array(2), array(2, 3), array(3, 4)]), sample([array(2, 3), array(3, 2)])],
)
def multi_dot(arrays: Any, *, out: None = None) -> Any:
    """Return the product of several matrices, the first and last possibly vectors, in a good order."""
    if len(arrays) < 2:
        raise ArgumentError("multi_dot: needs at least two arrays")
    labels = "abcdefghijklmnopqrstuvwxyz"
    ends = (len(shape_of(operand(arrays[0]))) == 1, len(shape_of(operand(arrays[-1]))) == 1)
    terms = [labels[k : k + 2] for k in range(len(arrays))]
    terms[0], terms[-1] = terms[0][ends[0] :], terms[-1][: 2 - ends[1]]
    result = terms[0][:1] * (not ends[0]) + terms[-1][-1:] * (not ends[1])
    return einsum(f"{','.join(terms)}->{result}", *arrays)
