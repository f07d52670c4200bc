"""Running functions that have a rule: their own steps are nobody's, where the rule says the derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jitdiff.eager.calls import Call, changes_argument, reads_from_around
from jitdiff.eager.explain import note
from jitdiff.eager.inplace import root_of
from jitdiff.eager.recorder import Changes, KnownToAny, Step, active, recording, started
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.eager.variable import Variable, in_order
from jitdiff.errors import TapeError, UnsupportedError
from jitdiff.ir.location import caller, describe


class Reads(Changes):
    """Takes note of the values that the recorders around know and that are read, and keeps nothing else.

    Attributes
    ----------
    read : dict
        Those values, in order.
    made : set
        What was computed of them.
    """

    __slots__ = ("made", "read")
    pushes = True

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[Any, None] = {}
        self.made: set[Any] = set()
        self.known = KnownToAny(active())

    def record(self, step: Step, outs: Sequence[Any]) -> None:
        """Note which operands are known."""
        self.read.update(dict.fromkeys(x for x in step.args if x in self.known))
        self.made.update(outs)


def run_with_rule(
    name: str, run: Callable[..., Any], call: Call, takes_variables: bool = False
) -> tuple[Any, list[Variable]]:
    """Run a function whose derivative a rule says, and return what it gave and the Variables that it read.

    The recorder that asks for the derivative has the rule, and follows nothing of the function: that may be one which
    takes plain numbers. Further recorders follow it, for derivatives of the rule.

    Raises
    ------
    UnsupportedError
        If the function reads a value from around it that is differentiated, of which the rule says nothing; of
        Variables it does if it `takes_variables`.
    TapeError
        If the function changes one of its arguments in place.
    """
    knowing = [r for r in active() if any(x in r.known for x in call.handles)]
    watcher, copies = Reads(), call.handles
    if len(knowing) == 1 and knowing[0].once:
        # Nobody knows the copies.
        copies = [tensor_of(x._value) if type(x) is Tensor else x for x in call.handles]
        with recording([*(r for r in active() if r is not knowing[0]), watcher]):
            found = run(*call.given_with(copies))
    else:
        with started(watcher):
            found = run(*call.arguments())
    changed = set(map(id, watcher.changes().values()))
    for x, given in (*zip(copies, call.handles, strict=True), *((x, x) for x in call.given)):
        if isinstance(x, Tensor) and id(root_of(x)) in changed:
            raise changes_argument(TapeError, name, given)
    variables = in_order(watcher.variables)
    arguments = {id(x) for x in (*call.handles, *call.given)}
    # The recorder that followed nothing watches them too.
    held = {id(v.read()) for v in variables}
    if takes_variables:
        arguments |= held
    for x in watcher.read:
        if id(x) not in arguments and x not in watcher.made and isinstance(x, Tensor):
            _refuse(name, x)
    return found, variables


def _refuse(name: str, x: Tensor) -> None:
    what = f"{name}, which reads it from around it and has a rule for its arguments only,"
    note(x, what, numbers=True)
    if any(r.strict and x in r.known for r in active()):
        raise reads_from_around(UnsupportedError, name, x.type, describe(caller()))
