"""The variables of a loop: what an iteration hands on to the next, and what they hold afterwards."""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from optree import PyTreeSpec

from jitdiff.errors import TracingError
from jitdiff.frontend.containers import mutable
from jitdiff.frontend.convert.changes import born, made_of, outdate, scope_now
from jitdiff.frontend.convert.copies import copied, foreign
from jitdiff.frontend.convert.guarantees import Guarantee, Sometimes
from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.parts import flatten
from jitdiff.frontend.convert.plan import Anew, Plan
from jitdiff.frontend.convert.state import UNSET, Undefined, is_internal, is_number, same, shown, zeros
from jitdiff.frontend.trees import unflatten
from jitdiff.ir import ArrayType, Block, free_values, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle, Tracer
from jitdiff.ops.alias import shared, tie
from jitdiff.ops.tracer import builder_now


class Carried:
    """The variables of a loop: which of them its iterations hand on, and what they hold after it.

    Parameters
    ----------
    plan : Plan
        What is known of the variables that the body assigns.

    Notes
    -----
    In the body each carried leaf is a cell of its own. A variable that still holds its cell at the end of an iteration
    was changed in place, and so is the array that it held before the loop. One that holds another array then was bound
    anew; if its cell was changed as well, the array from before the loop is not to be read any more. Variables that
    hold one array share a cell, or have cells that are not changed in place.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.names = plan.names
        self.before = plan.starts
        self.demoted = plan.demoted
        self.in_place = plan.in_place
        self.parted = plan.parted
        self.init: list[Any] = []
        self.slots: list[list[int] | None] = []
        self.specs: list[PyTreeSpec] = []
        by_identity: dict[int, int] = {}
        for k, value in enumerate(self.before):
            leaves, spec = flatten(_held(value))
            self.specs.append(spec)
            if k in self.demoted or k in self.in_place or not leaves or not all(map(is_number, leaves)):
                self.slots.append(None)
                continue
            found = []
            for leaf in leaves:
                slot = len(self.init)
                if _is_array(leaf) and k not in self.parted:
                    slot = by_identity.setdefault(id(leaf), slot)
                if slot == len(self.init):
                    self.init.append(leaf)
                found.append(slot)
            self.slots.append(found)
        self.sharing = _in_several(self.before[k] for k, found in enumerate(self.slots) if found is not None)
        self.cells: list[Tracer] = []
        self.versions: list[int] = []
        self.kept: list[bool] = []
        self.changed: list[bool] = []
        self.stale: list[int] = []
        self.lasts: list[Any] = []
        self.ends: list[Any] = []
        self.roots: list[list[Tracer]] = []
        self.originals: dict[int, list[Any]] = {}
        self.following: list[list[Tracer]] = []

    def enter(self, params: Sequence[Tracer]) -> None:
        """Let the variables hold the parameters of an iteration."""
        self.cells = list(params)
        self.versions = [p.version for p in params]
        values: list[Any] = []
        for k, (value, slots, spec) in enumerate(zip(self.before, self.slots, self.specs, strict=True)):
            if slots is not None:
                values.append(self._entered(k, _as(value, unflatten(spec, [params[s] for s in slots]))))
            elif k in self.demoted:
                values.append(Undefined(f"{self.names[k]} is read in the loop before it is assigned there"))
            else:
                values.append(value)
        self.plan.set(values)

    def _entered(self, k: int, value: Any) -> Any:
        """Return what a variable holds at first, of which a dict or object is not the one from before the loop."""
        scope = scope_now()
        assert scope is not None
        for each, first in zip(mutable(_held(value)), mutable(_held(self.before[k])), strict=True):
            change = self.plan.mixed.add if isinstance(each, List) or k in self.plan.mixed else _in_place
            scope.entered[id(each)] = each, functools.partial(_two if id(first) in self.sharing else change, k)
            if k in self.plan.mixed:
                born(each)
        return value

    def leave(self) -> list[Any]:
        """Return what an iteration hands on."""
        following: list[Any] = list(self.cells)
        given: list[list[Any]] = [[] for _ in self.cells]
        holders: list[list[int]] = [[] for _ in self.cells]
        self.lasts, self.ends, self.roots = [], [], []
        ends = self.plan.get()
        for k, (name, value) in enumerate(zip(self.names, ends, strict=True)):
            slots = self.slots[k]
            self._start(k, value)
            if slots is None:
                self.ends.append(self._left(k, name, value))
                continue
            leaves, spec = flatten(_held(value))
            fits = spec == self.specs[k] and all(map(is_number, leaves))
            if not fits or not all(_fits(self.cells[s].type, type_of(x)) for s, x in zip(slots, leaves, strict=True)):
                if not any(self._is_read(s) or any(x is self.cells[s] for x in leaves) for s in slots):
                    raise Anew(lambda plan, k=k: plan.demoted.add(k))  # type: ignore[misc]
                raise TracingError(
                    f"{name} changes in the loop from {shown(self.before[k])} to {shown(value)}",
                    where=describe(caller()),
                    hint="give it that shape and dtype before the loop",
                )
            self.ends.append(None)
            for s, x in zip(slots, leaves, strict=True):
                given[s].append(x)
                holders[s].append(k)
            self._note_originals(k, value)
        for s, xs in enumerate(given):
            if any(x is not xs[0] for x in xs):
                raise Anew(lambda plan, ks=holders[s]: plan.parted.update(ks))  # type: ignore[misc]
            if xs:
                following[s] = xs[0]
        if self.plan.mixed and _in_several(x for x, found in zip(ends, self.slots, strict=True) if found is not None):
            _two()
        self._check_aliases(following)
        self.following = list(map(shared, following))
        return following

    def _note_originals(self, k: int, value: Any) -> None:
        """Note what a variable holds at the end of an iteration of which it then holds a copy."""
        scope = scope_now()
        assert scope is not None
        found = [x for x in foreign(value, builder_now()) if id(x) not in scope.entered]
        for j in self.in_place:
            if any(x is first for x in found for first in mutable(self.before[j])):
                raise Anew(functools.partial(_mix, j))
        changed = {id(holder.target) for holder in scope.lines}
        if any(id(x) in changed or id(getattr(x, "__dict__", x)) in changed for x in found):
            raise TracingError(
                f"{self.names[k]} holds after an iteration what the loop changes in place",
                where=describe(caller()),
                hint="copy it: y = copy.copy(x)",
            )
        self.originals[k] = found

    def _check_aliases(self, following: list[Any]) -> None:
        changed = [cell.version != v for cell, v in zip(self.cells, self.versions, strict=True)]
        self.kept = [x is cell for x, cell in zip(following, self.cells, strict=True)]
        moved = [s for s, kept in enumerate(self.kept) if not kept and _is_array(self.init[s])]
        builder = builder_now()
        for s, cell in enumerate(self.cells):
            first = self.init[s]
            if not isinstance(first, Tracer):
                continue
            is_view = first.view is not None
            # Here the array from around the loop changes under another name than the one that is carried.
            stale = id(first.view.root if first.view is not None else first) in builder.changes and (
                self.kept[s]
                or self._is_read(s)
                or any(x is cell for x in (*following[:s], *following[s + 1 :], *self.lasts))
            )
            if stale or (is_view and changed[s]):
                what = f"a view ({cell.type}) of an array" if is_view else f"an array ({cell.type})"
                raise TracingError(
                    f"a loop rebinds a variable that is {what} changed in it",
                    where=describe(caller()),
                    hint=f"copy the {'view' if is_view else 'array'} before the loop",
                )
        if any(changed[s] for s in moved):
            others = [x for x in following if _is_array(x)]
            doubled = len({id(x) for x in others}) < len(others)
            foreign = any(x.home is not builder for x in (following[s] for s in moved) if _is_array(x))
            if doubled or foreign:
                raise TracingError(
                    "a variable is bound to an array that has another name, and changed in place in the next iteration",
                    where=describe(caller()),
                    hint="copy the array: y = x.copy()",
                )
        counts = Counter(map(id, filter(_is_array, self.init)))
        parted = [s for s, first in enumerate(self.init) if counts[id(first)] > 1]
        if parted and any(changed[s] for s in (*parted, *moved)):
            raise TracingError(
                "two variables are one array before the loop, and two different ones that change in place in it",
                where=describe(caller()),
                hint="copy one of them before the loop",
            )
        self.stale = moved if any(changed[s] for s in moved) else []
        self.changed = changed

    def _left(self, k: int, name: str, value: Any) -> Any:
        """Return what a variable that is not carried holds after the loop: a number of lasts and a structure, or it."""
        before = self.before[k]
        if value is before:
            return before
        leaves, spec = flatten(value)
        if not all(map(is_number, leaves)):
            if not isinstance(before, Undefined) and k not in self.demoted and not same(before, value):
                raise _changes(name, before, value)
            traced = any(isinstance(x, Handle) for x in leaves)
            return Undefined(f"{name} is {shown(value)} from inside the loop") if traced else value
        if k in self.in_place:
            raise Anew(functools.partial(_mix, k))
        if not isinstance(before, Undefined) and k not in self.demoted:
            raise _changes(name, before, value)
        found = foreign(value, builder_now())
        if found and found[0] is value:
            return _Present(value)
        self.originals[k] = found
        first = len(self.lasts)
        self.lasts += leaves
        self.roots += map(shared, leaves)
        return _Last(first, len(leaves), spec)

    def _start(self, k: int, value: Any) -> None:
        """Raise `Anew` if a variable that has no value in the first iteration has one in others, or fewer ones.

        It starts as zeros that mean nothing.
        """
        before = self.before[k]
        if isinstance(before, Sometimes):
            if not isinstance(value, Undefined):
                return
            common = value.guarantee.both(before.guarantee) if isinstance(value, Sometimes) else Guarantee()
            if common != before.guarantee:
                start = Sometimes(before.value, common, before.why) if common else Undefined(value.why)
                raise Anew(lambda plan: operator.setitem(plan.starts, k, start))
        elif before is UNSET and isinstance(value, Sometimes) and k not in self.demoted:
            flags = dict(zip(self.names, self.before, strict=True))
            when = frozenset(f for f in value.guarantee.when if flags.get(f) is False)
            if when:
                leaves, spec = flatten(value.value)
                blank = unflatten(spec, [zeros(type_of(x)) for x in leaves])
                some = Sometimes(blank, Guarantee(when), value.why)
                raise Anew(lambda plan: operator.setitem(plan.starts, k, some))

    def _is_read(self, s: int) -> bool:
        atom = self.cells[s]._atom
        nodes = builder_now().block.nodes
        return atom in set(free_values(Block((), nodes, ())))

    def finish(self, outs: Sequence[Tracer], lasts: Sequence[Any], surely: bool) -> list[Any]:
        """Return what the variables hold after the loop; `surely` says that it runs at least once."""
        for s, (first, out) in enumerate(zip(self.init, outs, strict=True)):
            if s in self.stale:
                first.retire("it was changed in place under another name in a loop that binds names anew")
            elif self.kept[s] and self.changed[s] and _is_array(first):
                first.rebind(out)
        held = [
            first if self.kept[s] and _is_array(first) else out
            for s, (first, out) in enumerate(zip(self.init, outs, strict=True))
        ]
        builder = builder_now()
        anew = [(out, at) for out, at, kept in zip(held, self.following, self.kept, strict=True) if not kept]
        left = list(zip(lasts, self.roots, strict=True))
        why = "whether it shares elements with that depends on the iterations of a loop"
        tie([*anew, *left], lambda root: builder.is_within(root.home), why)
        values: list[Any] = []
        for k, (name, value, slots, spec, end) in enumerate(
            zip(self.names, self.before, self.slots, self.specs, self.ends, strict=True)
        ):
            if slots is not None:
                after = made_of(unflatten(spec, [held[s] for s in slots]))
                copied(after, [*self.originals.get(k, ()), *(() if surely else mutable(_held(value)))])
                values.append(_as(value, after))
            elif not isinstance(end, _Last | _Present):
                values.append(end)
            elif not surely and not is_internal(name):
                values.append(Undefined(f"{name} has no value if the loop does not run at all"))
            else:
                if isinstance(end, _Present):
                    values.append(end.value)
                    continue
                last = made_of(unflatten(end.spec, lasts[end.first : end.first + end.count]))
                copied(last, self.originals.get(k, ()))
                values.append(last)
        for k in self.plan.mixed:
            for each in mutable(_held(self.before[k])):
                outdate(each, Undefined(f"{_ANEW}: {self.names[k]}"))
        return values


@dataclass(frozen=True, slots=True)
class _Last:
    """A variable's part of the lasts of a loop."""

    first: int
    count: int
    spec: PyTreeSpec


def _in_place(k: int) -> NoReturn:
    raise Anew(lambda plan: plan.in_place.add(k))


def _mix(k: int, plan: Plan) -> None:
    plan.mix(k)


def _in_several(values: Iterable[Any]) -> set[int]:
    """Return the identities of containers and objects that are in several of the values of variables."""
    counts = Counter(id(part) for value in values for part in mutable(_held(value)))
    return {each for each, count in counts.items() if count > 1}


def _two(_: int = 0) -> NoReturn:
    raise TracingError(
        "two variables of a loop hold one container, which is changed in place",
        where=describe(caller()),
        hint="copy one of them, with copy.copy",
    )


@dataclass(frozen=True, slots=True)
class _Present:
    """A container or object from around a loop that a variable holds after it."""

    value: Any


_ANEW = "a container is read after it was changed in place under another name, in a loop that binds that name anew"


def _held(value: Any) -> Any:
    """Return the value of a variable that has one sometimes."""
    return value.value if isinstance(value, Sometimes) else value


def _as(before: Any, value: Any) -> Any:
    """Return a value of a variable, which has one as surely as it had before."""
    return Sometimes(value, before.guarantee, before.why) if isinstance(before, Sometimes) else value


def _changes(name: str, before: Any, value: Any) -> TracingError:
    return TracingError(
        f"{name} changes in the loop from {shown(before)} to {shown(value)}",
        where=describe(caller()),
        hint="give it a value of that kind before the loop",
    )


def _fits(have: ArrayType, want: ArrayType) -> bool:
    if have.shape != want.shape:
        return False
    if have.weak or want.weak:
        return (have.dtype.kind == "b") == (want.dtype.kind == "b")
    return have.dtype == want.dtype


def _is_array(x: Any) -> bool:
    """Whether `x` is an array of the program, which is changed in place; scalars are bound anew."""
    return isinstance(x, Tracer) and bool(x.shape)
