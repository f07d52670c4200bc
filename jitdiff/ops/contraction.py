"""Matrix products, and what is made of them: sums of products over shared axes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, ShapeError
from jitdiff.ir import ArrayType, Shape, broadcast_shapes, product, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops.axes import described, normalized_axes, operand, shape_of
from jitdiff.ops.batching import Flags
from jitdiff.ops.elementwise import astype, multiply
from jitdiff.ops.emission import Call
from jitdiff.ops.families import general, promote_all, promoted_dtype
from jitdiff.ops.reduce import sum_
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import broadcast, expand_dims, ravel, reshaped, swapaxes, transposed
from jitdiff.ops.table import Handle, Op, implements


def _matmul_type(a: ArrayType, b: ArrayType) -> ArrayType:
    rows, columns = a.shape[-2:-1], b.shape[-1:] if b.ndim > 1 else ()
    return a.with_shape((*broadcast_shapes(a.shape[:-2], b.shape[:-2]), *rows, *columns))


def _matmul_vjp(xs: Sequence[Any], y: Any, g: Any) -> list[Callable[[], Any]]:
    a, b = xs
    if len(shape_of(b)) == 1:
        return [lambda: multiply(expand_dims(g, 1), b), lambda: matmul_(swapaxes(a, 0, 1), g)]
    if len(shape_of(a)) == 1:
        return [lambda: matmul_(b, g), lambda: multiply(expand_dims(a, 1), g)]
    return [lambda: matmul_(g, swapaxes(b, -1, -2)), lambda: matmul_(swapaxes(a, -1, -2), g)]


def _matmul_batch(op: Op, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    dims = [len(shape_of(x)) - b for x, b in zip(xs, batched, strict=True)]
    labels = [("s", "i", "k")[3 - dims[0] :], ("k",) if dims[1] == 1 else ("s", "k", "j")[3 - dims[1] :]]
    left, right = (("n", *names) if b else names for names, b in zip(labels, batched, strict=True))
    return contracted(xs[0], left, xs[1], right, [x for x in "nsij" if x in (*left, *right)])


matmul_: Op = general(
    "matmul",
    np.matmul,
    _matmul_type,
    Call("matmul({0}, {1}, {out})", transposable=True),
    _matmul_vjp,
    operands=promote_all,
    batch=_matmul_batch,
    samples=[
        sample(array(2, 3), array(3, 4)),
        sample(array(2, 3), array(3)),
        sample(array(3), array(3, 2)),
        sample(array(2, 3, 4), array(2, 4, 2)),
    ],
)
"""The product of two matrices, a matrix and a vector, or two stacks of matrices of one length; floating only."""


@implements(
    np.matmul,
    samples=[
        sample(array(2, 3), array(3, 4)),
        sample(array(3), array(3)),
        sample(array(2, 3), array(3)),
        sample(array(3), array(3, 2)),
        sample(array(2, 2, 3), array(3, 4)),
        sample(array(2, 2, 3), array(3)),
        sample(array(3), array(2, 3, 4)),
        sample(array(2, 3), array(2, 3, 4)),
        sample(array(2, 1, 2, 3), array(3, 3, 2)),
        sample(np.array([[1, 2], [3, 4]]), array(2, 2)),
        sample(np.array([[1, 2], [3, 4]]), np.array([[True, False], [False, True]])),
    ],
)
def matmul(a: Any, b: Any) -> Any:
    """Return the matrix product of `a` and `b`, of stacks of matrices too."""
    a, b = operand(a), operand(b)
    left, right = shape_of(a), shape_of(b)
    if not left or not right:
        raise ShapeError("matmul: a scalar is not a matrix", where=describe(caller()), hint="use * to scale")
    inner = right[-2] if len(right) > 1 else right[0]
    if left[-1] != inner:
        raise ShapeError(
            f"matmul: inner sizes differ: {described(a)} @ {described(b)}  ({left[-1]} != {inner})",
            where=describe(caller()),
        )
    if not isinstance(a, Handle) and not isinstance(b, Handle):
        return np.matmul(a, b)
    dtype = a.dtype if a.dtype == b.dtype else promoted_dtype(type_of(a), type_of(b))
    if dtype.kind != "f" or len(left) == len(right) == 1 or (len(left) == 1 and len(right) > 2):
        return _sum_of_products(a, b)
    if len(left) <= 2 and len(right) <= 2:
        return matmul_(a, b)
    if len(right) <= 2:
        rows = matmul_(reshaped(a, (product(left[:-1]), left[-1])), b)
        return reshaped(rows, (*left[:-1], *right[1:]))
    stack = broadcast_shapes(left[:-2], right[:-2])
    y = matmul_(stacked(a, stack), stacked(b, stack))
    return reshaped(y, (*stack, left[-2], right[-1]))


def stacked(x: Any, stack: Shape) -> Any:
    """Return matrices broadcast to a stack of this shape, which is then made one axis."""
    matrix = shape_of(x)[-2:]
    return reshaped(broadcast(x, (*stack, *matrix)), (product(stack), *matrix))


def _sum_of_products(a: Any, b: Any) -> Any:
    """Return the matrix product as loops, which fuse with what is around them."""
    if len(shape_of(b)) > 1:
        a, b = expand_dims(a, -1), b if len(shape_of(a)) == 1 else expand_dims(b, -3)
    products = multiply(a, b)
    return total(products, (len(shape_of(products)) - min(len(shape_of(b)), 2),))


def total(x: Any, axes: tuple[int, ...]) -> Any:
    """Return a sum in the dtype of `x`, as products have it; `np.sum` widens integers."""
    y = sum_(x, axes=axes)
    return y if type_of(y).dtype == type_of(x).dtype else astype(y, dtype=type_of(x).dtype)


@implements(
    np.dot,
    samples=[
        sample(array(3), array(3)),
        sample(array(2, 3), array(3)),
        sample(array(2, 3), array(3, 2)),
        sample(2.5, array(3)),
        sample(array(2, 2, 3), array(2, 3, 2)),
    ],
)
def dot(a: Any, b: Any, out: None = None) -> Any:
    """Return the product of scalars, vectors or matrices.

    With more axes, the sums run over the last of `a` and the last but one of `b`.
    """
    a, b = (operand(x) if shape_of(x) or isinstance(x, Handle) else np.asarray(x)[()] for x in (a, b))
    if not shape_of(a) or not shape_of(b):
        return multiply(a, b)
    if len(shape_of(b)) <= 2:
        return matmul(a, b)
    return tensordot(a, b, ((-1,), (-2,)))


@implements(np.vdot, samples=[sample(array(2, 3), array(3, 2))])
def vdot(a: Any, b: Any, /) -> Any:
    """Return the sum of the products of all elements."""
    return matmul(ravel(operand(a)), ravel(operand(b)))


@implements(np.inner, samples=[sample(array(3), array(3)), sample(array(2, 3), array(4, 3)), sample(array(3), 2.0)])
def inner(a: Any, b: Any, /) -> Any:
    """Return the sums of products over the last axes."""
    a, b = (operand(x) if shape_of(x) or isinstance(x, Handle) else np.asarray(x)[()] for x in (a, b))
    if not shape_of(a) or not shape_of(b):
        return multiply(a, b)
    return tensordot(a, b, ((-1,), (-1,)))


@implements(np.outer, samples=[sample(array(2), array(3)), sample(array(2, 2), array(3))])
def outer(a: Any, b: Any, out: None = None) -> Any:
    """Return all products of an element of `a` and one of `b`."""
    return multiply(expand_dims(ravel(operand(a)), 1), ravel(operand(b)))


@implements(
    np.tensordot,
    samples=[
        sample(array(2, 3, 4), array(3, 4, 2)),
        sample(array(2, 3), array(4, 3), axes=(1, 1)),
        sample(array(2, 3, 4), array(4, 2), axes=([0, 2], [1, 0])),
        sample(array(2), array(3), axes=0),
    ],
)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return the sums of products over pairs of axes, or over the last of `a` and the first of `b`."""
    a, b = operand(a), operand(b)
    left, right = shape_of(a), shape_of(b)
    if np.ndim(axes) == 0 and not isinstance(axes, tuple | list):
        axes = (range(len(left) - axes, len(left)), range(axes))
    first, second = (normalized_axes(one, len(sizes)) for one, sizes in zip(axes, (left, right), strict=True))
    if len(first) != len(second):
        raise ArgumentError(f"tensordot: {len(first)} axes of the first operand, {len(second)} of the second")
    for i, j in zip(first, second, strict=True):
        if left[i] != right[j]:
            raise ShapeError(
                f"tensordot: axis {i} of {described(a)} is not axis {j} of {described(b)}  ({left[i]} != {right[j]})",
                where=describe(caller()),
            )
    labels: list[Hashable] = [("b", j) for j in range(len(right))]
    for i, j in zip(first, second, strict=True):
        labels[j] = ("a", i)
    mine: list[Hashable] = [("a", i) for i in range(len(left))]
    kept = [x for x in (*mine, *labels) if (x in mine) != (x in labels)]
    return contracted(a, mine, b, labels, kept)


def contracted(a: Any, left: Sequence[Hashable], b: Any, right: Sequence[Hashable], kept: Sequence[Hashable]) -> Any:
    """Return the sum of products of `a` and `b` over the axes that both have and that are not `kept`.

    Parameters
    ----------
    a, b : array
        Operands. Each axis of theirs that only one of them has must be kept.
    left, right : sequence
        Labels of their axes, each once.
    kept : sequence
        Labels of the result's axes.
    """
    size = dict(zip((*left, *right), (*shape_of(a), *shape_of(b)), strict=True))
    batch = [x for x in kept if x in left and x in right]
    rows = [x for x in kept if x in left and x not in right]
    columns = [x for x in kept if x in right and x not in left]
    summed = [x for x in left if x in right and x not in kept]

    def arranged(x: Any, labels: Sequence[Hashable], *groups: Sequence[Hashable]) -> Any:
        order = [y for group in groups for y in group]
        x = transposed(x, tuple(list(labels).index(y) for y in order))
        return reshaped(x, tuple(product(tuple(size[y] for y in group)) for group in groups if group))

    def spread(x: Any, labels: Sequence[Hashable]) -> Any:
        order = [*kept, *summed]
        x = transposed(x, tuple(sorted(range(len(labels)), key=lambda k: order.index(labels[k]))))
        return reshaped(x, tuple(size[y] if y in labels else 1 for y in order))

    floating = promoted_dtype(type_of(a), type_of(b)).kind == "f"
    if not floating or not summed or not (rows and columns if batch else rows or columns):
        products = multiply(spread(a, left), spread(b, right))
        if not summed:
            return products
        return total(products, tuple(range(len(kept), len(kept) + len(summed))))
    y = matmul_(arranged(a, left, batch, rows, summed), arranged(b, right, batch, summed, columns))
    y = reshaped(y, tuple(size[x] for x in (*batch, *rows, *columns)))
    order = [*batch, *rows, *columns]
    return transposed(y, tuple(order.index(x) for x in kept))


@implements(np.kron, samples=[sample(array(2, 2), array(2, 3)), sample(array(3), array(2, 2))])
def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product: `b` times each element of `a`, in blocks."""
    a, b = operand(a), operand(b)
    ndim = max(len(shape_of(a)), len(shape_of(b)))
    left, right = ((1,) * (ndim - len(s)) + s for s in (shape_of(a), shape_of(b)))
    blocks = multiply(
        reshaped(a, tuple(m for n in left for m in (n, 1))), reshaped(b, tuple(m for n in right for m in (1, n)))
    )
    return reshaped(blocks, tuple(m * n for m, n in zip(left, right, strict=True)))
