"""Sweeps that hand the numbers of a box on from array to array, past the arrays.

Where a stencil overwrites the inside of an array again and again, its adjoint takes the cotangents of the inside,
empties it, and adds them to neighbours in another array, from which they are taken next. Here they go straight from one
array of numbers (`gather.py`) into another: a sweep as cheap as that of the stencil. The arrays get what falls beside
the box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from jitdiff.codegen.expressions import fixed_distance
from jitdiff.codegen.gather import Gathering, Share, Sweep, position
from jitdiff.codegen.independent import HEAD, Surroundings, zeroed
from jitdiff.codegen.program import Place
from jitdiff.codegen.terms import canonical
from jitdiff.codegen.text import Stmt, names_in, nested, normal, without
from jitdiff.ir import product

Item = Stmt | Sweep
Loops = tuple[tuple[str, str], ...]
"""Variables, each with the text of the number of its values."""


@dataclass(eq=False, slots=True)
class Relayed:
    """What becomes of the body of a loop, and what comes before and after the loop."""

    body: list[Item]
    before: list[Stmt] = field(default_factory=list)
    after: list[Stmt] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Relay:
    """An array whose box is emptied by one sweep, and filled by another.

    Parameters
    ----------
    array : Place
        The array.
    sweep : Sweep
        The sweep that empties the box.
    numbers : Place
        Where what is in the box is kept instead.
    from_start : bool
        Whether the box is emptied before it is filled, so that what it holds before the loop matters.
    beside : bool
        Whether what falls beside the box matters.
    """

    array: Place
    sweep: Sweep
    numbers: Place
    from_start: bool
    beside: bool = True

    @property
    def cell(self) -> str:
        """Text of the element of the array at a cell of the box."""
        return self.array.element(self.sweep.at)

    @property
    def inside(self) -> str:
        """Text of the number of that cell."""
        return self.numbers.element((position(self.sweep.at, self.array.type.shape, self.sweep.pads[0]),))


def relayed(body: list[Item], earlier: list[Item], gathering: Gathering, around: Surroundings) -> Relayed:
    """Return the body of a loop with the sweeps that hand on their numbers written out.

    Parameters
    ----------
    body : list of Stmt or Sweep
        The body of the loop.
    earlier : list of Stmt or Sweep
        What comes before the loop. Zeros that nothing reads any more are taken out of it.
    gathering : Gathering
        What writes sweeps.
    around : Surroundings
        What is known of the whole text.
    """
    emptying = {item: own for item in body if isinstance(item, Sweep) and (own := gathering.emptying(item))}
    uses = _Uses(body, earlier, around)
    relays: dict[str, _Relay] = {}
    for name, from_start in _handing_on(body, emptying, uses, gathering).items():
        (sweep,) = (own for own in emptying.values() if own.taken == name)
        relays[name] = _Relay(gathering.arrays[name], sweep, gathering.padded(sweep), from_start)
    result = Relayed([])
    for name, relay in relays.items():
        if relay.from_start:
            result.before += _box(relay.sweep, [Stmt(f"{relay.inside} = {relay.cell}", relay.sweep.loc)])
            result.after += _box(relay.sweep, [Stmt(f"{relay.cell} = {relay.inside}", relay.sweep.loc)])
        elif name not in gathering.results and uses.only_in_sweeps(name):
            relay.beside = False
            uses.forget(name)
    for item in body:
        own = emptying.get(item) if isinstance(item, Sweep) else None
        if own is None or own.taken not in relays:
            result.body.append(item)
        elif own.target.name in relays:
            result.body += _handed_on(own, relays[own.taken], relays[own.target.name], gathering)
        else:
            result.body += gathering.added(own, relays[own.taken].numbers)
    return result


def _handing_on(
    body: Sequence[Item], emptying: Mapping[Sweep, Sweep], uses: _Uses, gathering: Gathering
) -> dict[str, bool]:
    """Return the arrays whose boxes are handed on, and whether each is emptied before it is filled."""
    sweeps = [item for item in body if isinstance(item, Sweep)]
    filling = {item.target.name: item for item in sweeps}
    emptied = {own.taken: item for item, own in emptying.items()}
    found: dict[str, bool] = {}
    for name in filling.keys() & emptied.keys():
        first, last = emptied[name], filling[name]
        own = emptying.get(last)
        from_start = sweeps.index(first) < sweeps.index(last)
        if (
            own is not None
            and (own.box, own.target.type) == (emptying[first].box, first.target.type)
            and uses.sweeps(name) == {first, last}
            and (from_start or uses.begins_with_zeros(gathering.arrays[name]))
        ):
            found[name] = from_start
    while any(emptying[filling[name]].taken not in found for name in found):
        found = {name: found[name] for name in found if emptying[filling[name]].taken in found}
    return {name: found[name] for name in emptied if name in found}


def _handed_on(sweep: Sweep, source: _Relay, target: _Relay, gathering: Gathering) -> list[Stmt]:
    """Return the loops that fill the numbers of an array from those of another, and add what falls beside the box."""
    shape = sweep.target.type.shape
    here = gathering.program.names.fresh("", "t")
    total, before = gathering.total(sweep, source.numbers, here)
    inside = target.numbers.element((canonical(f"{here} + {target.sweep.pads[0]}", {}),))
    lines = [Stmt(f"{here} = {position(sweep.at, shape)}", sweep.loc), *before, Stmt(f"{inside} = {total}", sweep.loc)]
    stmts = _box(sweep, lines)
    if not target.beside:
        return stmts
    beside = []
    for loops, group in groupby(_edges(sweep), key=lambda edge: edge.loops):
        added = []
        for edge in group:
            total, before = gathering.total(sweep, source.numbers, position(edge.index, shape), edge.shares)
            element = sweep.target.element(edge.index)
            added += [*before, Stmt(normal(f"{element} = {element} + ({total})"), sweep.loc)]
        beside += nested(loops, added)
    counts = [count for count in sweep.box[sweep.target.type.ndim :] if not count.isdigit()]
    if counts and beside:
        beside = [Stmt(f"if {' and '.join(f'{count} > 0' for count in counts)}:", sweep.loc, beside)]
    return [*stmts, *beside]


@dataclass(frozen=True, slots=True)
class _Edge:
    """Cells beside a box: the loops that go through them, their index, and the shares that fall there."""

    loops: Loops
    index: tuple[str, ...]
    shares: list[Share]


def _edges(sweep: Sweep) -> Iterator[_Edge]:
    """Yield the cells beside a box that get something: those that lie before or after it along an axis first.

    Along the axes before it they lie beside the box, along those after it as far out as shares go.
    """
    ndim = sweep.target.type.ndim
    first, counts = sweep.box[:ndim], sweep.box[ndim:]
    for axis in range(ndim):
        for sign in (-1, 1):
            for layer in range(max(0, *(sign * share.offset[axis] for share in sweep.shares))):
                shares = [share for share in sweep.shares if sign * share.offset[axis] > layer]
                where = f"{first[axis]} - {layer + 1}" if sign < 0 else f"{first[axis]} + {counts[axis]} + {layer}"
                loops, index = [], []
                for k, variable in enumerate(sweep.variables):
                    low, high = (
                        max(0, *(side * share.offset[k] for share in shares)) if k > axis else 0 for side in (-1, 1)
                    )
                    if k != axis:
                        loops.append((variable, canonical(f"{counts[k]} + {low + high}", {})))
                    index.append(canonical(where if k == axis else f"{first[k]} + {variable} - {low}", {}))
                yield _Edge(tuple(loops), tuple(index), shares)


def _box(sweep: Sweep, body: list[Stmt]) -> list[Stmt]:
    """Return loops through the cells of a box."""
    return nested(tuple(zip(sweep.variables, sweep.box[sweep.target.type.ndim :], strict=True)), body)


class _Uses:
    """Where arrays are used: in the body of a loop, before it, and in the whole text."""

    def __init__(self, body: Sequence[Item], earlier: list[Item], around: Surroundings) -> None:
        self._body, self._earlier, self._around = body, earlier, around

    def sweeps(self, name: str) -> set[Item]:
        """Return what uses an array in the body of the loop."""
        return {item for item in self._body if self._lines(name, _stmts(item))}

    def begins_with_zeros(self, array: Place) -> bool:
        """Tell whether the last thing that happens to an array before the loop is that all of it becomes zero."""
        for stmt in (stmt for item in reversed(self._earlier) for stmt in _stmts(item)):
            if not all(self._is_view(line) for line in self._lines(array.name, [stmt])):
                return self._sets_all_to_zero(stmt, array)
        return False

    def only_in_sweeps(self, name: str) -> bool:
        """Tell whether an array is used in the body of the loop alone, but for zeros before it."""
        before = self._lines(name, [stmt for item in self._earlier for stmt in _stmts(item)])
        inside = self._lines(name, [stmt for item in self._body for stmt in _stmts(item)])
        every = sum(count for other, count in self._around.loads.items() if self._is(other, name))
        known = sum(self._is(other, name) for line in before + inside for other in names_in(line.text)[0])
        return known == every and all(self._is_view(line) or zeroed(line) for line in before)

    def forget(self, name: str) -> None:
        """Take out what makes an array zero before the loop."""
        for item in list(self._earlier):
            if isinstance(item, Stmt) and not without([item], set(self._lines(name, [item])).__contains__):
                self._earlier.remove(item)

    def _lines(self, name: str, stmts: Sequence[Stmt]) -> list[Stmt]:
        """Return the statements that use an array or a view of it."""
        lines = (line for stmt in stmts for line in stmt.walk())
        return [line for line in lines if any(self._is(n, name) for group in names_in(line.text) for n in group)]

    def _is(self, other: str, name: str) -> bool:
        return self._around.aliases.get(other, other) == name

    def _is_view(self, line: Stmt) -> bool:
        return any(name in self._around.aliases for name in names_in(line.text)[1])

    def _sets_all_to_zero(self, stmt: Stmt, array: Place) -> bool:
        """Tell whether all that loops do with an array is that each element becomes zero."""
        loops: list[tuple[str, str]] = []
        while head := HEAD.fullmatch(stmt.text):
            loops.append((head[1], head[2]))
            used = [inner for inner in stmt.body or () if self._lines(array.name, [inner])]
            if len(used) != 1:
                return False
            (stmt,) = used
        name, *index = zeroed(stmt) or ("",)
        shape = array.type.shape if name == array.name else (product(array.type.shape),)
        same = (fixed_distance(count, str(n)) == 0 for (_, count), n in zip(loops, shape, strict=False))
        return self._is(name, array.name) and index == [variable for variable, _ in loops] and all(same)


def _stmts(item: Item) -> list[Stmt]:
    return [item] if isinstance(item, Stmt) else item.nest.stmts[:1]
