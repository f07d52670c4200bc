"""What a tape goes through: entered, recording, paused, used; and what it may be asked when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Self

from jitdiff.eager.explain import Paused, Told
from jitdiff.eager.recorder import Recorder, References, active, around, recording, remember, start, stop
from jitdiff.eager.tensor import Tensor
from jitdiff.eager.traced import TraceSpan
from jitdiff.eager.variable import Variable, in_order
from jitdiff.errors import TapeError, TapeWarning, TracingError
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe, warn

USED = (
    "GradientTape.gradient can only be called once on non-persistent tapes. A non-persistent GradientTape can only be "
    "used to compute one set of gradients (or jacobians)."
)


class Recording:
    """The state of a tape, and the changes of it.

    Parameters
    ----------
    persistent, watch_accessed_variables : bool
        As for `GradientTape`.
    """

    __slots__ = (
        "__weakref__",
        "_entered",
        "_outer",
        "_persistent",
        "_recorder",
        "_recording",
        "_span",
        "_told",
        "_used",
        "_variables",
        "_warned",
    )

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._recorder = Recorder(takes_variables=watch_accessed_variables, once=not persistent)
        self._persistent = persistent
        self._recording = False
        self._entered = False
        self._used = False
        self._outer: References = []
        self._told = Told()
        self._variables: tuple[Variable, ...] = ()
        self._span: TraceSpan | None = None
        self._warned = False

    def _require_followed(self) -> None:
        """Refuse that known values become plain numbers, as transforms do."""
        self._recorder.strict = True

    def __enter__(self) -> Self:
        if self._recording:
            raise TapeError(
                "Tape is still recording, This can happen if you try to re-enter an already-active tape.",
                where=describe(caller()),
            )
        self._entered = self._recording = True
        self._used = False
        self._outer = remember()
        start(self._recorder)
        self._span = self._span or TraceSpan.now()
        if self._span is not None:
            self._span.resume()
        self._recorder.trace = self._span.builder.root if self._span else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recording:
            self._stop()

    def _stop(self) -> None:
        self._recording = False
        stop(self._recorder)
        if self._span is not None:
            self._span.end()

    def watched_variables(self) -> tuple[Variable, ...]:
        """Return the Variables that the tape watches or watched, in the order of their construction."""
        return tuple(in_order(self._recorder.variables)) or self._variables

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Return a context in which this tape does not record: what is computed there is constant to it.

        Examples
        --------
        >>> import jitdiff as jd
        >>> x = jd.Variable(3.0)
        >>> with jd.GradientTape() as tape:
        ...     with tape.stop_recording():
        ...         z = x * x
        ...     y = z + x
        >>> print(tape.gradient(y, x))
        jd.Tensor(1.0, shape=(), dtype=float64)
        """
        if not self._recording:
            raise TapeError("Trying to stop recording a tape which is not recording.", where=describe(caller()))
        if self._span is None:
            self._require_same_world("stop_recording")
        stand_in = Paused(self._recorder)
        paused = nullcontext() if self._span is None else self._span.paused()
        try:
            with paused, recording([stand_in if r is self._recorder else r for r in active()]):
                self._recording, self._recorder.suspended = False, True
                yield
        finally:
            self._recorder.suspended = False
            if self._used:
                self._stop()
            else:
                self._recording = True

    def reset(self) -> None:
        """Forget everything that was recorded and watched, and go on recording.

        Raises
        ------
        TapeError
            If the tape is not recording.
        """
        if not self._recording:
            raise TapeError("Tape is not recording.", where=describe(caller()), hint="reset() belongs inside the with")
        self._recorder.clear()
        self._span = TraceSpan.now()

    def _recorders_around(self, call: str) -> list[Recorder]:
        """Return the recorders that the gradient's own computation is recorded on; stop recording unless persistent."""
        if self._recording and not self._persistent:
            self._stop()
        elif self._recording and not self._warned:
            self._warned = True
            warn(
                f"Calling GradientTape.{call} on a persistent tape inside its context is significantly less efficient "
                "than calling it outside the context: it records the operations of the gradient on the tape. Only do "
                "so to differentiate the gradient itself.",
                TapeWarning,
            )
        return around(self._outer)

    def _answered(self) -> None:
        """Forget everything after the one answer of a tape that is not persistent."""
        if self._persistent:
            return
        self._variables = self.watched_variables()
        self._used = True
        self._recorder.clear()
        self._outer = []
        self._span = None

    def _require_entered(self, call: str) -> None:
        if not self._entered:
            raise TapeError(
                f"tape.{call}() called before the tape was entered: it has not recorded anything",
                where=describe(caller()),
                hint="use it inside or after `with jd.GradientTape() as tape:`",
            )

    def _require_same_world(self, call: str) -> None:
        if current_builder() is not None:
            raise TracingError(
                f"tape.{call}() inside a compiled function, of a tape entered outside of it",
                where=describe(caller()),
                hint="enter the tape inside, or call tape methods outside",
            )

    def _require_usable(self, call: str) -> None:
        self._require_entered(call)
        if self._used:
            raise TapeError(USED, where=describe(caller()), hint="make it with jd.GradientTape(persistent=True)")

    def __repr__(self) -> str:
        recorder = self._recorder
        variables = len(self.watched_variables())
        tensors = sum(isinstance(x, Tensor) for x in recorder.leaves)
        arrays = {
            id(v): v.nbytes
            for s in recorder.steps
            for v in (*s.values, *(o._value for o in s.outs))
            if hasattr(v, "nbytes")
        }
        state = (
            "recording"
            if self._recording
            else "used"
            if self._used
            else "not recording"
            if self._entered
            else "not entered"
        )
        kind = "persistent, " if self._persistent else ""
        return (
            f"<jd.GradientTape: {kind}{state}, {len(recorder.steps)} ops, {sum(arrays.values())} bytes, "
            f"watching {tensors} tensors and {variables} variables>"
        )
