"""What is known of the variables of a loop before its body is traced, and found out when it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jitdiff.errors import TracingError
from jitdiff.frontend.convert.changes import Place, Scope
from jitdiff.frontend.convert.holders import MISSING, Elements, Holder, Members
from jitdiff.frontend.convert.state import Absent, Get, Put
from jitdiff.ir import Location
from jitdiff.ir.location import caller, describe


@dataclass(slots=True)
class Plan:
    """The variables of a loop, followed by places in containers and objects, which are carried as variables are.

    Attributes
    ----------
    names : list of str
        Their names.
    starts : list
        What they hold before the loop.
    variables, assign : callable
        What reads and what sets the variables, without the places.
    places : list of Place
        The places, for the last of the names.
    demoted : set of int
        Numbers of variables that an iteration does not read before it assigns them.
    parted : set of int
        Numbers of variables that are carried by themselves, although others hold the same arrays before the loop.
    in_place : set of int
        Numbers of variables that hold one container from before the loop, which is changed in place.
    mixed : set of int
        Numbers of variables that hold one container after another, and of which the first may be changed in place.
    whole : set of int
        Identities of lists that are changed otherwise than by growing.
    lines : dict
        Where the user's code changes each holder of places first.
    """

    names: list[str]
    starts: list[Any]
    variables: Get
    assign: Put
    places: list[Place] = field(default_factory=list)
    demoted: set[int] = field(default_factory=set)
    parted: set[int] = field(default_factory=set)
    in_place: set[int] = field(default_factory=set)
    mixed: set[int] = field(default_factory=set)
    whole: set[int] = field(default_factory=set)
    lines: dict[Holder, Location] = field(default_factory=dict)

    def get(self) -> list[Any]:
        """Return what the variables and places hold."""
        return [*self.variables(), *(place.get() for place in self.places)]

    def set(self, values: Sequence[Any]) -> None:
        """Let them hold what they hold at the beginning of an iteration."""
        count = len(values) - len(self.places)
        self.assign(values[:count])
        for place, value in zip(self.places, values[count:], strict=True):
            place.put(value)

    def finish(self, values: Sequence[Any], surely: bool) -> None:
        """Let them hold what they hold after the loop; `surely` says that it runs at least once.

        Raises
        ------
        TracingError
            If it depends on that what a container has.
        """
        count = len(values) - len(self.places)
        self.assign(values[:count])
        for place, value in zip(self.places, values[count:], strict=True):
            line = self.lines.get(place.holder)
            if not surely and place.holder.fixed and place.get() is MISSING:
                raise TracingError(
                    f"{place.name} is new in a loop that may not run at all",
                    where=describe(line or caller()),
                    hint="give it a value before the loop",
                )
            place.put(value, line)

    def include(self, scope: Scope) -> None:
        """Raise `Anew` if an iteration changed places that are not carried."""
        known = set(self.places)
        # What one trace of an iteration changes and the next does not was made by it; so is what comes in its place.
        inside = {self.lines.get(p.holder) for p in known if p.holder not in scope.lines}
        new = []
        for place, value in scope.changes().items():
            if place.holder.owner_id in scope.entered:
                # It stands for the value of a variable in this iteration only.
                continue
            if place not in known and scope.lines.get(place.holder) not in inside:
                new.append(place)
            has, had = value is not MISSING, scope.before[place.holder].get(place.key, MISSING) is not MISSING
            if not has or (not had and isinstance(place.holder, Elements | Members)):
                raise TracingError(
                    f"{place.name} is {'added' if has else 'removed'} in a traced loop, so that what it has depends on "
                    "the iteration",
                    where=scope.where(place.holder),
                    hint="keep the same items in each iteration, or write to elements of an array",
                )
        if new:
            raise Anew(lambda plan: plan.add(new, scope))

    def mix(self, k: int) -> None:
        """Carry what a variable holds, though the container that it holds first is changed in place."""
        self.in_place.remove(k)
        self.mixed.add(k)
        # That container's places are none any more; the others are found again.
        count = len(self.names) - len(self.places)
        self.places.clear()
        del self.names[count:], self.starts[count:]
        self.demoted = {j for j in self.demoted if j < count}
        self.parted = {j for j in self.parted if j < count}

    def add(self, places: Iterable[Place], scope: Scope) -> None:
        """Carry further places."""
        for place in places:
            first = place.holder.first(place.key)
            if first is MISSING:
                first = Absent(f"{place.name} is read in the loop before it is assigned there")
            self.places.append(place)
            self.names.append(place.name)
            self.starts.append(first)
            if place.holder in scope.lines:
                self.lines.setdefault(place.holder, scope.lines[place.holder])


class Anew(BaseException):
    """The body of a loop is to be traced anew, as something was found out: a change of the plan.

    It goes through the user's code, whose handlers of exceptions it is no matter of.
    """

    def __init__(self, change: Callable[[Plan], Any]) -> None:
        super().__init__()
        self.change = change
