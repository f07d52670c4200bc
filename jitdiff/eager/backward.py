"""Taking gradients: the reverse walk over what a recorder holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.ad import Cotangents, Mask, Part, walk
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.inplace import Changed, first
from jitdiff.eager.recorder import Recorder, Step, recording
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.ops import OPS
from jitdiff.ops.batched import Batched
from jitdiff.ops.fit import fit


def backward(
    recorder: Recorder,
    targets: Sequence[EagerHandle],
    seeds: Sequence[Any],
    sources: Sequence[Any],
    outer: Sequence[Recorder],
    masking: bool = True,
    masks: Sequence[Mask | None] = (),
) -> list[Any]:
    """Return the gradient of the sum of ``targets * seeds`` by each source, None where it is not connected.

    Parameters
    ----------
    recorder : Recorder
        What was recorded between sources and targets.
    targets : sequence of Tensor or Variable
        What to differentiate.
    seeds : sequence of Tensor, array, Batched or None
        A cotangent for each target, of its shape and dtype; None for ones. Of a batch of cotangents all are pulled
        back in one walk, and the gradients are batches.
    sources : sequence of Tensor or Variable
        What to differentiate by.
    outer : sequence of Recorder
        The recorders that the computation is recorded on. With none, it runs on plain arrays.
    masking : bool
        Whether zero cotangents of what was not taken win over infinite slopes; of no use in a linear program.
    masks : sequence of Mask or None, optional
        Which elements of each target count. Then each gradient is a `Part`, and says the same.
    """
    steps = list(recorder.steps)
    cotangents = Cotangents(wanted(recorder, steps, sources), set(sources), masking, steps if masking else ())
    sums = cotangents.sums
    for target, seed in zip(targets, seeds, strict=True):
        g: Any = _ones(target) if seed is None else seed
        g = _in_world(g, bool(outer))
        sums[target] = g if target not in sums else OPS["add"](sums[target], g)
    if any(mask is not None for mask in masks):
        cotangents.masks = {t: mask for t, mask in zip(targets, masks, strict=True) if mask is not None}
    with recording(outer), np.errstate(all="ignore"):
        walk(reversed(steps), cotangents, read_tensors if outer else read_arrays)
    if masks:
        return [Part(_tensor(part.g), part.mask) for part in map(cotangents.part, sources)]
    return [_tensor(sums.get(source)) for source in sources]


def _in_world(g: Any, recorded: bool) -> Any:
    """Return a cotangent, or a batch of them, as the walk takes it: a Tensor if that is recorded, else an array."""
    if isinstance(g, Batched):
        return Batched(_in_world(g.value, recorded))
    if recorded:
        return g if isinstance(g, Tensor) else tensor_of(g)
    return g._value if isinstance(g, Tensor) else g


def wanted(recorder: Recorder, steps: Sequence[Step], sources: Sequence[Any]) -> Callable[[Any], bool]:
    """Return the test whether a value lies between the sources and anything recorded."""
    known = recorder.known
    if recorder.leaves <= set(sources):
        return known.__contains__
    between = {x for x in sources if x in known}
    for step in steps:
        for x in step.args:
            if x in between:
                between.update(out for out in step.outs if out in known)
                break
    return between.__contains__


def _ones(target: EagerHandle) -> Any:
    value = target._value
    return np.ones(value.shape, value.dtype) if value.shape else value.dtype.type(1)


def read_arrays(step: Step) -> tuple[Sequence[Any], Any]:
    """Return operands and result of a step as arrays."""
    return step.values, step.result


def read_tensors(step: Step) -> tuple[Sequence[Any], Any]:
    """Return operands and result of a step as Tensors, so that what is computed from them is recorded."""
    xs = [_tensor_then(x, value) for x, value in zip(step.args, step.values, strict=True)]
    ys = tuple(_tensor_then(y, None) for y in step.outs)
    return xs, ys if step.op.multiple else ys[0]


def _tensor_then(x: Any, value: Any) -> Any:
    """Return an operand or result as the Tensor that it was in a step, whatever was done to it since."""
    if type(x) is Tensor:
        return x
    return first(x) if isinstance(x, Changed) else value


def _tensor(g: Any) -> Tensor | Batched | None:
    return g if g is None or isinstance(g, Tensor | Batched) else tensor_of(g)


def fitted(g: Any, like: EagerHandle) -> Any:
    """Return a cotangent, whose shape is right, in the dtype of `like`."""
    return g if g.dtype == like.dtype else fit(g, like.type)
