"""What records: steps, the values a recorder knows, and the recorders that are active in each thread."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from jitdiff.ir import Builder, Location
from jitdiff.ops.table import Op


class Step:
    """One operation as it happened; the reverse walk reads it like an `Apply` of the IR.

    Attributes
    ----------
    op : Op
        The operation.
    args, outs : sequence
        Operands (a Tensor or Variable, None for anything else) and the Tensors they gave.
    attrs : mapping
        Attributes of the call.
    values, result : list, Any
        The arrays of `args` and `outs` at that moment; `result` is a tuple for an op of several results.
    """

    __slots__ = ("args", "attrs", "op", "outs", "result", "values")

    def __init__(
        self,
        op: Op,
        args: Sequence[Any],
        attrs: Mapping[str, Any],
        outs: Sequence[Any],
        values: Sequence[Any],
        result: Any,
    ) -> None:
        self.op = op
        self.args = args
        self.attrs = attrs
        self.outs = outs
        self.values = values
        self.result = result


@dataclass(frozen=True, slots=True)
class Leak:
    """A known value that was used where no recorder can follow: how, and at which line of the user's.

    `numbers` says that it was turned into plain numbers, so that a derivative may have been lost; `step` is how many
    steps had been recorded by then.
    """

    value: Any
    how: str
    loc: Location | None
    numbers: bool = False
    step: int = 0


class Known(Protocol):
    """A set of values, told apart by identity."""

    def __contains__(self, x: object, /) -> bool:
        """Whether `x` is in it."""

    def __len__(self) -> int:
        """Return the number of values."""

    def add(self, x: Any, /) -> None:
        """Put `x` in."""

    def update(self, xs: Iterable[Any], /) -> None:
        """Put all of `xs` in."""


class KnownToAny:
    """The values that any of several recorders knows, also those that one comes to know, and more."""

    __slots__ = ("_more", "_recorders", "add", "update")

    def __init__(self, recorders: Iterable[Recorder]) -> None:
        self._recorders = tuple(recorders)
        self._more: set[Any] = set()
        self.add = self._more.add
        self.update = self._more.update

    def __contains__(self, x: object, /) -> bool:
        return x in self._more or any(x in r.known for r in self._recorders)

    def __len__(self) -> int:
        return len(self._more) + sum(len(r.known) for r in self._recorders)


class Recorder:
    """A list of steps, and which values they connect.

    Attributes
    ----------
    known : Known
        The watched values and the results computed from them.
    leaves : set
        The watched values.
    variables : set
        The Variables that were read or watched, of any dtype.
    steps : list of Step
        What was recorded.
    leaks : list of Leak
        Where known values went that could not be followed.
    takes_variables : bool
        Whether reading a trainable Variable watches it.
    keeps_leaves : bool
        Whether watched values must not be changed in place.
    strict : bool
        Whether a known value must not become plain numbers: the recorder belongs to a transform.
    trace : Builder or None
        The trace that the recording began in.
    """

    __slots__ = (
        "__weakref__",
        "keeps_leaves",
        "known",
        "leaks",
        "leaves",
        "steps",
        "strict",
        "takes_variables",
        "trace",
        "variables",
    )
    pushes: ClassVar[bool] = False
    """Whether `record` has to be called: it computes tangents at once, instead of keeping steps for later."""
    paused: ClassVar[bool] = False
    """Whether it only looks on, in place of a tape that does not record."""

    def __init__(self, takes_variables: bool = False, keeps_leaves: bool = True, strict: bool = False) -> None:
        self.takes_variables = takes_variables
        self.keeps_leaves = keeps_leaves
        self.strict = strict
        self.trace: Builder | None = None
        self.known: Known = set()
        self.leaves: set[Any] = set()
        self.variables: set[Any] = set()
        self.steps: list[Step] = []
        self.leaks: list[Leak] = []

    def watch(self, value: Any) -> None:
        """Make `value`, a Tensor or Variable of floating dtype, one that gradients can be taken by."""
        self.leaves.add(value)
        self.known.add(value)

    def record(self, step: Step, outs: Sequence[Any]) -> None:
        """Add a step that reads a known value; `outs` are its results of floating dtype."""
        self.steps.append(step)
        self.known.update(outs)

    def changed(self, value: Any) -> None:
        """Take note of a Tensor that was changed in place."""

    def accessed(self, variable: Any) -> None:
        """Take note of a Variable that is read or watched."""
        self.variables.add(variable)
        if variable.dtype.kind == "f":
            self.watch(variable)

    def clear(self) -> None:
        """Forget everything."""
        self.known = set()
        self.leaves = set()
        self.variables = set()
        self.steps = []
        self.leaks = []


class Changes(Recorder):
    """Takes note of the Variables that are read, and of the Tensors that are changed in place."""

    __slots__ = ("_changes", "_latest")

    def __init__(self) -> None:
        super().__init__(takes_variables=True)
        self._changes: list[weakref.ref[Any]] = []
        self._latest: dict[int, weakref.ref[Any]] = {}

    def changed(self, value: Any) -> None:
        """Note that `value` was changed."""
        latest = self._latest.get(id(value))
        if latest is None or latest() is not value:
            self._latest[id(value)] = weakref.ref(value)
            self._changes.append(self._latest[id(value)])

    def changes(self) -> dict[int, Any]:
        """Return those that still exist, by their number in the order of first changes."""
        return {k: x for k, ref in enumerate(self._changes) if (x := ref()) is not None}


class _Active(threading.local):
    def __init__(self) -> None:
        self.recorders: list[Recorder] = []


_active = _Active()


def active() -> list[Recorder]:
    """Return the recorders of this thread, outermost first; tapes stand before forward accumulators."""
    return _active.recorders


def is_recording() -> bool:
    """Whether a tape or accumulator records in this thread."""
    return bool(_active.recorders)


def start(recorder: Recorder) -> None:
    """Let `recorder` record in this thread, innermost of its kind."""
    recorders = _active.recorders
    position = len(recorders)
    while not recorder.pushes and position and recorders[position - 1].pushes:
        position -= 1
    recorders.insert(position, recorder)


def stop(recorder: Recorder) -> None:
    """End what `start` began; no harm if it does not record."""
    if recorder in _active.recorders:
        _active.recorders.remove(recorder)


@contextmanager
def started(recorder: Recorder) -> Iterator[None]:
    """Let `recorder` record inside the block, beside those that do."""
    start(recorder)
    try:
        yield
    finally:
        stop(recorder)


@contextmanager
def recording(recorders: Sequence[Recorder]) -> Iterator[None]:
    """Let exactly these record inside the block."""
    previous, _active.recorders = _active.recorders, list(recorders)
    try:
        yield
    finally:
        _active.recorders = previous


References = list[weakref.ref[Recorder]]


def remember() -> References:
    """Return weak references to the tapes that record now, around what is to come."""
    return [weakref.ref(r) for r in _active.recorders if not r.pushes]


def around(references: References) -> list[Recorder]:
    """Return the recorders of a gradient's own computation: those remembered that can still use it, and the active."""
    now = [r for r in _active.recorders if not r.paused]
    remembered = [r for ref in references if (r := ref()) is not None and r.known and r not in now]
    return [*remembered, *now]
