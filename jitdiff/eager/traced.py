"""A tape inside a trace: the program being built is the recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitdiff.ad import active_values, pull
from jitdiff.eager.recorder import Recorder
from jitdiff.eager.tensor import Tensor
from jitdiff.eager.variable import Variable
from jitdiff.errors import TracingError
from jitdiff.ir import ArrayType, Const, Dim, Shape, Value, outs_of
from jitdiff.ir.builder import Builder, current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Tracer, control
from jitdiff.ops.basis import basis
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
        self.stop: int | None = None
        self.constants: set[Value] = set()
        self._fixed: list[Tracer] = []

    @staticmethod
    def now() -> TraceSpan | None:
        """Return a span that starts here, or None outside of a trace."""
        builder = current_builder()
        return None if builder is None else TraceSpan(builder)

    def watched(self, x: Tracer) -> Tracer:
        """Return what stands for the present value of `x`, which cannot be changed in place while the tape records."""
        if not x.fixed:
            x.fixed = "a tape watches it"
            self._fixed.append(x)
        return Tracer(x.atom)

    def end(self) -> None:
        """End the span here; what was watched can be changed in place again."""
        self.stop = len(self.builder.block.nodes)
        for x in self._fixed:
            x.fixed = ""
        self._fixed = []

    def resume(self) -> None:
        """Go on with the span; what was appended since its end is constant to the tape."""
        if self.stop is not None:
            nodes = self.builder.block.nodes[self.stop :]
            self.constants.update(v for node in nodes for v in outs_of(node))
            self.stop = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Return a context in which what is appended is constant to the tape."""
        builder = current_builder()
        if builder is not self.builder:
            raise TracingError(
                "stop_recording() in a branch or loop of a compiled function, of a tape entered around it",
                where=describe(caller()),
                hint="use jd.stop_gradient on the values that are to be constant",
            )
        nodes = self.builder.block.nodes
        first = len(nodes)
        try:
            yield
        finally:
            self.constants.update(v for node in nodes[first:] for v in outs_of(node))

    def gradient(
        self, recorder: Recorder, targets: Sequence[Any], seeds: Sequence[Any], sources: Sequence[Any]
    ) -> list[Any]:
        """Append the adjoint of the nodes so far, and return the gradient by each source or None.

        `recorder` says what is watched.
        """
        pairs = []
        for target, seed in zip(targets, seeds, strict=True):
            value = self._value(target)
            if value is not None:
                pairs.append((value, filled(target, 1.0) if seed is None else seed))
        known = self._known(recorder)
        values = [v if v in known else None for v in map(self._value, sources)]
        wrt = [v for v in values if v is not None]
        by_value = dict(zip(wrt, self._pull(pairs, wrt), strict=True))
        return [None if v is None else by_value[v] for v in values]

    def jacobian(self, recorder: Recorder, target: Any, sources: Sequence[Any]) -> list[Any]:
        """Append a loop over the elements of `target`, and return the Jacobian by each source or None."""
        shape = target.shape
        size = _count(shape)

        def seed(i: Any) -> Any:
            return np.reshape(basis(i, size=size, dtype=target.dtype), shape) if shape else filled(target, 1.0)

        rows = self._rows(recorder, target, sources, size, seed)
        return [None if r is None else np.reshape(r, (*shape, *x.shape)) for r, x in zip(rows, sources, strict=True)]

    def batch_jacobian(self, recorder: Recorder, target: Any, source: Any) -> Any:
        """Append a loop over the elements of a row of `target`; see `GradientTape.batch_jacobian`."""
        (count, *inner), size = target.shape, _count(target.shape[1:])

        def seed(i: Any) -> Any:
            unit = np.reshape(basis(i, size=size, dtype=target.dtype), (1, *inner))
            return np.broadcast_to(unit, target.shape)

        (rows,) = self._rows(recorder, target, [source], size, seed)
        shape = (count, *inner, *source.shape[1:])
        return filled(source, 0.0, shape) if rows is None else np.reshape(np.moveaxis(rows, 0, 1), shape)

    def _rows(
        self, recorder: Recorder, target: Any, sources: Sequence[Any], size: int | Dim, seed: Callable[[Any], Any]
    ) -> list[Any]:
        """Return for each source the gradients of `target` with each of `size` seeds, stacked, or None."""
        known, y = self._known(recorder), self._value(target)
        values = [v if v in known and y in self._active([v]) else None for v in map(self._value, sources)]
        wrt = list(dict.fromkeys(v for v in values if v is not None))
        if not wrt:
            return [None] * len(sources)

        def row(i: Any) -> list[Any]:
            return [
                filled(v, 0.0) if g is None else g for v, g in zip(wrt, self._pull([(y, seed(i))], wrt), strict=True)
            ]

        stacked = dict(zip(wrt, control.fori(size, row, [])[1], strict=True))
        return [None if v is None else stacked[v] for v in values]

    def _pull(self, pairs: Sequence[tuple[Any, Any]], wrt: Sequence[Value]) -> list[Any]:
        return pull(self.builder, self.start, pairs, wrt, self.stop, self.constants)

    def _known(self, recorder: Recorder) -> set[Value]:
        """Return the watched values and those that depend on them."""
        watched = [v for x in recorder.leaves if (v := self._value(x)) is not None]
        if recorder.takes_variables:
            captures = self.builder.root.captures.values()
            watched += [value for x, value in captures if isinstance(x, Variable) and x.trainable]
        return self._active([v for v in watched if v.type.is_float])

    def _active(self, seeds: Sequence[Value]) -> set[Value]:
        return active_values(self.builder.block.nodes[self.start : self.stop], seeds, self.constants)

    def _value(self, x: Any) -> Value | None:
        """Return the value that stands for `x` in the program."""
        if isinstance(x, Tracer):
            return x.atom if isinstance(x.atom, Value) else None
        if isinstance(x, Tensor | Variable):
            capture = self.builder.root.captures.get(id(x))
            return capture[1] if capture else None
        return None


def _count(shape: Shape) -> int | Dim:
    total: int | Dim = 1
    for n in shape:
        total = total * n
    return total


def copied(x: Tracer) -> Tracer:
    """Return another value of the program that is equal to `x`."""
    return identity(x)  # type: ignore[no-any-return]


def filled(like: Any, number: float, shape: Shape | None = None) -> Tracer:
    """Return a value of the program with the dtype of `like` and its shape unless told, each element `number`."""
    scalar = copied(Tracer(Const.of(number, ArrayType(like.dtype))))
    sizes = like.shape if shape is None else shape
    return broadcast_to(scalar, shape=sizes) if sizes else scalar
