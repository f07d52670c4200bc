"""Jacobians from a recording: one walk back for many elements of the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.eager.backward import backward
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.recorder import Recorder, recording
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.errors import ShapeError
from jitdiff.ir.location import caller, describe
from jitdiff.ops.batched import Batched

PASS_BYTES = 1 << 20
"""The arrays of a walk with a batch of cotangents are not larger.

Below, what a walk takes is the overhead of its operations, which all rows of the batch share. Above, the arithmetic of
each row takes its time anyway, and is better done where the cache is.
"""

FEWEST = 4
"""The smallest batch that is worth it: an operation on a batch has the overhead of about three on single rows."""


def rows_at_once(recorder: Recorder) -> int:
    """Return how many cotangents to pull back, or tangents to push, in one walk."""
    largest = max((out._value.nbytes for step in recorder.steps for out in step.outs), default=1)
    return max(PASS_BYTES // max(largest, 1), 1)


def backward_rows(
    recorder: Recorder,
    targets: Sequence[EagerHandle],
    seeds: Sequence[Any],
    sources: Sequence[EagerHandle],
    outer: Sequence[Recorder],
) -> list[Any]:
    """Return what `backward` does for seeds that are batches, in as many walks as is best: batches, or None.

    Parameters
    ----------
    seeds : sequence of Batched or None
        Cotangents of the targets; here None stands for zero.
    """
    pairs = [(y, g) for y, g in zip(targets, seeds, strict=True) if g is not None]
    count = len(pairs[0][1].value)
    if not count:
        return [Batched(np.zeros((0, *x.shape), x.dtype)) for x in sources]
    step = rows_at_once(recorder)
    if min(step, count) < FEWEST:
        return _one_by_one(recorder, pairs, sources, outer)
    if step >= count:
        return backward(recorder, [y for y, _ in pairs], [g for _, g in pairs], sources, outer)
    pieces = []
    for start in range(0, count, step):
        part = [Batched(g.value[start : start + step]) for _, g in pairs]
        pieces.append(backward(recorder, [y for y, _ in pairs], part, sources, outer))
    with recording(outer):
        return [_joined(column, x, step, count) for column, x in zip(zip(*pieces, strict=True), sources, strict=True)]


def _one_by_one(
    recorder: Recorder, pairs: Sequence[tuple[Any, Batched]], sources: Sequence[EagerHandle], outer: Sequence[Recorder]
) -> list[Any]:
    targets = [y for y, _ in pairs]
    rows = [
        backward(recorder, targets, [g.value[i] for _, g in pairs], sources, outer)
        for i in range(len(pairs[0][1].value))
    ]
    if not outer:
        rows = [[row if row is None else row._value for row in each] for each in rows]
    with recording(outer):
        return [_stacked(column, x) for column, x in zip(zip(*rows, strict=True), sources, strict=True)]


def _stacked(column: Sequence[Any], x: EagerHandle) -> Any:
    if all(row is None for row in column):
        return None
    return Batched(np.stack([np.zeros(x.shape, x.dtype) if row is None else row for row in column]))


def _joined(pieces: Sequence[Any], x: EagerHandle, step: int, count: int) -> Any:
    if all(piece is None for piece in pieces):
        return None
    sizes = [min(step, count - start) for start in range(0, count, step)]
    full = [
        np.zeros((n, *x.shape), x.dtype) if piece is None else piece.value
        for piece, n in zip(pieces, sizes, strict=True)
    ]
    return Batched(np.concatenate(full))


def jacobian(
    recorder: Recorder, target: EagerHandle, sources: Sequence[EagerHandle], outer: Sequence[Recorder]
) -> list[Any]:
    """Return the Jacobian of `target` by each source, of shape ``target.shape + source.shape``.

    It is a Tensor, or None where they are not connected.
    """
    n = target.size
    units = np.eye(n, dtype=target.dtype).reshape(n, *target.shape)
    rows = _rows(recorder, target, units, sources, outer)
    with recording(outer):
        return [
            None if r is None else np.reshape(r, (*target.shape, *x.shape)) for r, x in zip(rows, sources, strict=True)
        ]


def batch_jacobian(recorder: Recorder, target: EagerHandle, source: EagerHandle, outer: Sequence[Recorder]) -> Any:
    """Return the Jacobian of each row of `target` by the same row of `source`, a Tensor [b, y..., x...].

    Raises
    ------
    ShapeError
        If they have not the same number of rows.
    """
    for x in (target, source):
        if x.ndim < 2:
            raise ShapeError(f"batch_jacobian: Shape {x.shape} must have rank at least 2", where=describe(caller()))
    if target.shape[0] != source.shape[0]:
        raise ShapeError(
            f"batch_jacobian: Need first dimension of target shape ({target.shape}) and source shape ({source.shape}) "
            "to match.",
            where=describe(caller()),
        )
    inner = target.shape[1:]
    size = int(np.prod(inner))
    units = np.eye(size, dtype=target.dtype).reshape(size, 1, *inner)
    (rows,) = _rows(recorder, target, np.broadcast_to(units, (size, *target.shape)), [source], outer)
    shape = (*target.shape, *source.shape[1:])
    if rows is None:
        return tensor_of(np.zeros(shape, source.dtype))
    with recording(outer):
        return np.reshape(np.moveaxis(rows, 0, 1), shape)


def _rows(
    recorder: Recorder, target: EagerHandle, units: Any, sources: Sequence[EagerHandle], outer: Sequence[Recorder]
) -> list[Any]:
    """Return for each source the gradients of `target` with each of the cotangents `units`, a Tensor, or None."""
    return [
        None if g is None else g.value if isinstance(g.value, Tensor) else tensor_of(g.value)
        for g in backward_rows(recorder, [target], [Batched(units)], sources, outer)
    ]
