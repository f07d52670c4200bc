"""Determinants, and the matrices of cofactors that they have for derivatives.

The cofactors of a singular matrix are finite, and its inverse is not: there they come from its singular values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.ops.axes import shape_of
from jitdiff.ops.batching import on_stacks
from jitdiff.ops.contraction import matmul
from jitdiff.ops.elementwise import multiply
from jitdiff.ops.emission import Call, Site
from jitdiff.ops.families import every_operand, general, promote_floating
from jitdiff.ops.linalg import as_stack, inv_, matrices
from jitdiff.ops.reduce import sum_
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import matrix_transpose, reshaped
from jitdiff.ops.table import Op, implements


def _frame(a: Any) -> tuple[Any, Any, Any, Any]:
    """Return singular values between orthogonal matrices, and the product of the determinants of these."""
    u, s, vt = np.linalg.svd(a)
    return u, s, vt, np.rint(np.linalg.det(u) * np.linalg.det(vt))


def _others(s: Any) -> Any:
    """Return, for each of several numbers, the product of the others."""
    return np.prod(np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]), axis=-1, dtype=s.dtype)


def _pairs(s: Any) -> Any:
    """Return, for every two of several descending numbers, the product of the others; the diagonal has no meaning."""
    row, column, others = s[..., :, None], s[..., None, :], _others(s)
    both_zero = np.prod(s[..., :-2], axis=-1, dtype=s.dtype)[..., None, None]
    with np.errstate(all="ignore"):
        found = np.where(row != 0, others[..., None, :] / row, both_zero)
        return np.where(column != 0, others[..., :, None] / column, found)


def _cofactors(a: Any) -> Any:
    det = np.linalg.det(a)
    singular = det == 0
    regular = np.where(singular[..., None, None], np.eye(a.shape[-1], dtype=a.dtype), a)
    found = det[..., None, None] * np.swapaxes(np.linalg.inv(regular), -1, -2)
    if np.any(singular):
        u, s, vt, sign = _frame(a[singular])
        found[singular] = u * (_others(s) * sign[..., None])[..., None, :] @ vt
    return found


def _cofactors_along(a: Any, direction: Any) -> Any:
    finite = np.isfinite(a).all(axis=(-2, -1), keepdims=True)
    u, s, vt, sign = _frame(np.where(finite, a, np.eye(a.shape[-1], dtype=a.dtype)))
    moved = np.swapaxes(u, -1, -2) @ direction @ np.swapaxes(vt, -1, -2)
    k = np.arange(s.shape[-1])
    pairs = _pairs(s)
    pairs[..., k, k] = 0
    change = -pairs * np.swapaxes(moved, -1, -2)
    change[..., k, k] = np.einsum("...ij,...jj->...i", pairs, moved)
    return np.where(finite, u @ (change * sign[..., None, None]) @ vt, np.nan)


def _along_vjp(xs: Sequence[Any], y: Any, g: Any) -> list[Any]:
    """Return the third derivative, written with the inverse; in the direction the second is linear and symmetric."""
    a, h = xs

    def by_matrix() -> Any:
        b = matrix_transpose(inv_(a))
        bg, bh = (matmul(b, matmul(matrix_transpose(x), b)) for x in (g, h))
        slope_g, slope_h, both = (_inner(x, z) for x, z in ((b, g), (b, h), (bh, g)))
        mixed = matmul(bh, matmul(matrix_transpose(g), b)) + matmul(bg, matmul(matrix_transpose(h), b))
        third = multiply(_scaling(slope_g * slope_h - both), b) + mixed
        third = third - multiply(_scaling(slope_h), bg) - multiply(_scaling(slope_g), bh)
        return multiply(_scaling(det_(a)), third)

    return [by_matrix, lambda: cofactors_along(a, g)]


def _inner(x: Any, y: Any) -> Any:
    """Return the sum of the products of elements, for each matrix."""
    ndim = len(shape_of(x))
    return sum_(multiply(x, y), axes=(ndim - 2, ndim - 1))


def _scaling(x: Any) -> Any:
    """Return numbers, one for each matrix, so that they scale the matrices."""
    return reshaped(x, (*shape_of(x), 1, 1))


cofactors_along: Op = general(
    "cofactors_along",
    _cofactors_along,
    lambda a, direction: a,
    Call("cofactors_along({0}, {1}, {out})"),
    _along_vjp,
    guards=every_operand,
    operands=promote_floating,
    samples=[
        sample(array(3, 3, kind="invertible"), array(3, 3)),
        sample(array(2, 3, 3, kind="invertible"), array(2, 3, 3)),
    ],
)
"""The derivative of `cofactors` along a direction: the second derivative of a determinant, which is symmetric."""

cofactors: Op = general(
    "cofactors",
    _cofactors,
    lambda a: a,
    Call("cofactors({0}, {out})"),
    lambda xs, y, g: [cofactors_along(xs[0], g)],
    guards=every_operand,
    operands=promote_floating,
    batch=on_stacks,
    samples=[sample(array(3, 3)), sample(array(2, 3, 3, kind="invertible"))],
)
"""The matrix of cofactors of a matrix, or of each of a stack: the derivative of its determinant."""


def scalar_or_stack(function: str) -> Callable[[list[str], str, Site], str]:
    """Return the statement of a function that gives one number for each matrix."""

    def statement(args: list[str], out: str, site: Site) -> str:
        return f"{out} = {function}({args[0]})" if site.out.ndim == 0 else f"{function}({args[0]}, {out})"

    return statement


det_: Op = general(
    "det",
    np.linalg.det,
    lambda a: a.with_shape(a.shape[:-2]),
    Call(scalar_or_stack("det")),
    lambda xs, y, g: [multiply(_scaling(g), cofactors(xs[0]))],
    guards=every_operand,
    operands=promote_floating,
    batch=on_stacks,
    samples=[sample(array(3, 3)), sample(array(2, 3, 3, kind="invertible"))],
)

slogdet_sign: Op = general(
    "slogdet_sign",
    lambda a: np.linalg.slogdet(a).sign,
    lambda a: a.with_shape(a.shape[:-2]),
    Call(scalar_or_stack("slogdet_sign")),
    None,
    operands=promote_floating,
    batch=on_stacks,
    samples=[sample(array(3, 3)), sample(array(2, 3, 3))],
)

slogdet_logabsdet: Op = general(
    "slogdet_logabsdet",
    lambda a: np.linalg.slogdet(a).logabsdet,
    lambda a: a.with_shape(a.shape[:-2]),
    Call(scalar_or_stack("slogdet_logabsdet")),
    lambda xs, y, g: [multiply(_scaling(g), matrix_transpose(inv_(xs[0])))],
    guards=every_operand,
    operands=promote_floating,
    batch=on_stacks,
    samples=[sample(array(3, 3, kind="invertible")), sample(array(2, 3, 3, kind="invertible"))],
)


@implements(np.linalg.det, samples=[sample(array(3, 3)), sample(array(2, 1, 2, 2, kind="invertible"))])
def det(a: Any) -> Any:
    """Return the determinant of a matrix.

    Its first two derivatives are right at singular matrices too. A third one is written with the inverse, so there it
    raises LinAlgError.
    """
    a = matrices("det", a)
    return reshaped(det_(as_stack(a)), shape_of(a)[:-2])


_SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))


@implements(
    np.linalg.slogdet,
    samples=[sample(array(3, 3, kind="invertible")), sample(array(2, 1, 2, 2, kind="invertible"))],
)
def slogdet(a: Any) -> Any:
    """Return the sign and the logarithm of the absolute value of a determinant."""
    a = matrices("slogdet", a)
    stack, shape = as_stack(a), shape_of(a)[:-2]
    return _SlogdetResult(reshaped(slogdet_sign(stack), shape), reshaped(slogdet_logabsdet(stack), shape))
