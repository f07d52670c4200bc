"""Histories of loops whose number of trips is not known before: arrays that grow."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.native.extending import jitable
from jitdiff.native.views import seen_as


@jitable
def enlarged(rows: Any, count: Any) -> Any:
    """Return an array with room for twice as many rows as the `count` of one that is full, which begins with those.

    Examples
    --------
    >>> enlarged(np.array([1.0, 2.0]), 2).shape
    (4,)
    """
    larger = np.empty((2 * count, *rows.shape[1:]), rows.dtype)
    # An assignment of a slice takes Numba seconds to compile, for the sake of its error message.
    new, old = seen_as(larger, (larger.size,)), seen_as(rows, (rows.size,))
    for k in range(rows.size):
        new[k] = old[k]
    return larger
