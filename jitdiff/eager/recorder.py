"""What records: steps, the values a recorder knows, and the recorders that are active in each thread."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
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
    once : bool
        Whether it gives one derivative, of which it records nothing itself.
    strict : bool
        Whether a known value must not become plain numbers: the recorder belongs to a transform.
    trace : Builder or None
        The trace that the recording began in.
    suspended : bool
        Whether it is told to stop recording for a while.
    failure : Exception or None
        What was raised in another thread, where it may have reached nobody.
    """

    __slots__ = (
        "__weakref__",
        "failure",
        "keeps_leaves",
        "known",
        "leaks",
        "leaves",
        "once",
        "steps",
        "strict",
        "suspended",
        "takes_variables",
        "trace",
        "variables",
    )
    pushes: ClassVar[bool] = False
    """Whether `record` has to be called: it computes tangents at once, instead of keeping steps for later."""
    paused: ClassVar[bool] = False
    """Whether it only looks on, in place of a tape that does not record."""

    def __init__(
        self, takes_variables: bool = False, keeps_leaves: bool = True, strict: bool = False, once: bool = True
    ) -> None:
        self.takes_variables = takes_variables
        self.keeps_leaves = keeps_leaves
        self.strict = strict
        self.once = once
        self.trace: Builder | None = None
        self.suspended = False
        self.failure: Exception | None = None
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
        self.exactly = False
        """Whether those of other threads take no part."""
        self.has_tapes = False
        """Whether this thread has ever begun a tape."""


_active = _Active()
_by_thread: dict[int, list[Recorder]] = {}
"""The recorders that each thread has started."""


def active() -> list[Recorder]:
    """Return the recorders of this thread, outermost first; tapes stand before forward accumulators.

    Those of other threads take part: a value belongs to the transform that it was made in, in whatever thread it is
    used. Tapes of other threads do so only where this thread never had one: threads that share Variables have theirs.
    """
    own = _active.recorders
    if _active.exactly or len(_by_thread) <= bool(own):
        return own
    return sorted([*_elsewhere(own), *own], key=attrgetter("pushes"))


def _elsewhere(own: Sequence[Recorder]) -> list[Recorder]:
    """Return the recorders of other threads that take part in this one."""
    here = threading.get_ident()
    others = [r for thread, recorders in list(_by_thread.items()) if thread != here for r in list(recorders)]
    return [r for r in others if (r.strict or not _active.has_tapes) and not r.suspended and r not in own]


def is_helping() -> bool:
    """Whether this thread takes part in recordings of others and has none of its own."""
    return not _active.recorders and bool(active())


def is_recording() -> bool:
    """Whether a tape or accumulator records in this thread."""
    return bool(active())


def start(tape: Recorder) -> None:
    """Let the recorder of a tape or accumulator record in this thread, innermost of its kind."""
    _active.has_tapes = True
    _start(tape)


def _start(recorder: Recorder) -> None:
    recorders = _active.recorders
    position = len(recorders)
    while not recorder.pushes and position and recorders[position - 1].pushes:
        position -= 1
    recorders.insert(position, recorder)
    _by_thread.setdefault(threading.get_ident(), []).append(recorder)


def stop(recorder: Recorder) -> None:
    """End what `start` began; no harm if it does not record."""
    if recorder in _active.recorders:
        _active.recorders.remove(recorder)
    thread = threading.get_ident()
    if recorder in (started := _by_thread.get(thread, [])):
        started.remove(recorder)
        if not started:
            del _by_thread[thread]


@contextmanager
def started(recorder: Recorder) -> Iterator[None]:
    """Let `recorder` record inside the block, beside those that do.

    Raises
    ------
    Exception
        What was raised in other threads on account of it.
    """
    _start(recorder)
    try:
        yield
    except Exception as error:
        if recorder.failure not in (None, error):
            raise recorder.failure from error
        raise
    finally:
        stop(recorder)
    if recorder.failure is not None:
        raise recorder.failure


def fail(recorders: Iterable[Recorder], error: Exception) -> None:
    """Let recorders of other threads keep an error that is raised in this one, where nobody may look for it."""
    for recorder in recorders:
        if recorder not in _active.recorders:
            recorder.failure = error


@contextmanager
def recording(recorders: Sequence[Recorder]) -> Iterator[None]:
    """Let exactly these record inside the block."""
    previous = _active.recorders, _active.exactly
    _active.recorders, _active.exactly = list(recorders), True
    try:
        yield
    finally:
        _active.recorders, _active.exactly = previous


References = list[weakref.ref[Recorder]]


def remember() -> References:
    """Return weak references to the tapes that record now, around what is to come."""
    return [weakref.ref(r) for r in active() if not r.pushes]


def around(references: References) -> list[Recorder]:
    """Return the recorders of a gradient's own computation: those remembered that can still use it, and the active."""
    now = [r for r in active() if not r.paused]
    remembered = [r for ref in references if (r := ref()) is not None and r.known and r not in now]
    return [*remembered, *now]
