"""A tape inside a trace: the program being built is the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitdiff.ad import active_values, pull
from jitdiff.eager.recorder import Recorder
from jitdiff.eager.tensor import Tensor
from jitdiff.eager.variable import Variable
from jitdiff.errors import TracingError
from jitdiff.ir import ArrayType, Const, Value
from jitdiff.ir.builder import Builder, current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Tracer
from jitdiff.ops.elementwise import identity
from jitdiff.ops.shape import broadcast_to


class TraceSpan:
    """The nodes that a trace appended since a tape was entered.

    Parameters
    ----------
    builder : Builder
        Where the tape was entered.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.start = len(builder.block.nodes)

    @staticmethod
    def now() -> TraceSpan | None:
        """Return a span that starts here, or None outside of a trace."""
        builder = current_builder()
        return None if builder is None else TraceSpan(builder)

    def refuse_pause(self) -> None:
        """Raise, since a program has no moment at which a tape does not look."""
        raise TracingError(
            "stop_recording() inside a compiled function",
            where=describe(caller()),
            hint="use jd.stop_gradient on the values that are to be constant",
        )

    def gradient(
        self, recorder: Recorder, targets: Sequence[Any], seeds: Sequence[Any], sources: Sequence[Any]
    ) -> list[Any]:
        """Append the adjoint of the nodes so far, and return the gradient by each source or None.

        `recorder` says what is watched.
        """
        watched = [v for x in recorder.leaves if (v := self._value(x)) is not None]
        if recorder.takes_variables:
            captures = self.builder.root.captures.values()
            watched += [value for x, value in captures if isinstance(x, Variable) and x.trainable]
        known = active_values(self.builder.block.nodes[self.start :], [v for v in watched if v.type.is_float])
        pairs = []
        for target, seed in zip(targets, seeds, strict=True):
            value = self._value(target)
            if value is not None:
                pairs.append((value, filled(target, 1.0) if seed is None else seed))
        values = [self._value(x) for x in sources]
        found = pull(self.builder, self.start, pairs, [v for v in values if v is not None and v in known])
        by_value = dict(zip([v for v in values if v is not None and v in known], found, strict=True))
        return [None if v is None else by_value.get(v) for v in values]

    def _value(self, x: Any) -> Value | None:
        """Return the value that stands for `x` in the program."""
        if isinstance(x, Tracer):
            return x.atom if isinstance(x.atom, Value) else None
        if isinstance(x, Tensor | Variable):
            capture = self.builder.root.captures.get(id(x))
            return capture[1] if capture else None
        return None


def copied(x: Tracer) -> Tracer:
    """Return another value of the program that is equal to `x`."""
    return identity(x)  # type: ignore[no-any-return]


def filled(like: Any, number: float) -> Tracer:
    """Return a value of the program with the shape and dtype of `like`, each element `number`."""
    scalar = copied(Tracer(Const.of(number, ArrayType(like.dtype))))
    return broadcast_to(scalar, shape=like.shape) if like.shape else scalar
