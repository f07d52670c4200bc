"""Loops that save little: cut into segments, which their adjoints run anew from the carries at their beginning.

The adjoint of a loop of n iterations, in segments of k, has n / k sets of carries and what k iterations save, for one
forward pass more (Griewank and Walther, Evaluating Derivatives, chapter 12, on one level of their schedules). With k
the root of n both are of the order of the root of n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError
from jitdiff.ir.location import caller, describe
from jitdiff.ops import control
from jitdiff.ops.control import Function, fori_with_lasts
from jitdiff.ops.tracer import Tracer, lift

Checkpoint = int | str | None
"""Iterations from one checkpoint to the next; ``"sqrt"`` for the root of the number of trips; None for none."""


def once(function: Callable[[], Sequence[Any]]) -> list[Any]:
    """Append what `function` computes, its adjoint to compute it anew from the values around that it reads."""
    results: list[Any] = []

    def body(_: Any) -> Sequence[Any]:
        results[:] = function()
        return []

    return fori_with_lasts(1, body, [], lambda: results, restart=True)[2]


def fori(
    trip: Any, body: Function, init: Sequence[Any], checkpoint: Checkpoint, lasts: Callable[[], Sequence[Any]] = list
) -> tuple[list[Any], list[Any], list[Any]]:
    """Append a counted loop in segments. Otherwise as `control.fori_with_lasts`.

    The number of trips must not be traced if the body stacks values.
    """
    trip = trip if isinstance(trip, int) else Tracer(lift(trip))
    length = length_of(checkpoint, trip)
    count = (trip + length - 1) // length
    even = isinstance(trip, int) and isinstance(length, int) and trip % length == 0
    left: list[Any] = []

    def segment(s: Any, *carries: Any) -> Sequence[Any]:
        first = s * length
        rest = length if even else np.minimum(trip - first, length)
        rows = length if isinstance(length, int) else None
        after, stacked, left[:] = fori_with_lasts(rest, lambda j, *c: body(first + j, *c), carries, lasts, rows)
        return [*after, *stacked]

    outs, stacked, behind = fori_with_lasts(count, segment, init, lambda: left, restart=True)
    return outs, [np.reshape(s, (count * length, *s.shape[2:]))[:trip] for s in stacked], behind


def while_(condition: Callable[..., Any], body: Function, init: Sequence[Any], checkpoint: Checkpoint) -> list[Any]:
    """Append a loop under a condition in segments; with ``"sqrt"`` each is one iteration longer than the one before.

    So the number of segments and the longest of them grow as the root of twice the number of trips, which nobody knows.
    """
    length = None if checkpoint == "sqrt" else length_of(checkpoint, 1)

    def segment(s: Any, *carries: Any) -> Sequence[Any]:
        limit = s + 1 if length is None else length
        (_, *after), _, _ = control.while_(
            lambda j, *c: np.logical_and(j < limit, condition(*c)), lambda j, *c: [j + 1, *body(*c)], [0, *carries]
        )
        return [s + 1, *after]

    (_, *outs), _, _ = control.while_(lambda _, *c: condition(*c), segment, [0, *init], restart=True)
    return outs


def length_of(checkpoint: Checkpoint, trip: Any) -> Any:
    """Return the number of iterations of a segment.

    Raises
    ------
    ArgumentError
        If `checkpoint` is neither a positive number nor ``"sqrt"``.
    """
    if checkpoint == "sqrt":
        root = np.ceil(np.sqrt(np.maximum(trip, 1) * 1.0))
        return int(root) if isinstance(trip, int) else root.astype(np.int64)
    if isinstance(checkpoint, np.integer):
        checkpoint = int(checkpoint)
    if not isinstance(checkpoint, int) or checkpoint < 1:
        raise ArgumentError(
            f'checkpoint must be a positive number of iterations or "sqrt", not {checkpoint!r}',
            where=describe(caller()),
        )
    return checkpoint
