"""Positions of extreme elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError
from jitdiff.ir import ArrayType, type_of
from jitdiff.ops.axes import along, normalized_axis, shape_of
from jitdiff.ops.batching import over_axes
from jitdiff.ops.emission import Call, Site
from jitdiff.ops.families import general
from jitdiff.ops.reduce import refuse
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import reshaped
from jitdiff.ops.table import Op, implements


def _position(name: str, numpy: Callable[..., Any]) -> Op:
    def infer(t: ArrayType, *, axis: int) -> ArrayType:
        if t.shape[axis] == 0:
            raise ArgumentError(f"{name} of no elements: {t} along the axis {axis}")
        return ArrayType(np.dtype(np.intp), t.shape[:axis] + t.shape[axis + 1 :])

    def statement(args: list[str], out: str, site: Site) -> str:
        if not site.out.shape:
            return f"{out} = {name}({args[0]})"
        return f"{name}({args[0]}, {site.attrs['axis']}, {out})"

    return general(
        name,
        lambda x, *, axis: numpy(x, axis=axis),
        infer,
        Call(statement),
        None,
        batch=over_axes,
        samples=[sample(array(5), axis=0), sample(array(2, 3), axis=0), sample(array(2, 3, 2), axis=1)],
    )


_argmax = _position("argmax", np.argmax)
_argmin = _position("argmin", np.argmin)


def _found(op: Op, a: Any, axis: int | None, keepdims: Any) -> Any:
    shape = shape_of(a)
    axis = along(axis, len(shape))
    if axis is None:
        index = op(reshaped(a, (type_of(a).size,)), axis=0)
        return reshaped(index, (1,) * len(shape)) if keepdims is True else index
    k = normalized_axis(axis, len(shape))
    index = op(a, axis=k)
    return reshaped(index, (*shape[:k], 1, *shape[k + 1 :])) if keepdims is True else index


_SAMPLES = [sample(array(2, 3)), sample(array(2, 3), axis=-1), sample(array(3, 2), axis=0, keepdims=True)]


@implements(np.argmax, samples=_SAMPLES)
def argmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """Return where the largest element stands, the first of equals."""
    refuse("argmax", out=out)
    return _found(_argmax, a, axis, keepdims)


@implements(np.argmin, samples=_SAMPLES)
def argmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """Return where the smallest element stands, the first of equals."""
    refuse("argmin", out=out)
    return _found(_argmin, a, axis, keepdims)
