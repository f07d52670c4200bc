"""Basis vectors, one after the other: what Jacobians are made with."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, Dim
from jitdiff.ops.emission import Element, Index, Read, Site
from jitdiff.ops.families import general
from jitdiff.ops.samples import sample


def _evaluate(i: Any, *, size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.asarray(np.arange(size) == i).astype(dtype)


def _infer(i: ArrayType, *, size: int | Dim, dtype: np.dtype[Any]) -> ArrayType:
    return ArrayType(dtype, (size,))


def _element(at: Index, read: Read, site: Site) -> str:
    kind = f"np.{site.out.dtype.name}"
    return f"({kind}(1.0) if {at[0]} == {read(0, ())} else {kind}(0.0))"


basis = general(
    "basis",
    _evaluate,
    _infer,
    Element(_element),
    None,
    samples=[
        sample(2, size=5, dtype=np.dtype(np.float64)),
        sample(0, size=3, dtype=np.dtype(np.float32)),
    ],
)
"""``basis(i, size=n, dtype=d)`` is the vector of n numbers that is 1 at i and 0 elsewhere."""
