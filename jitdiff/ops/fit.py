"""Un-broadcasting, written once: a cotangent is made to fit the value it belongs to."""

from __future__ import annotations

from typing import Any

from jitdiff.ir import ArrayType, broadcast_shapes, type_of
from jitdiff.ops.elementwise import astype
from jitdiff.ops.reduce import sum_
from jitdiff.ops.shape import broadcast_to, reshape


def fit(g: Any, target: ArrayType) -> Any:
    """Return cotangent `g` with the shape and dtype of `target`, summed over the axes that were broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> fit(np.ones((2, 3)), ArrayType(np.dtype(float), (3,)))
    array([2., 2., 2.])
    """
    have = type_of(g)
    if have.shape != target.shape:
        whole = broadcast_shapes(have.shape, target.shape)
        if whole != have.shape:
            g = broadcast_to(g, shape=whole)
        lead = len(whole) - len(target.shape)
        axes = tuple(k for k, n in enumerate(whole) if k < lead or (n != 1 and target.shape[k - lead] == 1))
        if axes:
            g = sum_(g, axes=axes)
        if type_of(g).shape != target.shape:
            g = reshape(g, shape=target.shape)
    return g if have.dtype == target.dtype else astype(g, dtype=target.dtype)
