"""More of the same array: rolled round, tiled, repeated, padded."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import Dim
from jitdiff.ops.axes import Axes, along, as_shape, as_size, normalized_axis, shape_of
from jitdiff.ops.index import take
from jitdiff.ops.join import concatenate_, joined
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import broadcast, expand_dims, ravel, reshaped
from jitdiff.ops.slices import place, sliced
from jitdiff.ops.table import implements, unsupported


@implements(
    np.roll,
    samples=[sample(array(5), 2), sample(array(2, 3), -1), sample(array(2, 3), (1, 5), axis=(0, 1))],
)
def roll(a: Any, shift: Any, axis: Axes = None) -> Any:
    """Return `a` with its elements moved along axes, those pushed out coming in again at the other end."""
    if axis is None:
        return reshaped(roll(ravel(a), shift, 0), shape_of(a))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    shifts = as_shape(shift)
    pairs = np.broadcast(np.asarray(shifts, object), np.asarray(axes))
    for by, one in pairs:
        k = normalized_axis(one, len(shape_of(a)))
        a = _rolled(a, by, k)
    return a


def _rolled(a: Any, by: int | Dim, axis: int) -> Any:
    n = shape_of(a)[axis]
    if not isinstance(n, Dim) and not isinstance(by, Dim):
        by = by % n if n else 0
    if by == 0:
        return a
    return joined([sliced(a, axis, slice(-by, None)), sliced(a, axis, slice(None, -by))], axis)


@implements(np.tile, samples=[sample(array(2, 3), 2), sample(array(3), (2, 2)), sample(array(2, 1), (3, 1, 2))])
def tile(A: Any, reps: Any) -> Any:
    """Return an array repeated as a whole along each axis."""
    counts = as_shape(reps)
    ndim = max(len(counts), len(shape_of(A)))
    sizes = (1,) * (ndim - len(shape_of(A))) + shape_of(A)
    counts = (1,) * (ndim - len(counts)) + counts
    lone = tuple(m for n in sizes for m in (1, n))
    spread = tuple(m for pair in zip(counts, sizes, strict=True) for m in pair)
    return reshaped(broadcast(reshaped(A, lone), spread), tuple(r * n for r, n in zip(counts, sizes, strict=True)))


@implements(
    np.repeat,
    samples=[sample(array(2, 3), 2), sample(array(2, 3), 3, axis=1), sample(array(3, 2), [1, 0, 2], axis=0)],
)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Return an array with each element, or each slice along an axis, repeated in place."""
    axis = along(axis, len(shape_of(a)))
    if axis is None:
        a, axis = ravel(a), 0
    sizes = shape_of(a)
    k = normalized_axis(axis, len(sizes))
    if isinstance(repeats, Dim) or np.size(repeats) == 1:
        times = repeats if isinstance(repeats, Dim) else as_size(np.ravel(repeats)[0])
        spread = broadcast(expand_dims(a, k + 1), (*sizes[: k + 1], times, *sizes[k + 1 :]))
        return reshaped(spread, (*sizes[:k], sizes[k] * times, *sizes[k + 1 :]))
    return take(a, np.repeat(np.arange(int(sizes[k])), repeats), axis=k)


@implements(
    np.pad,
    samples=[
        sample(array(3), 2),
        sample(array(2, 3), ((1, 0), (2, 1)), constant_values=1.5),
        sample(array(2, 3), (1, 2), constant_values=((0, 1), (2, 3))),
        sample(array(2, 3), {-1: (2, 0)}),
        sample(array(4), (2, 1), mode="edge"),
        sample(array(4, 3), ((2, 1), (0, 2)), mode="reflect"),
        sample(array(3), (4, 5), mode="wrap"),
        sample(array(3), (2, 3), mode="symmetric"),
    ],
)
def pad(array: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    """Return an array with a margin: constants, its edge, its mirror image, or the array continued periodically."""
    widths = _pairs(pad_width, len(shape_of(array)))
    if mode == "constant":
        return _pad_constant(array, widths, **kwargs)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise unsupported("pad", f"mode={mode!r} has no rule", hint="use constant, edge, reflect, symmetric or wrap")
    if kwargs.get("reflect_type", "even") != "even":
        raise unsupported("pad", "reflect_type='odd' has no rule")
    for axis, width in enumerate(widths):
        # NumPy pads the positions, so that its conventions for wide margins hold here too.
        where = np.pad(np.arange(int(shape_of(array)[axis])), width, mode=mode)  # type: ignore[call-overload]
        array = _runs_of(array, where.tolist(), axis)
    return array


def _pairs(given: Any, ndim: int) -> list[tuple[Any, Any]]:
    """Return a pair for each axis, of NumPy's shorter ways to say it."""
    if isinstance(given, dict):
        by_axis = {normalized_axis(axis, ndim): pair for axis, pair in given.items()}
        return [_pairs(by_axis.get(k, 0), 1)[0] for k in range(ndim)]
    pairs = np.broadcast_to(np.asarray(given), (ndim, 2))
    return [(before.item(), after.item()) for before, after in pairs]


def _pad_constant(x: Any, widths: list[tuple[int, int]], constant_values: Any = 0) -> Any:
    fills = _pairs(constant_values, len(widths))
    sizes = shape_of(x)
    if len({fill for pair in fills for fill in pair}) <= 1:
        shape = tuple(before + n + after for n, (before, after) in zip(sizes, widths, strict=True))
        ranges = tuple((before, 1, n) for n, (before, _) in zip(sizes, widths, strict=True))
        return x if shape == sizes else place(x, shape=shape, ranges=ranges, fill=fills[0][0] if fills else 0)
    for axis, (width, fill) in enumerate(zip(widths, fills, strict=True)):
        sizes = shape_of(x)
        margins = [(*sizes[:axis], w, *sizes[axis + 1 :]) for w in width]
        before, after = (broadcast(x.dtype.type(f), m) for f, m in zip(fill, margins, strict=True))
        x = concatenate_(before, x, after, axis=axis)
    return x


def _runs_of(x: Any, where: list[int], axis: int) -> Any:
    """Return the slices of `x` at positions along an axis, taken in runs: forwards, backwards, or one repeated."""
    pieces = []
    sizes = shape_of(x)
    start = 0
    while start < len(where):
        end = start + 1
        step = where[end] - where[start] if end < len(where) else 1
        while end < len(where) and abs(step) <= 1 and where[end] - where[end - 1] == step:
            end += 1
        taken = (where[start], step or 1, 1 if step == 0 else end - start)
        piece = sliced(x, axis, taken)
        pieces.append(piece if step else broadcast(piece, (*sizes[:axis], end - start, *sizes[axis + 1 :])))
        start = end
    return joined(pieces, axis)
