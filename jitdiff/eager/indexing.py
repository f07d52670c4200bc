"""Indexing with integers, slices and new axes, which NumPy does at once: one step on a tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, type_of
from jitdiff.ops import OPS, Op
from jitdiff.ops.key import Key, understand
from jitdiff.ops.shape import reshaped
from jitdiff.ops.slices import as_slice, place

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


def composed(first: Any, second: Any, shape: tuple[int, ...]) -> tuple[int | slice, ...] | None:
    """Return the index that takes of an array what `second` takes of ``array[first]``, both basic.

    None if `first` puts in axes, or `second` does.

    Examples
    --------
    >>> composed((slice(2, None), 0), slice(None, None, -2), (9, 3))
    (slice(8, 0, -2), 0)
    """
    outer = _by_axis(first, len(shape))
    if outer is None:
        return None
    ranges = [range(n)[part] for part, n in zip(outer, shape, strict=True)]
    kept = [k for k, part in enumerate(ranges) if isinstance(part, range)]
    inner = _by_axis(second, len(kept))
    if inner is None:
        return None
    for k, part in zip(kept, inner, strict=True):
        ranges[k] = ranges[k][part]
    return tuple(as_slice((r.start, r.step, len(r))) if isinstance(r, range) else r for r in ranges)


def _by_axis(key: Any, ndim: int) -> list[Any] | None:
    """Return the part of a basic index for each axis, None if it puts in axes."""
    parts = list(key) if type(key) is tuple else [key]
    if any(part is None for part in parts):
        return None
    place = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    rest = parts[place + 1 :]
    return [*parts[:place], *[slice(None)] * (ndim - place - len(rest)), *rest]


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
    moves=True,
    selects=lambda xs, k: False,
    write_back=_write_back,
)
"""``item(x, key=key)`` is ``x[key]`` for a Tensor and a basic index."""
