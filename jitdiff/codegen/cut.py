"""Cutting long functions up: Numba's time to compile grows faster than the length of a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from jitdiff.codegen.text import Stmt, count_names, names_in
from jitdiff.codegen.views import View, find_views, with_views

Says = Callable[[str], bool]

_START = re.compile(r"\w+ = (np\.\w+\()?[-+.\w]+\)?")

LIMIT = 300
"""Lines of a function that stays as it is, and of the pieces of a longer loop."""

PIECE = 100
"""Lines of a piece that runs once: in short ones Numba's time is least."""


@dataclass(eq=False, slots=True)
class Function:
    """A function of the module."""

    name: str
    params: list[str]
    body: list[Stmt]

    @property
    def stmt(self) -> Stmt:
        """The definition."""
        return Stmt(f"def {self.name}({', '.join(self.params)}):", None, self.body)


def cut(
    name: str,
    params: list[str],
    guards: list[Stmt],
    body: list[Stmt],
    given: Mapping[str, View] = MappingProxyType({}),
    limit: int = LIMIT,
    piece: int = PIECE,
) -> list[Function]:
    """Return the functions that a long one is cut into, callees first.

    The pieces are called ``<name>_1``, ``<name>_2``, ...; each gets the names that it reads and returns those that are
    read after it. Views, those `given` and those that the statements bind, are made anew in each function that reads
    them. The `guards` stay first in the entry.
    """
    views = dict(given)
    if sum(s.lines for s in body) > limit:
        views, body = find_views(body, params, given)
    cutter = _Cutter(name, limit, views)
    bound = {*params, *(n for s in guards for n in names_in(s.text)[1])}
    short = cutter.shorten(body, bound.__contains__, lambda _: False, min(piece, limit))
    return [*cutter.functions, Function(name, params, [*guards, *with_views(short, _exposed(short), views)])]


@dataclass(eq=False)
class _Cutter:
    name: str
    limit: int
    views: Mapping[str, View]
    functions: list[Function] = field(default_factory=list)

    def shorten(self, body: Sequence[Stmt], bound: Says, wanted: Says, most: int) -> list[Stmt]:
        """Return `body` with what is too long moved into functions.

        Parameters
        ----------
        body : sequence of Stmt
            Statements of a function or of a compound statement in it.
        bound, wanted : callable
            Say whether a name has a value before, and whether it is read after.
        most : int
            Lines of a piece.
        """
        if sum(s.lines for s in body) <= self.limit:
            return list(body)
        units = list(_units(body))
        last_read = {name: k for k, unit in enumerate(units) for name in _exposed(unit)}
        first_stored: dict[str, int] = {}

        def bound_before(k: int) -> Says:
            return lambda name: first_stored.get(name, k) < k or bound(name)

        def wanted_after(k: int) -> Says:
            return lambda name: last_read.get(name, -1) > k or wanted(name)

        for k, unit in enumerate(units):
            for stmt in unit:
                self._shorten_inside(stmt, bound_before(k), wanted_after(k))
            for name in count_names(unit)[1]:
                first_stored.setdefault(name, k)
        result: list[Stmt] = []
        for start, stop in _pieces(units, most):
            stmts = [stmt for unit in units[start:stop] for stmt in unit]
            if stmts[0].pinned:
                result += stmts
            else:
                result += self._move(stmts, bound_before(start), wanted_after(stop - 1), most)
        return result

    def _shorten_inside(self, stmt: Stmt, bound: Says, wanted: Says) -> None:
        if stmt.body is not None and stmt.lines > self.limit:
            again = set(_exposed(stmt.body)) if stmt.is_loop else set()
            stored = names_in(stmt.text)[1]
            stmt.body = self.shorten(
                stmt.body,
                lambda name: name in stored or bound(name),
                lambda name: name in again or wanted(name),
                self.limit,
            )

    def _move(self, piece: list[Stmt], bound: Says, wanted: Says, most: int) -> list[Stmt]:
        if sum(s.lines for s in piece) < most // 8:
            return piece
        returned = [n for n in count_names(piece)[1] if wanted(n)]
        certain = _certain(piece)
        body = with_views(piece, _exposed(piece), self.views)
        params = [n for n in _exposed(body) if bound(n)]
        params += [n for n in returned if n not in certain and bound(n) and n not in params]
        function = Function(f"{self.name}_{len(self.functions) + 1}", params, body)
        if returned:
            function.body.append(Stmt(f"return {', '.join(returned)}", pinned=True))
        self.functions.append(function)
        call = f"{function.name}({', '.join(params)})"
        return [Stmt(f"{', '.join(returned)} = {call}" if returned else call, piece[0].loc)]


def _units(body: Sequence[Stmt]) -> Iterator[list[Stmt]]:
    """Yield statements, an ``else`` with its ``if``."""
    unit: list[Stmt] = []
    for stmt in body:
        if unit and stmt.text != "else:":
            yield unit
            unit = []
        unit.append(stmt)
    if unit:
        yield unit


def _pieces(units: Sequence[Sequence[Stmt]], most: int) -> Iterator[tuple[int, int]]:
    """Yield where pieces of about `most` lines start and stop; what is pinned stands alone."""
    start = length = 0
    for k, unit in enumerate(units):
        lines = sum(s.lines for s in unit)
        if start < k and (unit[0].pinned or units[k - 1][0].pinned or length + lines > most):
            stop = k
            while not unit[0].pinned and stop > start and _is_start(units[stop - 1]):
                # Totals begin where they are added to, so that they need not be handed on.
                stop -= 1
            if start < stop:
                yield start, stop
            start, length = stop, k - stop
        length += lines
    if start < len(units):
        yield start, len(units)


def _is_start(unit: Sequence[Stmt]) -> bool:
    """Say whether a unit sets a name to a number."""
    return _START.fullmatch(unit[0].text) is not None


def _certain(stmts: Sequence[Stmt]) -> set[str]:
    """Return the names that statements store whatever happens."""
    found: set[str] = set()
    for unit in _units(stmts):
        if unit[0].body is None:
            found.update(names_in(unit[0].text)[1])
        elif len(unit) == 2:
            found |= _certain(unit[0].body) & _certain(unit[1].body or ())
    return found


def _exposed(stmts: Sequence[Stmt], known: frozenset[str] = frozenset()) -> list[str]:
    """Return the names that statements load before they surely store them, in order."""
    found: dict[str, None] = {}
    have = set(known)
    for unit in _units(stmts):
        for stmt in unit:
            loads, stores = names_in(stmt.text)
            found.update(dict.fromkeys(n for n in loads if n not in have))
            if stmt.body is not None:
                inner = frozenset(have.union(stores))
                found.update(dict.fromkeys(_exposed(stmt.body, inner)))
        have |= _certain(unit)
    return list(found)
