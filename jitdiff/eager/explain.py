"""Why a gradient is None: what the tape noticed, and where."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jitdiff.eager.recorder import Leak, Recorder, Step, active
from jitdiff.ir.location import caller, describe

_LIMIT = 64
"""How many leaks a recorder remembers."""


def note(value: Any, how: str, numbers: bool = False) -> None:
    """Let the active recorders that know `value` remember that it was used where they cannot follow; see `Leak`."""
    for recorder in active():
        if value in recorder.known and len(recorder.leaks) < _LIMIT:
            # Forward mode holds no values, and asks for none.
            held = None if recorder.pushes else value
            recorder.leaks.append(Leak(held, how, caller(), numbers, len(recorder.steps)))


class Paused(Recorder):
    """Stands in for a tape that is told to stop recording, to notice what is computed meanwhile."""

    __slots__ = ("tape",)
    pushes: ClassVar[bool] = True
    paused: ClassVar[bool] = True

    def __init__(self, tape: Recorder) -> None:
        super().__init__()
        self.tape = tape
        self.known = tape.known

    def record(self, step: Step, outs: Sequence[Any]) -> None:
        """Remember that a known value was used."""
        for x in step.args:
            if x in self.known and len(self.tape.leaks) < _LIMIT:
                self.tape.leaks.append(Leak(x, f"{step.op.name}, computed while the tape did not record", caller()))


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a gradient is None, and whether it may come as a surprise."""

    text: str
    surprising: bool = True


class Told:
    """The reasons that a tape has given, for when it is asked again after it forgot what it recorded."""

    def __init__(self) -> None:
        self._told: list[tuple[Any, Any, str]] = []

    def keep(self, targets: Sequence[Any], source: Any, reasons: Sequence[Reason]) -> None:
        """Remember why the gradient of each target by `source` is None."""
        held = weakref.ref(source)
        self._told += [(weakref.ref(y), held, r.text) for y, r in zip(targets, reasons, strict=True)]

    def of(self, target: Any, source: Any) -> str | None:
        """Return the reason for this pair, or None."""
        return next((text for y, x, text in self._told if y() is target and x() is source), None)


def reason(recorder: Recorder, target: Any, source: Any) -> Reason:
    """Return why the gradient of `target` by `source` is None, with the user's line where there is one.

    Parameters
    ----------
    recorder : Recorder
        What was recorded.
    target, source : Tensor or Variable
        What was asked for.
    """
    if source.dtype.kind != "f":
        return Reason(f"the source has dtype {source.dtype}, and only what is floating has gradients")
    if source not in recorder.known:
        return _unwatched(recorder, source)
    if target.dtype.kind != "f":
        return Reason(f"the target has dtype {target.dtype}, and only what is floating has gradients")
    reached = reached_from(recorder, source)
    if target in reached:
        return Reason("the target uses the source only where the operations in between have no gradient")
    leaks = [leak for leak in recorder.leaks if leak.value in reached]
    if not leaks:
        return Reason("the target was not computed from the source while the tape recorded", surprising=False)
    text = f"the source, or what was computed from it, went through {places(leaks)}"
    return Reason(text, surprising=any(not leak.how.startswith("stop_gradient") for leak in leaks))


def reached_from(recorder: Recorder, source: Any) -> set[Any]:
    """Return what was recorded as computed from `source`, and itself."""
    reached = {source}
    for step in recorder.steps:
        if any(x in reached for x in step.args):
            reached.update(step.outs)
    return reached


def places(leaks: Sequence[Leak]) -> str:
    """Return how and where values left."""
    return "\nand through ".join(dict.fromkeys(f"{leak.how}\n  at {describe(leak.loc)}" for leak in leaks))


def _unwatched(recorder: Recorder, source: Any) -> Reason:
    if not hasattr(type(source), "trainable"):
        return Reason(
            "the source is a Tensor that was never watched: tape.watch(x) before it is used, "
            "and where it took the place of a Variable (x = x + 1) change that instead (x.assign_add(1))"
        )
    if not source.trainable:
        return Reason(f"the Variable {source.name!r} is not trainable; tape.watch() it", surprising=False)
    if not recorder.takes_variables:
        text = f"the Variable {source.name!r} was not watched, and this tape watches only what it is told"
        return Reason(text, surprising=False)
    return Reason(f"the Variable {source.name!r} was not read while the tape recorded")
