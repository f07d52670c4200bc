"""Integers that say how often a loop runs: Python's own, of whatever integer dtype they were."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentTypeError
from jitdiff.ir import Dim
from jitdiff.ir.location import caller, describe
from jitdiff.ops import OPS, Tracer


def integer(x: Any, what: str) -> Any:
    """Return `x` as a Python integer, or as a traced one: an i64 that gives way to other dtypes.

    Differences and products of small and of unsigned integers wrap; those of Python's do not.

    Parameters
    ----------
    x : int, NumPy integer, Dim or Tracer
        A bound, a step or a number of trips.
    what : str
        What it is, for the message.

    Raises
    ------
    ArgumentTypeError
        If it is not an integer.

    Examples
    --------
    >>> integer(np.uint8(3), "range: a bound") - 5
    -2
    """
    if isinstance(x, Dim):
        return x
    if isinstance(x, Tracer) and x.numbers is None:
        if x.dtype.kind in "iu" and not x.shape:
            return x if x.type.weak else OPS["astype"](x, dtype=np.dtype(np.int64), weak=True)
    else:
        try:
            return operator.index(x)
        except TypeError:
            pass
    raise ArgumentTypeError(f"{what} must be an integer, not {x!r}", where=describe(caller()))
