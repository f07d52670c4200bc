"""Changes of containers and objects in traced blocks: state that is a result of a branch and a carry of a loop.

A block that is traced notes each container or object from around it before it changes it, with what that held, and
gives it that back at its end. What differed then is merged, or carried, as what variables hold is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import GeneratorType, ModuleType
from typing import Any, NoReturn

import numpy as np

from jitdiff.errors import TracingError
from jitdiff.frontend.containers import mutable
from jitdiff.frontend.convert.copies import out_of_date, peers
from jitdiff.frontend.convert.holders import MISSING, Attributes, Cell, Holder, attributes, items, kind_of
from jitdiff.ir import Builder, Location
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle


@dataclass(frozen=True, slots=True)
class Place:
    """A key of a holder, under which a block changes the value."""

    holder: Holder
    key: Any

    @property
    def name(self) -> str:
        """Return its name for messages."""
        return self.holder.name(self.key)

    def get(self) -> Any:
        """Return the value, `MISSING` if there is none."""
        return self.holder.get(self.key)

    def put(self, value: Any, line: Location | None = None) -> None:
        """Change the value, as the block that is being traced notes, for the user's code at a line."""
        note(self.holder, line, silently=True)
        self.holder.put(self.key, value)

    def remove(self, line: Location | None) -> None:
        """Let the holder have nothing under the key, as `put` does."""
        note(self.holder, line, silently=True)
        self.holder.restore({key: x for key, x in self.holder.read().items() if key != self.key})


class Scope:
    """The holders from around a block that it may have changed, with what they held before.

    Attributes
    ----------
    before : dict
        For each holder the values at first.
    lines : dict
        For each holder that the user's code changes the line where it does so first.
    entered : dict
        Containers that stand for the value of a variable at the beginning of an iteration, by identity, each with what
        to call before one is changed.
    whole : set of int
        Identities of lists that are changed otherwise than by growing.
    variables : set of int
        Identities of the cells of variables that the block reads and sets by itself.
    """

    def __init__(self, put: Any = None) -> None:
        self.variables = {id(cell) for cell in getattr(put, "__closure__", None) or ()}
        self.before: dict[Holder, dict[Any, Any]] = {}
        self.lines: dict[Holder, Location] = {}
        self.entered: dict[int, tuple[Any, Callable[[], Any]]] = {}
        self.whole: set[int] = set()

    def changes(self) -> dict[Place, Any]:
        """Return the places that hold something else than before, with what they hold."""
        found: dict[Place, Any] = {}
        for holder, before in self.before.items():
            now = holder.read()
            for key in [*now, *(k for k in before if k not in now)]:
                if (value := now.get(key, MISSING)) is not before.get(key, MISSING):
                    found[Place(holder, key)] = value
        return found

    def where(self, holder: Holder) -> str | None:
        """Return the line at which the user's code changes a holder first, for a message."""
        return describe(self.lines.get(holder) or caller())

    def undo(self) -> None:
        """Let all holders hold what they held before."""
        for holder, before in reversed(self.before.items()):
            holder.restore(before)


@contextmanager
def noting(put: Any = None) -> Iterator[Scope]:
    """Let the block that is being traced change containers and objects from around it, until this ends.

    `put`, a function that sets the variables of the block, has their cells.
    """
    builder = current_builder()
    assert builder is not None
    outer = builder.notes.get("held")
    scope = builder.notes["held"] = Scope(put)
    try:
        yield scope
    finally:
        scope.undo()
        builder.notes["held"] = outer


def scope_now() -> Scope | None:
    """Return the scope of the block that is being traced, if it has one."""
    builder = current_builder()
    found: Scope | None = None if builder is None else builder.notes.get("held")
    return found


def is_own(x: Any) -> bool:
    """Whether the block that is being traced has made an object itself, or is not inside another."""
    builder = current_builder()
    return builder is None or builder.parent is None or _is_born(x, builder)


def _is_born(x: Any, builder: Builder) -> bool:
    made: dict[int, Any] = builder.notes.get("born", {})
    return id(x) in made or (type(x) is dict and any(getattr(o, "__dict__", None) is x for o in made.values()))


def born(x: Any) -> Any:
    """Note that the block that is being traced has made an object itself, and may change it."""
    builder = current_builder()
    if builder is not None and builder.parent is not None:
        builder.notes.setdefault("born", {})[id(x)] = x
    return x


@contextmanager
def making(owner: Any, given: Sequence[Any]) -> Iterator[Callable[[Any], Any]]:
    """Give what notes the containers in a call's result that were not in what it was `given`: those it has made.

    A call of a method of an `owner` that may hold anything, or that advances an iterator, gives what there was.
    """
    builder = current_builder()
    opaque = owner is not None and not isinstance(owner, list | dict | set | deque | np.ndarray | Handle | ModuleType)
    if builder is None or builder.parent is None or opaque or any(isinstance(x, Iterator) for x in given):
        yield lambda result: result
        return
    known = {id(part) for part in mutable(tuple(given))}

    def made(result: Any) -> Any:
        for part in mutable(result):
            if id(part) not in known:
                born(part)
        return result

    yield made


def made_of(value: Any) -> Any:
    """Note that the block that is being traced has made the containers and objects in a value; return it."""
    for part in mutable(value):
        born(part)
    return value


def note(holder: Holder, line: Location | None = None, silently: bool = False) -> None:
    """Note a holder that is about to be changed, by the user's code at a line unless that is done `silently`.

    Raises
    ------
    TracingError
        If it is from around a block that cannot undo the change.
    """
    owner = holder.owner if isinstance(holder, Attributes) else holder.target
    line = line if silently else caller()
    if line is not None:
        changing(owner)
    if is_own(owner):
        return
    scope = scope_now()
    if scope is None:
        refuse(owner)
    if id(owner) in scope.variables:
        return
    if line is not None:
        scope.lines.setdefault(holder, line)
    if holder not in scope.before:
        scope.before[holder] = holder.read()


def changing(x: Any) -> None:
    """Note that something is about to be changed, whoever has made it."""
    for other in peers(x):
        outdate(other, out_of_date(other))
    scope = scope_now()
    if scope is not None and (entered := scope.entered.get(id(x))) is not None:
        entered[1]()


def outdate(x: Any, why: Any) -> None:
    """Let a container or object hold nothing but what says why it cannot be read."""
    holder = items(x)
    builder = current_builder()
    assert builder is not None
    for each in attributes(x) if holder is None else [holder]:
        if builder.parent is None:
            # It may be the caller's.
            builder.notes.setdefault("outdated", Scope()).before.setdefault(each, each.read())
        note(each, silently=True)
        for key in each.read():
            each.put(key, why)


def note_items(x: Any) -> None:
    """Note a container whose items are about to be changed."""
    if isinstance(x, Handle):
        return
    holder = items(x)
    if holder is not None:
        note(holder)
    elif not is_own(x):
        refuse(x)


def note_attributes(x: Any) -> None:
    """Note an object of which an attribute is about to be set."""
    if isinstance(x, Handle):
        return
    found = attributes(x)
    for holder in found:
        note(holder)
    if not found and not is_own(x):
        refuse(x)


def note_variables(*variables: tuple[str, Callable[[], Any]]) -> None:
    """Note variables of functions around that the function which is called may set, by what reads them."""
    if scope_now() is not None:
        for name, read in variables:
            (cell,) = read.__closure__ or ()
            note(Cell(cell, name))


def made_variables(*variables: Callable[[], Any]) -> None:
    """Note that variables belong to a call in the block that is being traced, by what reads them."""
    for read in variables:
        for cell in read.__closure__ or ():
            born(cell)


def check_own(x: Any) -> None:
    """Refuse to advance a generator from around the block that is being traced."""
    if not is_own(x):
        raise TracingError(
            "a generator from around a traced branch or loop is advanced in it, which would happen only once",
            where=describe(caller()),
            hint="let the loop go through the generator itself, or keep what it computes in variables",
        )


def refuse(x: Any) -> NoReturn:
    """Refuse to change an object from around a block, where it would happen only once."""
    raise TracingError(
        f"a {kind_of(x)} from around a traced branch or loop is changed in it",
        where=describe(caller()),
        hint="assign to a local variable in the loop, and to the object after it",
    )


@contextmanager
def noted(*containers: Any) -> Iterator[None]:
    """Note containers that a call changes which is not the user's code."""
    for x in containers:
        if isinstance(x, GeneratorType):
            check_own(x)
    found = [holder for x in containers if not is_own(x) or peers(x) if (holder := items(x)) is not None]
    before = [(holder, holder.read()) for holder in found]
    try:
        yield
    finally:
        for holder, held in before:
            now = holder.read()
            if not _same(now, held):
                holder.restore(held)
                note(holder)
                holder.restore(now)


def _same(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> bool:
    """Whether two mappings have the same keys in the same order, with the same objects."""
    pairs = zip(a.items(), b.items(), strict=False)
    return len(a) == len(b) and all(j == k and x is y for (j, x), (k, y) in pairs)
