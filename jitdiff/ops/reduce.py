"""Reductions over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, Shape
from jitdiff.ops.emission import Index, Read, Site, Write, Writes
from jitdiff.ops.families import linear
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import broadcast_to, reshape


def kept(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """Return `shape` without the reduced axes."""
    return tuple(n for k, n in enumerate(shape) if k not in axes)


def unreduced(x: Any, shape: Shape, axes: tuple[int, ...]) -> Any:
    """Return a reduced array spread again over the `axes` that were reduced away."""
    kept_ones = tuple(1 if k in axes else n for k, n in enumerate(shape))
    return broadcast_to(reshape(x, shape=kept_ones), shape=shape)


def accumulate(fill: str, combine: str) -> Writes:
    """Return the emission of a reduction: fill with the neutral element, then combine each element in."""

    def plan(site: Site) -> tuple[str | None, list[Write]]:
        axes = site.attrs["axes"]

        def target(at: Index, read: Read) -> Index:
            return tuple(i for k, i in enumerate(at) if k not in axes)

        return fill, [Write(site.types[0].shape, target, lambda at, read: read(0, at), combine)]

    return Writes(plan)


sum_ = linear(
    "sum",
    lambda x, *, axes: np.sum(x, axis=axes),
    lambda t, *, axes: ArrayType(np.sum(np.zeros((), t.dtype)).dtype, kept(t.shape, axes)),
    accumulate("0", "{0} + {1}"),
    lambda g, t, *, axes: unreduced(g, t.shape, axes),
    samples=[sample(array(2, 3), axes=(0, 1)), sample(array(2, 3), axes=(0,)), sample(array(2, 3, 2), axes=(0, 2))],
)
