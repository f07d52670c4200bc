"""Running sums and products, and the linear recurrence that their derivatives are."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError
from jitdiff.ir import ArrayType, product, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops.axes import along, normalized_axis, shape_of
from jitdiff.ops.batching import over_axes
from jitdiff.ops.elementwise import multiply, subtract
from jitdiff.ops.emission import Call
from jitdiff.ops.families import every_operand, general, linear, promote_all
from jitdiff.ops.logic import not_equal
from jitdiff.ops.reduce import converted, kept, refuse
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import reshaped, transposed
from jitdiff.ops.slices import flip, place, sliced, whole
from jitdiff.ops.table import Op, implements

_SAMPLES = [sample(array(2, 3), axis=0), sample(array(2, 3), axis=1), sample(array(4), axis=0)]


def delayed(x: Any, axis: int, fill: float) -> Any:
    """Return `x` moved one place towards the end of an axis, with `fill` coming in."""
    shape = shape_of(x)
    n = shape[axis]
    if n == 0:
        return x
    ranges = tuple((1, 1, n - 1) if k == axis else whole(m) for k, m in enumerate(shape))
    return place(sliced(x, axis, (0, 1, n - 1)), shape=shape, ranges=ranges, fill=fill)


cumsum_: Op = linear(
    "cumsum",
    lambda x, *, axis: np.cumsum(x, axis=axis),
    lambda t, *, axis: ArrayType(np.sum(np.zeros((), t.dtype)).dtype, t.shape),
    Call("cumsum({0}, {axis}, {out})"),
    lambda g, t, *, axis: flip(cumsum_(flip(g, axis), axis=axis), axis),
    batch=over_axes,
    samples=_SAMPLES,
)


def _backwards(a: Any, b: Any, axis: int) -> Any:
    """Return the solution of ``y[i] = b[i] + a[i + 1] * y[i + 1]``."""
    return flip(recurrence(delayed(flip(a, axis), axis, 0), flip(b, axis), axis=axis), axis)


def _recurrence_vjp(xs: Any, y: Any, g: Any, *, axis: int) -> Any:
    back = _backwards(xs[0], g, axis)
    return multiply(back, delayed(y, axis, 0)), back


def _recurrence(a: Any, b: Any, *, axis: int) -> Any:
    y = np.array(b, np.result_type(a, b))
    rows, factors = np.moveaxis(y, axis, 0), np.moveaxis(np.asarray(a), axis, 0)
    for i in range(1, len(rows)):
        rows[i] += factors[i] * rows[i - 1]
    return y


recurrence = general(
    "recurrence",
    _recurrence,
    lambda a, b, *, axis: b,
    Call("recurrence({0}, {1}, {axis}, {out})"),
    _recurrence_vjp,
    guards=every_operand,
    operands=promote_all,
    batch=over_axes,
    samples=[sample(array(2, 3), array(2, 3), axis=0), sample(array(4), array(4), axis=0)],
)

cumprod_ = general(
    "cumprod",
    lambda x, *, axis: np.cumprod(x, axis=axis),
    lambda t, *, axis: ArrayType(np.prod(np.ones((), t.dtype)).dtype, t.shape),
    Call("cumprod({0}, {axis}, {out})"),
    # Without a division, so that zeros among the factors do no harm.
    lambda xs, y, g, *, axis: (multiply(delayed(y, axis, 1), _backwards(xs[0], g, axis)),),
    guards=every_operand,
    batch=over_axes,
    samples=_SAMPLES,
)


def product_of_others(x: Any, axes: tuple[int, ...]) -> Any:
    """Return for each element the product over `axes` of all but itself."""
    shape = shape_of(x)
    order = (*(k for k in range(len(shape)) if k not in axes), *axes)
    last = len(shape) - len(axes)
    rows = reshaped(transposed(x, order), (*kept(shape, axes), product(tuple(shape[k] for k in axes))))
    before = cumprod_(delayed(rows, last, 1), axis=last)
    after = flip(cumprod_(delayed(flip(rows, last), last, 1), axis=last), last)
    spread = reshaped(multiply(before, after), tuple(shape[k] for k in order))
    return transposed(spread, tuple(map(int, np.argsort(order))))


_FUNCTION_SAMPLES = [sample(array(2, 3)), sample(array(2, 3), axis=-1), sample(array(3), dtype=np.float32)]


@implements(np.cumsum, samples=_FUNCTION_SAMPLES)
def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Return the running sum along an axis, or of the elements in one row."""
    refuse("cumsum", out=out)
    a = converted(a, dtype)
    axis = along(axis, len(shape_of(a)))
    if axis is None:
        return cumsum_(reshaped(a, (type_of(a).size,)), axis=0)
    return cumsum_(a, axis=normalized_axis(axis, len(shape_of(a))))


@implements(np.cumprod, samples=_FUNCTION_SAMPLES)
def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Return the running product along an axis, or of the elements in one row."""
    refuse("cumprod", out=out)
    a = converted(a, dtype)
    axis = along(axis, len(shape_of(a)))
    if axis is None:
        return cumprod_(reshaped(a, (type_of(a).size,)), axis=0)
    return cumprod_(a, axis=normalized_axis(axis, len(shape_of(a))))


@implements(np.diff, samples=[sample(array(2, 3)), sample(array(4), 2), sample(array(3, 2), axis=0)])
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the differences of neighbours along an axis, `n` times over."""
    refuse("diff", prepend=prepend, append=append)
    if n < 0:
        raise ArgumentError(f"diff: n must be at least 0, and is {n}", where=describe(caller()))
    axis = normalized_axis(axis, len(shape_of(a)))
    less = not_equal if type_of(a).dtype == np.bool_ else subtract
    for _ in range(n):
        a = less(sliced(a, axis, slice(1, None)), sliced(a, axis, slice(None, -1)))
    return a
