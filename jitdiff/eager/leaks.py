"""Known values that leave for plain numbers: an error in transforms, a warning from tapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitdiff.config import settings
from jitdiff.eager.explain import note, places, reached_from
from jitdiff.eager.recorder import Recorder, active, fail
from jitdiff.errors import DisconnectedWarning, UnsupportedError
from jitdiff.ir.location import is_assigning_to_item, warn
from jitdiff.ops.leaving import departure, ways_out


def leave(value: Any, how: str) -> None:
    """Take note that a value becomes plain numbers; raise if that loses a derivative that a transform is to give."""
    recorders = active()
    if not recorders:
        return
    key = value.key()
    knowing = [recorder for recorder in recorders if key in recorder.known]
    if not knowing:
        return
    wanted = settings().leaks
    if wanted == "error" or (wanted is None and any(recorder.strict for recorder in knowing)):
        error = _error(value, how)
        fail(knowing, error)
        raise error
    if wanted != "ignore":
        if is_assigning_to_item():
            how = "an assignment into a NumPy array"
        name, _ = departure()
        note(key, f"{name}, by {how}" if name else how, numbers=True)


def _error(value: Any, how: str) -> UnsupportedError:
    name, where = departure()
    if name:
        text = f"{name} takes the plain numbers of a {value.type} that is differentiated, and its derivative is lost"
        return UnsupportedError(text, where=where, hint=ways_out(name))
    if is_assigning_to_item():
        return UnsupportedError(
            f"a {value.type} that is differentiated is assigned into a NumPy array, which takes plain numbers",
            where=where,
            hint="make the array in the function, with np.zeros or as a copy; or assign jd.stop_gradient(x)",
        )
    return UnsupportedError(
        f"{how} takes the plain numbers of a {value.type} that is differentiated, and its derivative is lost",
        where=where,
        hint="leave it an array: NumPy functions and operators take it as it is; or write jd.stop_gradient(x) for a "
        "constant",
    )


def warn_of_leaks(names: Sequence[str], recorder: Recorder, targets: Sequence[Any], sources: Sequence[Any]) -> None:
    """Warn that gradients leave out what went through plain numbers between a source and the targets."""
    leaks = [leak for leak in recorder.leaks if leak.numbers]
    if not leaks:
        return
    last = _last_step(recorder, targets)
    for name, source in zip(names, sources, strict=True):
        reached = reached_from(recorder, source)
        lost = [leak for leak in leaks if leak.value in reached and leak.step <= last]
        if lost:
            warn(f"the derivative {name} leaves out what went through {places(lost)}", DisconnectedWarning)


def warn_of_leaks_on_the_way(recorder: Recorder) -> None:
    """Warn that tangents leave out what went through plain numbers."""
    leaks = [leak for leak in recorder.leaks if leak.numbers]
    if leaks:
        warn(f"the tangent leaves out what went through {places(leaks)}", DisconnectedWarning)


def _last_step(recorder: Recorder, targets: Sequence[Any]) -> int:
    """Return the number of the last step that may have taken part in computing a target, -1 if none did."""
    if any(y not in recorder.known for y in targets):
        return len(recorder.steps)
    wanted = {id(y) for y in targets}
    for k in range(len(recorder.steps) - 1, -1, -1):
        if any(id(out) in wanted for out in recorder.steps[k].outs):
            return k
    return -1
