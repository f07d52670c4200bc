"""Cutting long functions up: Numba's time to compile grows faster than the length of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from jitdiff.codegen.text import Stmt, count_names, names_in

Wanted = Callable[[str], bool]

LIMIT = 300
"""Lines of a function."""


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


def cut(name: str, params: list[str], body: list[Stmt], limit: int = LIMIT) -> list[Function]:
    """Return the functions that a long one is cut into, callees first.

    The pieces are called ``<name>_1``, ``<name>_2``, ...; each gets the names that it reads and returns those that are
    read after it.
    """
    cutter = _Cutter(name, limit)
    short = cutter.shorten(body, set(params), lambda _: False)
    return [*cutter.functions, Function(name, params, short)]


@dataclass(eq=False)
class _Cutter:
    name: str
    limit: int
    functions: list[Function] = field(default_factory=list)

    def shorten(self, body: Sequence[Stmt], bound: set[str], wanted: Wanted) -> list[Stmt]:
        """Return `body` with what is too long moved into functions.

        Parameters
        ----------
        body : sequence of Stmt
            Statements of a function or of a compound statement in it.
        bound : set of str
            Names that have a value before.
        wanted : callable
            Says whether a name is read after.
        """
        if sum(s.lines for s in body) <= self.limit:
            return list(body)
        units = list(_units(body))
        last_read = {name: k for k, unit in enumerate(units) for name in _exposed(unit)}

        def wanted_after(k: int) -> Wanted:
            return lambda name: last_read.get(name, -1) > k or wanted(name)

        before = set(bound)
        result: list[Stmt] = []
        piece: list[Stmt] = []
        length = 0
        known = set(before)
        for k, unit in enumerate(units):
            for stmt in unit:
                self._shorten_inside(stmt, before, wanted_after(k))
            lines = sum(s.lines for s in unit)
            if piece and (unit[0].pinned or length + lines > self.limit):
                result += self._move(piece, known, wanted_after(k - 1))
                piece, length, known = [], 0, set(before)
            if unit[0].pinned:
                result += unit
            else:
                piece += unit
                length += lines
            before |= count_names(unit)[1].keys()
        return result + (self._move(piece, known, wanted) if piece else [])

    def _shorten_inside(self, stmt: Stmt, bound: set[str], wanted: Wanted) -> None:
        if stmt.body is not None and stmt.lines > self.limit:
            again = set(_exposed(stmt.body)) if stmt.is_loop else set()
            stored = set(names_in(stmt.text)[1])
            stmt.body = self.shorten(stmt.body, bound | stored, lambda name: name in again or wanted(name))

    def _move(self, piece: list[Stmt], bound: set[str], wanted: Wanted) -> list[Stmt]:
        if sum(s.lines for s in piece) < self.limit // 8:
            return piece
        returned = [n for n in count_names(piece)[1] if wanted(n)]
        certain = _certain(piece)
        params = [n for n in _exposed(piece) if n in bound]
        params += [n for n in returned if n not in certain and n in bound and n not in params]
        function = Function(f"{self.name}_{len(self.functions) + 1}", params, list(piece))
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
