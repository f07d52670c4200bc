"""Forward mode: tangents computed as operations happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from jitdiff.eager.backward import backward, read_arrays, read_tensors
from jitdiff.eager.recorder import Recorder, Step, active, recording
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.ops.fit import fit


class Pusher(Recorder):
    """A recorder that keeps the tangent of every value it knows, instead of steps."""

    __slots__ = ("tangents",)
    pushes: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.tangents: dict[Any, Tensor] = {}

    def set(self, primal: EagerHandle, tangent: Tensor) -> None:
        """Give a value its tangent."""
        self.watch(primal)
        self.tangents[primal] = tangent

    def tangent(self, x: Any) -> Tensor | None:
        """Return the tangent of a value, or None."""
        return self.tangents.get(x)

    def record(self, step: Step, outs: Sequence[Any]) -> None:
        """Compute the tangents of a step's results."""
        recorders = active()
        # Those around this one follow the tangents; it does not follow its own, nor do those inside it.
        outer = recorders[: recorders.index(self)]
        found = pushforward(step, [self.tangents.get(x) for x in step.args], outer)
        for out, tangent in zip(step.outs, found, strict=True):
            if tangent is not None:
                self.set(out, tangent)

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self.tangents = {}


def pushforward(step: Step, tangents: Sequence[Tensor | None], outer: Sequence[Recorder]) -> list[Tensor | None]:
    """Return the tangent of each result of a step, given those of its operands.

    The op's rule is linear in the cotangent: it is run on one, recorded, and walked back.
    """
    xs, y = (read_tensors if outer else read_arrays)(step)
    inner = Recorder()
    gs = [tensor_of(np.ones(out.shape, out.dtype)) if out.dtype.kind == "f" else None for out in step.outs]
    for g in gs:
        if g is not None:
            inner.watch(g)
    with recording([*outer, inner]), np.errstate(all="ignore"):
        pulled = step.op.pullback(xs, y, tuple(gs) if step.op.multiple else gs[0], step.attrs)
        pairs = [
            (fit(ct, arg.type), tangent)
            for arg, ct, tangent in zip(step.args, pulled, tangents, strict=True)
            if tangent is not None and isinstance(ct, Tensor)
        ]
    found = iter(backward(inner, [p[0] for p in pairs], [p[1] for p in pairs], [g for g in gs if g is not None], outer))
    return [None if g is None else next(found) for g in gs]
