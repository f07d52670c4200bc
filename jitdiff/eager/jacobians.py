"""Jacobians from a recording: one walk back for each element of the target."""

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


def jacobian(
    recorder: Recorder, target: EagerHandle, sources: Sequence[EagerHandle], outer: Sequence[Recorder]
) -> list[Tensor | None]:
    """Return the Jacobian of `target` by each source, of shape ``target.shape + source.shape``.

    It is None where they are not connected.
    """
    seeds = np.eye(target.size, dtype=target.dtype).reshape(target.size, *target.shape)
    rows = [backward(recorder, [target], [_scalar(seed)], sources, outer) for seed in seeds]
    return [_stacked([row[k] for row in rows], x, (*target.shape, *x.shape), 0, outer) for k, x in enumerate(sources)]


def batch_jacobian(recorder: Recorder, target: EagerHandle, source: EagerHandle, outer: Sequence[Recorder]) -> Tensor:
    """Return the Jacobian of each row of `target` by the same row of `source`: [b, y..., x...].

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
    rows = [backward(recorder, [target], [np.broadcast_to(unit, target.shape)], [source], outer)[0] for unit in units]
    shape = (*target.shape, *source.shape[1:])
    found = _stacked(rows, source, shape, 1, outer)
    return tensor_of(np.zeros(shape, source.dtype)) if found is None else found


def _scalar(seed: np.ndarray[Any, Any]) -> Any:
    return seed if seed.shape else seed[()]


def _stacked(
    rows: Sequence[Tensor | None], source: EagerHandle, shape: tuple[int, ...], axis: int, outer: Sequence[Recorder]
) -> Tensor | None:
    """Return the rows as one Tensor, zeros where a row is None; None if all are."""
    if rows and all(row is None for row in rows):
        return None
    if not rows:
        return tensor_of(np.zeros(shape, source.dtype))
    full = [tensor_of(np.zeros(source.shape, source.dtype)) if row is None else row for row in rows]
    if outer:
        with recording(outer):
            together: Any = np.stack(full, axis=axis)
            return np.reshape(together, shape)  # type: ignore[return-value]
    return tensor_of(np.stack([row._value for row in full], axis=axis).reshape(shape))
