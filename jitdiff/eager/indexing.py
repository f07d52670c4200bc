"""Indexing with integers, slices and new axes, which NumPy does at once: one step on a tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, type_of
from jitdiff.ops import OPS, Op
from jitdiff.ops.key import Key, understand
from jitdiff.ops.shape import reshaped
from jitdiff.ops.slices import place

_ENDS = frozenset({int, type(None)})
_POSITIONS = frozenset({int, np.int64, type(None), type(Ellipsis)})


def is_basic(key: Any) -> bool:
    """Whether an index has nothing but numbers, slices between numbers, ``...`` and ``None``.

    Examples
    --------
    >>> is_basic((slice(1, None), None, -1)), is_basic([0, 2])
    (True, False)
    """
    for part in key if type(key) is tuple else (key,):
        if type(part) is slice:
            if not (type(part.start) in _ENDS and type(part.stop) in _ENDS and type(part.step) in _ENDS):
                return False
        elif type(part) not in _POSITIONS:
            return False
    return True


def _taken(key: Any, t: ArrayType) -> tuple[Key, tuple[Any, ...]]:
    """Return what the index means, and how many positions it takes of each axis."""
    k = understand(key, t)
    return k, tuple(taken[2] for taken in k.selection)  # type: ignore[index]


def _vjp(xs: Sequence[Any], y: Any, g: Any, *, key: Any) -> list[Any]:
    t = type_of(xs[0])
    k, sizes = _taken(key, t)
    return [place(reshaped(g, sizes), shape=t.shape, ranges=k.selection, fill=0)]


def _write_back(xs: Sequence[Any], part: Any, *, key: Any) -> Any:
    k, sizes = _taken(key, type_of(xs[0]))
    return OPS["index_set"](xs[0], reshaped(part, sizes), selection=k.selection, distinct=True)


item = Op(
    name="item",
    evaluate=lambda x, *, key: x[key],
    infer=lambda t, *, key: (t.with_shape(understand(key, t).shape),),
    vjp=_vjp,
    write_back=_write_back,
)
"""``item(x, key=key)`` is ``x[key]`` for a Tensor and a basic index."""
