"""Operations on batches: what each family does about a leading axis that its rules do not see.

A rule is called as ``rule(op, xs, batched, attrs)``. The operands that are `batched` have the batch as their first
axis, and so has the result. An operation without a rule goes through the batch one row at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, type_of
from jitdiff.ops.axes import shape_of

Flags = Sequence[bool]
"""For each operand, whether it is a batch."""

Batch = Callable[..., Any]
"""``batch(op, xs, batched, attrs)``: the result of an operation on operands of which some are batches."""


def size_of_batch(xs: Sequence[Any], batched: Flags) -> int:
    """Return how many rows the batch has."""
    sizes = {len(x) for x, b in zip(xs, batched, strict=True) if b}
    assert len(sizes) == 1, f"batches of {sorted(sizes)} rows meet"
    return sizes.pop()


def row_by_row(op: Any, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    """Apply an operation to each row of the batch, and stack the results: right for every operation."""
    n = size_of_batch(xs, batched)
    rows = [op(*(x[i] if b else x for x, b in zip(xs, batched, strict=True)), **attrs) for i in range(n)]
    if not rows:
        types = (type_of_row(x) if b else type_of(x) for x, b in zip(xs, batched, strict=True))
        empty = tuple(np.zeros((0, *map(int, t.shape)), t.dtype) for t in op.infer(*types, **attrs))
        return empty if op.multiple else empty[0]
    return tuple(map(np.stack, zip(*rows, strict=True))) if op.multiple else np.stack(rows)


def type_of_row(x: Any) -> ArrayType:
    """Return the type of one row of a batch."""
    type = type_of(x)
    return ArrayType(type.dtype, type.shape[1:])


def elementwise(op: Any, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    """Apply an operation that broadcasts: the rows get as many axes as the operand with most."""
    ndims = [x.ndim - 1 if b else getattr(x, "ndim", 0) for x, b in zip(xs, batched, strict=True)]
    if len(ndims) > 1 and (most := max(ndims)) > min(ndims):
        xs = [_aligned(x, most) if b else x for x, b in zip(xs, batched, strict=True)]
    return op(*xs, **attrs)


def _aligned(x: Any, ndim: int) -> Any:
    n, *sizes = x.shape
    return x if len(sizes) == ndim else x.reshape(n, *(1,) * (ndim - len(sizes)), *sizes)


def spread(x: Any, n: int, batched: bool, ndim: int | None = None) -> Any:
    """Return an operand as a batch of `n` rows, of `ndim` axes if that is given."""
    if not batched:
        shape: Any = shape_of(x)
        x = np.broadcast_to(x, (n, *shape))
    return x if ndim is None else _aligned(x, ndim)


def over_axes(op: Any, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    """Apply an operation along `axes`, or one `axis`, of operands that all have them: the axes are one further."""
    n = size_of_batch(xs, batched)
    moved = {k: v + 1 if isinstance(v, int) else tuple(a + 1 for a in v) for k, v in attrs.items()}
    return op(*(spread(x, n, b) for x, b in zip(xs, batched, strict=True)), **moved)


def on_last_axes(op: Any, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    """Apply an operation on the last axes of its operand, whatever stands before them."""
    n = size_of_batch(xs, batched)
    return op(xs[0], **with_shape(attrs, n))


def with_shape(attrs: dict[str, Any], n: int) -> dict[str, Any]:
    """Return attributes in which a `shape` has the batch in front."""
    return {k: (n, *v) if k == "shape" else v for k, v in attrs.items()}


def on_ranges(op: Any, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    """Apply an operation on `ranges`, one for each axis: it takes all rows."""
    n = size_of_batch(xs, batched)
    return op(xs[0], **{**with_shape(attrs, n), "ranges": ((0, 1, n), *attrs["ranges"])})


def on_stacks(op: Any, xs: Sequence[Any], batched: Flags, attrs: dict[str, Any]) -> Any:
    """Apply an operation on a matrix or a stack of matrices: the batch makes the stack longer."""
    (x,) = xs
    *lead, rows, columns = x.shape
    if len(lead) == 1:
        return op(x, **attrs)
    y = op(x.reshape(-1, rows, columns), **attrs)
    return y.reshape(*lead, *y.shape[1:])
