"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError
from jitdiff.ir import ArrayType, Dim, Shape, product, type_of
from jitdiff.ops.axes import Axes, along, normalized_axes, shape_of
from jitdiff.ops.batching import over_axes
from jitdiff.ops.elementwise import astype, divide, multiply, where
from jitdiff.ops.emission import Index, Read, Site, Write, Writes
from jitdiff.ops.families import every_operand, general, linear
from jitdiff.ops.logic import equal, not_equal
from jitdiff.ops.samples import BOOLEANS, array, sample
from jitdiff.ops.shape import broadcast_to, reshape, reshaped
from jitdiff.ops.table import Op, implements, unsupported

SAMPLES = [sample(array(2, 3), axes=(0, 1)), sample(array(2, 3), axes=(0,)), sample(array(2, 3, 2), axes=(0, 2))]


def kept(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """Return `shape` without the reduced axes."""
    return tuple(n for k, n in enumerate(shape) if k not in axes)


def with_ones(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """Return `shape` with the reduced axes of size 1."""
    return tuple(1 if k in axes else n for k, n in enumerate(shape))


def unreduced(x: Any, shape: Shape, axes: tuple[int, ...]) -> Any:
    """Return a reduced array spread again over the `axes` that were reduced away."""
    return broadcast_to(reshape(x, shape=with_ones(shape, axes)), shape=shape)


def accumulate(fill: str | Callable[[np.dtype[Any]], str], combine: str) -> Writes:
    """Return the emission of a reduction: fill with the neutral element, then combine each element in."""

    def plan(site: Site) -> tuple[str | None, list[Write]]:
        axes = site.attrs["axes"]

        def target(at: Index, read: Read) -> Index:
            return tuple(i for k, i in enumerate(at) if k not in axes)

        start = fill if isinstance(fill, str) else fill(site.out.dtype)
        return start, [Write(site.types[0].shape, target, lambda at, read: read(0, at), combine)]

    return Writes(plan)


sum_ = linear(
    "sum",
    lambda x, *, axes: np.sum(x, axis=axes),
    lambda t, *, axes: ArrayType(np.sum(np.zeros((), t.dtype)).dtype, kept(t.shape, axes)),
    accumulate("0", "{0} + {1}"),
    lambda g, t, *, axes: unreduced(g, t.shape, axes),
    batch=over_axes,
    samples=SAMPLES,
)


def _prod_vjp(xs: Any, y: Any, g: Any, *, axes: tuple[int, ...]) -> Any:
    from jitdiff.ops.cumulative import product_of_others

    return (multiply(unreduced(g, shape_of(xs[0]), axes), product_of_others(xs[0], axes)),)


prod_ = general(
    "prod",
    lambda x, *, axes: np.prod(x, axis=axes),
    lambda t, *, axes: ArrayType(np.prod(np.ones((), t.dtype)).dtype, kept(t.shape, axes)),
    accumulate("1", "{0} * {1}"),
    _prod_vjp,
    guards=every_operand,
    batch=over_axes,
    samples=SAMPLES,
)


def _extremum(name: str, numpy: Callable[..., Any], combine: str, sign: int) -> Op:
    """Declare the largest or smallest element: its derivative is shared equally by all that attain it."""

    def infer(t: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
        if any(t.shape[k] == 0 for k in axes):
            raise ArgumentError(f"{name} of no elements: {t} over the axes {axes}")
        return ArrayType(t.dtype, kept(t.shape, axes))

    def vjp(xs: Any, y: Any, g: Any, *, axes: tuple[int, ...]) -> Any:
        x = xs[0]
        shape = shape_of(x)
        attained = equal(x, unreduced(y, shape, axes))
        count = sum_(astype(attained, dtype=type_of(y).dtype), axes=axes)
        return (where(attained, unreduced(divide(g, count), shape, axes), 0.0),)

    def fill(dtype: np.dtype[Any]) -> str:
        if dtype.kind == "f":
            return "-np.inf" if sign > 0 else "np.inf"
        if dtype.kind == "b":
            return str(sign < 0)
        return str(np.iinfo(dtype).min if sign > 0 else np.iinfo(dtype).max)

    return general(
        name,
        lambda x, *, axes: numpy(x, axis=axes),
        infer,
        accumulate(fill, combine),
        vjp,
        moves=True,
        selects=lambda xs, k: True,
        batch=over_axes,
        samples=SAMPLES,
    )


largest = _extremum("max", np.max, "maximum({0}, {1})", +1)
smallest = _extremum("min", np.min, "minimum({0}, {1})", -1)


def _truth(name: str, numpy: Callable[..., Any], fill: str, combine: str) -> Op:
    return general(
        name,
        lambda x, *, axes: numpy(x, axis=axes),
        lambda t, *, axes: ArrayType(np.dtype(bool), kept(t.shape, axes)),
        accumulate(fill, combine),
        None,
        operands=lambda t, *, axes: [np.dtype(bool)],
        batch=over_axes,
        samples=[sample(array(2, 3, domain=BOOLEANS), axes=axes) for axes in ((0, 1), (0,), (1,))],
    )


some = _truth("any", np.any, "False", "{0} or {1}")
every = _truth("all", np.all, "True", "{0} and {1}")


def reduced(op: Op, a: Any, axis: Axes, keepdims: Any = False) -> Any:
    """Return the reduction `op` of `a` over axes given as NumPy takes them."""
    shape = shape_of(a)
    axes = tuple(sorted(normalized_axes(along(axis, len(shape)), len(shape))))
    y = op(a, axes=axes)
    return reshaped(y, with_ones(shape, axes)) if keepdims is True else y


def count_over(shape: Shape, axis: Axes) -> int | Dim:
    """Return how many elements a reduction over `axis` combines into one."""
    return product(tuple(shape[k] for k in normalized_axes(axis, len(shape))))


def refuse(function: str, **options: Any) -> None:
    """Raise for an option of a NumPy function that was given and has no rule."""
    for name, value in options.items():
        if value is not None and value is not np._NoValue and not (name == "where" and value is True):
            raise unsupported(function, f"the argument {name}= has no rule")


def converted(a: Any, dtype: Any) -> Any:
    """Return `a` in the dtype that a NumPy function was asked to compute in."""
    return a if dtype is None or np.dtype(dtype) == type_of(a).dtype else astype(a, dtype=np.dtype(dtype))


@implements(
    np.sum,
    samples=[
        sample(array(2, 3)),
        sample(array(2, 3, 2), axis=(0, -1), keepdims=True),
        sample(array(2, 3), 1, np.float32),
        sample(array(2, 3, domain=BOOLEANS), axis=0),
        sample(array()),
    ],
)
def sum_over(
    a: Any, axis: Axes = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **options: Any
) -> Any:
    """Return the sum over axes."""
    refuse("sum", out=out, **options)
    return reduced(sum_, converted(a, dtype), axis, keepdims)


@implements(np.prod, samples=[sample(array(2, 3)), sample(array(2, 3, 2), axis=(0, -1), keepdims=True)])
def prod(a: Any, axis: Axes = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Return the product over axes; right derivatives with zeros among the factors too."""
    refuse("prod", out=out, **options)
    return reduced(prod_, converted(a, dtype), axis, keepdims)


_ORDER_SAMPLES = [sample(array(2, 3)), sample(array(2, 3, 2), axis=(0, -1), keepdims=True), sample(array(3), axis=0)]


@implements(np.max, samples=_ORDER_SAMPLES)
def max_(a: Any, axis: Axes = None, out: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Return the largest element over axes; equal ones share the derivative."""
    refuse("max", out=out, **options)
    return reduced(largest, a, axis, keepdims)


@implements(np.min, samples=_ORDER_SAMPLES)
def min_(a: Any, axis: Axes = None, out: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Return the smallest element over axes; equal ones share the derivative."""
    refuse("min", out=out, **options)
    return reduced(smallest, a, axis, keepdims)


implements(np.amax, samples=_ORDER_SAMPLES)(max_)
implements(np.amin, samples=_ORDER_SAMPLES)(min_)


@implements(np.ptp, samples=_ORDER_SAMPLES)
def ptp(a: Any, axis: Axes = None, out: Any = None, keepdims: Any = False) -> Any:
    """Return the largest less the smallest element."""
    return max_(a, axis, out, keepdims) - min_(a, axis, out, keepdims)


_TRUTH_SAMPLES = [sample(array(2, 3, domain=BOOLEANS)), sample(array(2, 3), axis=-1, keepdims=True)]


@implements(np.any, samples=_TRUTH_SAMPLES)
def any_(a: Any, axis: Axes = None, out: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Return whether any element over axes is true."""
    refuse("any", out=out, **options)
    return reduced(some, a, axis, keepdims)


@implements(np.all, samples=_TRUTH_SAMPLES)
def all_(a: Any, axis: Axes = None, out: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Return whether all elements over axes are true."""
    refuse("all", out=out, **options)
    return reduced(every, a, axis, keepdims)


@implements(np.count_nonzero, samples=_TRUTH_SAMPLES)
def count_nonzero(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Any:
    """Return how many elements over axes are not zero."""
    return reduced(sum_, not_equal(a, 0), axis, keepdims)
