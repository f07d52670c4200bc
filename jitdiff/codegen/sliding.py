"""An element that one iteration changes and the next one reads goes from one to the other in a scalar.

A sweep in place (``x[i] = f(x[i - 1], x[i])``) and its adjoint hand a number from cell to cell. Through memory that
takes longer than the arithmetic: the load has to wait for the store. What was stored is stored still.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jitdiff.codegen.expressions import fixed_distance, normal_form, parsed, replaced, terms_of
from jitdiff.codegen.independent import HEAD, Surroundings, integer_line
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.text import Stmt, fill_text, names_in

Index = tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Slid:
    """A loop that hands on a number.

    Parameters
    ----------
    loop : Stmt
        The loop; its last statement is ``here = ahead``.
    here, ahead : str
        The numbers that an iteration starts from, and ends with.
    array : Place
        The array that they are elements of.
    """

    loop: Stmt
    here: str
    ahead: str
    array: Place


def slide(stmts: Sequence[Stmt], program: Program, arrays: Mapping[str, Place]) -> tuple[list[Stmt], list[Slid]]:
    """Return statements in which innermost loops keep what their next iteration reads, and those loops.

    Parameters
    ----------
    stmts : sequence of Stmt
        The statements of a function.
    program : Program
        The program.
    arrays : mapping
        The arrays of the text by name.
    """
    slid: list[Slid] = []
    return _slid(stmts, Surroundings.of(stmts, program.aliases), program, arrays, slid), slid


def _slid(
    stmts: Sequence[Stmt], around: Surroundings, program: Program, arrays: Mapping[str, Place], slid: list[Slid]
) -> list[Stmt]:
    found: list[Stmt] = []
    for stmt in stmts:
        if stmt.body is not None:
            stmt.body[:] = _slid(stmt.body, around, program, arrays, slid)
            if (head := HEAD.fullmatch(stmt.text)) and not _has_loops(stmt):
                loop = _Loop(stmt, head[1], head[2], around)
                for name in loop.changed():
                    if name in arrays and (pair := loop.pair(name)):
                        before, each = loop.rewrite(name, pair, program, arrays[name])
                        found.append(before)
                        slid.append(each)
        found.append(stmt)
    return found


def _has_loops(stmt: Stmt) -> bool:
    return any(inner.is_loop for body in stmt.body or () for inner in body.walk())


@dataclass(eq=False)
class _Access:
    """An element that a statement reads or writes."""

    name: str
    index: Index
    loads: bool
    stores: bool
    surely: bool


class _Loop:
    """An innermost loop, and what its iterations read and write."""

    def __init__(self, stmt: Stmt, variable: str, bound: str, around: Surroundings) -> None:
        self.stmt, self.variable, self.bound, self.around = stmt, variable, bound, around
        self.known = dict(around.known)
        stored = [name for body in stmt.body or () for s in body.walk() for name in names_in(s.text)[1]]
        for s in stmt.body or ():
            if (line := integer_line(s)) and stored.count(line[0]) == 1:
                fixed = all(n in self.known or n not in stored for n in names_in(s.text)[0])
                if fixed:
                    self.known[line[0]] = replaced(line[1], self.known)
        self.stored = set(stored)
        self.whole: set[str] = set()
        self.accesses = [access for s in stmt.body or () for access in self._accesses(s, surely=True)]

    def _accesses(self, stmt: Stmt, *, surely: bool) -> Iterator[_Access]:
        if stmt.text != "else:":
            node = ast.parse(f"{stmt.text} pass" if stmt.text.endswith(":") else stmt.text).body[0]
            inside = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Subscript)}
            self.whole.update(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in inside)
            surely = surely and not any(isinstance(n, ast.IfExp | ast.BoolOp) for n in ast.walk(node))
            for n in ast.walk(node):
                if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name):
                    if any(isinstance(term, ast.Slice) for term in terms_of(n)):
                        self.whole.add(n.value.id)
                        continue
                    stores = isinstance(n.ctx, ast.Store)
                    loads = not stores or isinstance(node, ast.AugAssign)
                    yield _Access(n.value.id, self.index(n), loads, stores, surely)
        for inner in stmt.body or ():
            yield from self._accesses(inner, surely=False)

    def index(self, element: ast.Subscript) -> Index:
        """Return an index in terms of the loop variable."""
        return tuple(normal_form(replaced(t, self.known)) for t in terms_of(element))

    def changed(self) -> list[str]:
        """Return the arrays that are changed element by element, and are looked at in no other way."""
        names = {access.name for access in self.accesses} | self.whole
        aliases = self.around.aliases
        shared = Counter(aliases.get(name, name) for name in names)
        changed = dict.fromkeys(access.name for access in self.accesses if access.stores)
        return [name for name in changed if name not in self.whole and shared[aliases.get(name, name)] == 1]

    def pair(self, name: str) -> tuple[Index, Index] | None:
        """Return an index that is read, and the one that is its next value and is written; None if there is none."""
        accesses = [access for access in self.accesses if access.name == name]
        stored = {access.index for access in accesses if access.stores}
        surely = {access.index for access in accesses if access.surely}
        # What is read alone is what the next number is computed from.
        for access in sorted(accesses, key=lambda access: access.stores):
            here = access.index
            following = self._at(here, f"({self.variable} + 1)")
            others = stored - {here, following}
            if (
                access.loads
                and self._is_fixed(here)
                and following in stored
                and {here, following} <= surely
                and _apart(here, following)
                and all(_apart(other, one) for other in others for one in (here, following))
            ):
                return here, following
        return None

    def _is_fixed(self, index: Index) -> bool:
        """Tell whether an index changes with the loop variable only."""
        return not any("[" in term or self.stored.intersection(names_in(term)[0]) for term in index)

    def _at(self, index: Index, value: str) -> Index:
        at = {self.variable: parsed(value)}
        return tuple(normal_form(replaced(parsed(term), at)) for term in index)

    def rewrite(self, name: str, pair: tuple[Index, Index], program: Program, array: Place) -> tuple[Stmt, Slid]:
        """Let the elements of a pair be scalars in the loop; return the statement that comes before it, and these."""
        here, following = pair
        scalars = {
            index: program.names.fresh(f"{name}_{which}") for index, which in ((here, "here"), (following, "ahead"))
        }
        assert self.stmt.body is not None
        change = _Scalars(self, name, scalars)
        body = [part for s in self.stmt.body for part in change.rewritten(s)]
        if any(a.name == name and a.index == following and a.loads for a in self.accesses):
            body.insert(0, Stmt(f"{scalars[following]} = {array.element(following)}"))
        self.stmt.body[:] = [*body, Stmt(f"{scalars[here]} = {scalars[following]}")]
        first = array.element(self._at(here, "0"))
        if not (self.bound.isdigit() and int(self.bound)):
            first = f"{first} if {self.bound} > 0 else {fill_text('0', array.type)}"
        before = Stmt(f"{scalars[here]} = {first}", self.stmt.loc)
        return before, Slid(self.stmt, scalars[here], scalars[following], array)


class _Scalars(ast.NodeTransformer):
    """Replaces elements of an array by scalars."""

    def __init__(self, loop: _Loop, name: str, scalars: Mapping[Index, str]) -> None:
        self.loop, self.name, self.scalars = loop, name, scalars

    def rewritten(self, stmt: Stmt) -> list[Stmt]:
        """Return a statement with the scalars, followed by one that stores what it gives them."""
        if stmt.body is not None:
            head = stmt.text if stmt.text == "else:" else self._text(f"{stmt.text} pass").partition("\n")[0]
            body = [part for s in stmt.body for part in self.rewritten(s)]
            return [Stmt(head, stmt.loc, body, stmt.pinned)]
        text = Stmt(self._text(stmt.text), stmt.loc, pinned=stmt.pinned)
        match ast.parse(stmt.text).body[0]:
            case ast.Assign(targets=[ast.Subscript() as target]) | ast.AugAssign(target=ast.Subscript() as target):
                if scalar := self._scalar(target):
                    return [text, Stmt(f"{ast.unparse(target)} = {scalar}", stmt.loc)]
        return [text]

    def _text(self, text: str) -> str:
        return ast.unparse(self.visit(ast.parse(text)))

    def _scalar(self, node: ast.Subscript) -> str | None:
        if isinstance(node.value, ast.Name) and node.value.id == self.name:
            return self.scalars.get(self.loop.index(node))
        return None

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        scalar = self._scalar(node)
        return ast.Name(scalar, node.ctx) if scalar else node


def _apart(a: Index, b: Index) -> bool:
    """Tell whether two indices differ by a number along an axis."""
    return any(fixed_distance(x, y) for x, y in zip(a, b, strict=True))
