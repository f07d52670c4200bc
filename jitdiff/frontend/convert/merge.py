"""What variables hold after a branch: of what its arms leave in them, one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from optree import PyTreeSpec

from jitdiff.errors import TracingError
from jitdiff.frontend.convert.changes import Place, Scope, made_of, noting
from jitdiff.frontend.convert.copies import copied, foreign
from jitdiff.frontend.convert.guarantees import Sometimes, joined
from jitdiff.frontend.convert.holders import MISSING, Elements, kind_of
from jitdiff.frontend.convert.parts import flatten
from jitdiff.frontend.convert.state import (
    UNSET,
    Absent,
    Names,
    Put,
    Undefined,
    conditional,
    is_internal,
    is_number,
    same,
    shown,
    zeros,
)
from jitdiff.frontend.trees import unflatten
from jitdiff.ir import ArrayType, Builder, Location, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Tracer, control
from jitdiff.ops.alias import shared, tie
from jitdiff.ops.tracer import builder_now


@dataclass(slots=True)
class Leaf:
    """A number or array that a branch leaves in a variable.

    Attributes
    ----------
    given : object
        What the variable holds.
    now : object
        The same with its present value, which undoing the branch does not change.
    roots : list of Tracer
        The array that it is, or is a view of.
    """

    given: Any
    now: Any
    roots: list[Tracer]


Variable = tuple[Any, list[Leaf] | None, PyTreeSpec | None]
"""What a variable holds, and the leaves and structure of that if all leaves are numbers and arrays."""

Outcome = list[Variable]
"""What each variable holds."""


def outcome(values: Sequence[Any]) -> Outcome:
    """Return what the variables hold at the end of the branch that is being traced."""
    found: Outcome = []
    for value in values:
        leaves, spec = flatten(value.value if isinstance(value, Sometimes) else value)
        if not all(map(is_number, leaves)):
            found.append((value, None, None))
            continue
        kept = []
        for leaf in leaves:
            pinned = isinstance(leaf, Tracer) and leaf.numbers is None
            kept.append(Leaf(leaf, Tracer(leaf.atom) if pinned else leaf, shared(leaf) if pinned else []))
        found.append((value, kept, spec))
    return found


@dataclass(slots=True)
class Arm:
    """What an arm of a branch leaves behind.

    Attributes
    ----------
    variables : list
        What the variables hold.
    places : dict
        What places in containers and objects hold: those that the arm changed, and others asked for.
    scope : Scope
        What it changed.
    builder : Builder
        Of its block.
    cells : set of int
        The arrays that it changed in place, by identity.
    """

    variables: Outcome
    places: dict[Place, Variable]
    scope: Scope
    builder: Builder
    cells: set[int]


Run = Callable[[], Sequence[Any]]


class _Again(Exception):
    """The arms are to be traced anew, to give what further places hold."""

    def __init__(self, places: Iterable[Place]) -> None:
        super().__init__()
        self.places = places


def branch(pred: Any, names: Names, then: Run, orelse: Run, put: Put | None = None) -> list[Any]:
    """Append an If, and return what variables hold after it; `then` and `orelse` return what they hold in either arm.

    Containers and objects from around hold afterwards what the arms left in them. `put` sets the variables.

    Raises
    ------
    TracingError
        If it depends on the arm what a container has.
    """
    asked: list[Place] = []

    def arm(run: Run) -> Callable[[], Arm]:
        def traced() -> Arm:
            conditional()
            with noting(put) as scope:
                values = outcome(run())
                changes = scope.changes()
                places = dict.fromkeys([*asked, *changes])
                found = dict(zip(places, outcome([p.get() for p in places]), strict=True))
                # The second arm is asked for what the first one changed.
                asked[:] = places
                return Arm(values, found, scope, builder_now(), set(builder_now().changes))

        return traced

    while True:
        merge = Merge(names)
        try:
            outs = control.branch(pred, arm(then), arm(orelse), merge)
        except _Again as found:
            asked[:] = found.places
        else:
            return merge.finish(outs)


class Merge:
    """What variables hold after a branch, from what they hold at the end of either arm.

    Parameters
    ----------
    names : tuple of str
        The variables.
    """

    def __init__(self, names: Names) -> None:
        self.names = list(names)
        self.places: dict[Place, Location | None] = {}
        self.after: list[Callable[[Iterator[Any]], Any]] = []
        self.taken: list[tuple[Tracer, list[Tracer]]] = []
        self.flags: list[dict[str, Any]] = []
        self.arms: tuple[Arm, Arm] | None = None

    def __call__(self, a: Arm, b: Arm) -> tuple[list[Any], list[Any]]:
        """Return the results of either arm."""
        results: tuple[list[Any], list[Any]] = ([], [])
        self.arms = (a, b)
        self.flags = [_flags(self.names, arm.variables) for arm in (a, b)]
        ends = list(zip(a.variables, b.variables, strict=True))
        for place in dict.fromkeys([*a.places, *b.places]):
            x, y = _held(place, a, b), _held(place, b, a)
            line = a.scope.lines.get(place.holder) or b.scope.lines.get(place.holder)
            if (x[0] is MISSING) != (y[0] is MISSING) and place.holder.fixed:
                raise _unequal(place, y[0] is MISSING, line)
            self.names.append(place.name)
            self.places[place] = line
            ends.append((_or_undefined(x), _or_undefined(y)))
        for name, (x, y) in zip(self.names, ends, strict=True):
            self.after.append(self._variable(name, x, y, results))
        return results

    def finish(self, outs: Sequence[Any]) -> list[Any]:
        """Return what the variables hold after the branch, given its results."""
        rest = iter(outs)
        values = [after(rest) for after in self.after]
        builder = builder_now()
        why = "whether it shares elements with that depends on the branch taken"
        tie(self.taken, lambda root: builder.is_within(root.home), why)
        count = len(values) - len(self.places)
        held = list(zip(self.places.items(), values[count:], strict=True))
        for (place, line), value in held:
            if value is not UNSET:
                place.put(value, line)
        for (place, line), value in reversed(held):
            if value is UNSET:
                place.remove(line)
        return values[:count]

    def _taken(self, out: Tracer, roots: list[Tracer]) -> Tracer:
        self.taken.append((out, roots))
        return out

    def _variable(self, name: str, x: Any, y: Any, results: Any) -> Callable[[Iterator[Any]], Any]:
        (va, la, sa), (vb, lb, sb) = x, y
        if va is vb:
            return lambda outs: va
        guarantee = None
        if isinstance(va, Undefined) or isinstance(vb, Undefined):
            # A flag says that what the conversion made is not read where it has no value.
            if not is_internal(name):
                guarantee = joined(list(zip((va, vb), self.flags, strict=True)))
            if guarantee is None or guarantee:
                if la is None and lb is not None:
                    la, sa = [Leaf(None, t, []) for t in map(_type_of_leaf, lb)], sb
                elif lb is None and la is not None:
                    lb, sb = [Leaf(None, t, []) for t in map(_type_of_leaf, la)], sa
            else:
                la = lb = None
        if la is None or lb is None or sa != sb:
            kind = Absent if isinstance(va, Absent) or isinstance(vb, Absent) else Undefined
            return _constantly(kind(_disagreement(name, va, vb)))
        kept = [
            p.given is not None and q.given is not None and same(p.given, q.given) for p, q in zip(la, lb, strict=True)
        ]
        for p, q, keep in zip(la, lb, kept, strict=True):
            ta, tb = _type_of_leaf(p), _type_of_leaf(q)
            if not keep and (ta.shape != tb.shape or (ta.dtype.kind == "b") != (tb.dtype.kind == "b")):
                return _constantly(Undefined(_disagreement(name, va, vb)))
        for p, q, keep in zip(la, lb, kept, strict=True):
            if not keep:
                results[0].append(_result(p))
                results[1].append(_result(q))

        assert self.arms is not None
        originals = [part for v, arm in zip((va, vb), self.arms, strict=True) for part in foreign(v, arm.builder)]

        def after(outs: Iterator[Any]) -> Any:
            leaves = [
                p.given if keep else self._taken(next(outs), [*p.roots, *q.roots])
                for p, q, keep in zip(la, lb, kept, strict=True)
            ]
            value = made_of(unflatten(sa, leaves))
            copied(value, originals)
            return value if guarantee is None else Sometimes(value, guarantee, _disagreement(name, va, vb))

        return after


def _held(place: Place, arm: Arm, other: Arm) -> Variable:
    """Return what a place holds at the end of an arm: what it held before if the arm has not changed it."""
    if place in arm.places:
        return arm.places[place]
    (found,) = outcome([other.scope.before[place.holder].get(place.key, MISSING)])
    arrays = [leaf.given for leaf in found[1] or () if isinstance(leaf.given, Tracer)]
    if any(id(root) in arm.cells for array in arrays for root in shared(array)):
        raise _Again([*arm.places, *other.places])
    return found


def _or_undefined(end: Variable) -> Variable:
    return (UNSET, None, None) if end[0] is MISSING else end


def _unequal(place: Place, then: bool, line: Location | None) -> TracingError:
    """Return the error that a container has something in one arm only, in the first one or in the other."""
    hint = "give it a value before the branch, or one in either arm"
    what = f"{place.name} is there only if the condition{_line()} is {'true' if then else 'false'}"
    if isinstance(place.holder, Elements):
        kind = kind_of(place.holder.target)
        what = f"a {kind} grows in a branch on a traced condition, so that its length is not known"
        hint = "append np.where(condition, a, b), or write to elements of an array"
    return TracingError(what, where=describe(line or caller()), hint=hint)


def _flags(names: Sequence[str], arm: Outcome) -> dict[str, Any]:
    """Return what the flags among variables hold at the end of an arm."""
    return {name: value for name, (value, _, _) in zip(names, arm, strict=True) if is_internal(name)}


def _result(leaf: Leaf) -> Any:
    """Return what an arm gives for a leaf: zeros, made in the arm, where it has none."""
    type = leaf.now
    return (lambda: zeros(type)) if isinstance(type, ArrayType) else leaf.now


def _type_of_leaf(leaf: Leaf) -> ArrayType:
    return leaf.now if isinstance(leaf.now, ArrayType) else type_of(leaf.now)


def _constantly(value: Any) -> Callable[[Iterator[Any]], Any]:
    return lambda outs: value


def _disagreement(name: str, a: Any, b: Any) -> str:
    line = _line()
    if isinstance(a, Undefined) or isinstance(b, Undefined):
        which = "false" if isinstance(b, Undefined) else "true"
        return f"{name} has no value if the condition{line} is {which}"
    return f"{name} is {shown(a)} if the condition{line} is true, and {shown(b)} if it is false"


def _line() -> str:
    here = caller()
    return f" at line {here.line}" if here else ""
