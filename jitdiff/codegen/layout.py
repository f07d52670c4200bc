"""How arrays lie in memory while a program works on them.

An array that the innermost loops go along by another axis than the last, as along the columns of a matrix, lies with
that axis last: then its elements are vectors. A result that sweeps go over again and again is kept in the workspace
until it is done, where it can lie so, and begins at a cache line.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jitdiff.codegen.accesses import accesses
from jitdiff.codegen.expressions import array_of, fixed_distance, parsed, slope, terms_of
from jitdiff.codegen.independent import HEAD
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.terms import canonical
from jitdiff.codegen.text import Stmt, count_names, names_in, nested, statement
from jitdiff.ir import Shape, product

_MORE = 2
"""How many times as often loops go along another axis than along the last one for an array to be turned."""

_SWEEPS = 16
"""How often a result is written over before it is kept in the workspace."""

_BYTES = 4096
"""Size from which on that is worth it."""


def lay_out(stmts: list[Stmt], program: Program, arrays: Mapping[str, Place], results: Sequence[str]) -> list[Stmt]:
    """Return statements in which arrays lie as loops go through them.

    Parameters
    ----------
    stmts : list of Stmt
        The statements of a function; the last one returns.
    program : Program
        The program. Its buffers change.
    arrays : mapping
        The arrays of the text by name.
    results : sequence of str
        Those of them that the caller gives for results.
    """
    votes, writes = _votes(stmts, program.aliases)
    for name in results:
        place = arrays[name]
        size = place.type.size
        if not isinstance(size, int) or size * place.type.dtype.itemsize < _BYTES:
            continue
        if _axis(votes[name], place.type.ndim) is not None or writes[name] >= _SWEEPS * size:
            home = program.buffer("", place.type)
            stmts = _kept(stmts, place, home, program)
            arrays = {**arrays, home.name: home}
            votes[home.name] = votes[name]
    turned = {}
    for buffer in program.buffers:
        axis = _axis(votes[buffer.name], buffer.type.ndim)
        if axis is not None and not buffer.returned:
            turned[buffer.name] = axis
    return _Turning(stmts, turned, program, arrays).turned() if turned else stmts


def _votes(stmts: Sequence[Stmt], aliases: Mapping[str, str]) -> tuple[dict[str, Counter[int]], Counter[str]]:
    """Return how often loops go along each axis of the arrays, and how often they write to each array."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    writes: Counter[str] = Counter()
    for each in accesses(stmts):
        if each.stores:
            writes[aliases.get(each.array, each.array)] += each.trips
        slopes = {k: n for k, term in enumerate(each.index) if (n := slope(term, each.variable))}
        if [abs(n) for n in slopes.values()] == [1]:
            votes[each.array][min(slopes)] += each.trips
    return votes, writes


def _axis(votes: Counter[int], ndim: int) -> int | None:
    """Return the axis that had better be the last, None if it is."""
    if not votes:
        return None
    axis = max(sorted(votes), key=votes.__getitem__)
    return axis if axis != ndim - 1 and votes[axis] > _MORE * votes[ndim - 1] else None


def _kept(stmts: Sequence[Stmt], result: Place, home: Place, program: Program) -> list[Stmt]:
    """Return statements that work in the workspace, and copy a result from there at the end."""
    name = re.compile(rf"\b{result.name}\b")

    for line in (line for stmt in stmts for line in stmt.walk()):
        line.text = name.sub(home.name, line.text)
    for view, base in program.aliases.items():
        if base == result.name:
            program.aliases[view] = home.name
    *before, last = stmts
    index = tuple(program.loops[: result.type.ndim])
    copy = Stmt(f"{result.element(index)} = {home.element(index)}", last.loc)
    return [*before, *nested(_loops(index, result.type.shape), [copy]), last]


def _loops(variables: Sequence[str], shape: Shape) -> list[tuple[str, str]]:
    return [(variable, canonical(n, {})) for variable, n in zip(variables, shape, strict=True)]


class _Turning:
    """Lets arrays lie with another axis last, those of which no more than elements are used.

    Parameters
    ----------
    stmts : sequence of Stmt
        The statements of a function.
    axes : mapping
        The arrays, each with the axis that is to be the last.
    program : Program
        The program.
    arrays : mapping
        All arrays of the text by name.
    """

    def __init__(
        self, stmts: Sequence[Stmt], axes: Mapping[str, int], program: Program, arrays: Mapping[str, Place]
    ) -> None:
        self.stmts, self.program, self.arrays = stmts, program, arrays
        self.axes = dict(axes)
        while bad := {name for stmt in stmts for name in self._refused(stmt, ())}:
            self.axes = {name: axis for name, axis in self.axes.items() if name not in bad}

    def turned(self) -> list[Stmt]:
        """Return the statements, and change the shapes of the buffers."""
        stmts = self._turned(self.stmts, set())
        for buffer in self.program.buffers:
            if buffer.name in self.axes:
                buffer.type = buffer.type.with_shape(self._order(buffer.name, buffer.type.shape))
        loads, _ = count_names(stmts)
        return [s for s in stmts if not (self._is_view(s) and not loads[names_in(s.text)[1][0]])]

    def _order(self, name: str, terms: Sequence[Any]) -> tuple[Any, ...]:
        axis = self.axes[name]
        return (*terms[:axis], *terms[axis + 1 :], terms[axis])

    def _base(self, name: str) -> str:
        return self.program.aliases.get(name, name)

    def _is_view(self, stmt: Stmt) -> bool:
        return any(name in self.program.aliases for name in names_in(stmt.text)[1]) if stmt.body is None else False

    def _refused(self, stmt: Stmt, around: tuple[Stmt, ...]) -> Iterator[str]:
        """Yield the arrays that a statement does more with than to go through elements."""
        tree = ast.parse(statement(stmt))
        elements = {id(n.value): n for n in ast.walk(tree) if isinstance(n, ast.Subscript)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Name) or self._base(node.id) not in self.axes or self._is_view(stmt):
                continue
            base, element = self._base(node.id), elements.get(id(node))
            if element is None:
                yield base
            elif node.id == base:
                if len(terms_of(element)) != self.arrays[base].type.ndim:
                    yield base
            elif not around or not self._goes_through(around[-1], self.arrays[base].type.shape):
                yield base
        for inner in stmt.body or ():
            yield from self._refused(inner, (*around, stmt))

    def _goes_through(self, loop: Stmt, shape: Shape) -> bool:
        """Tell whether a loop goes through arrays of a shape, element after element, and does nothing else."""
        head = HEAD.fullmatch(loop.text)
        if head is None or fixed_distance(head[2], str(product(shape))) != 0:
            return False
        for line in loop.body or ():
            if line.body is not None:
                return False
            indices = 0
            for node in ast.walk(ast.parse(line.text)):
                if isinstance(node, ast.Subscript):
                    place = self.arrays.get(self._base(array_of(node)))
                    if place is None or place.type.shape != shape or ast.unparse(node.slice) != head[1]:
                        return False
                    indices += 1
                elif isinstance(node, ast.Name) and node.id == head[1]:
                    indices -= 1
            if indices:
                return False
        return True

    def _turned(self, stmts: Sequence[Stmt], used: set[str]) -> list[Stmt]:
        found: list[Stmt] = []
        for stmt in stmts:
            names = {name for group in names_in(stmt.text) for name in group}
            if self._is_view(stmt) and self._base(names_in(stmt.text)[1][0]) in self.axes:
                continue
            inside = {n for line in stmt.body or () for group in names_in(line.text) for n in group}
            flat = min((n for n in inside if n != self._base(n) in self.axes), default=None)
            shape = self.arrays[self._base(flat)].type.shape if flat else ()
            if flat and self._goes_through(stmt, shape):
                free = [v for v in self.program.loops if v not in used | inside]
                index = free[: len(shape)]
                body = [Stmt(self._text(line, index), line.loc) for line in stmt.body or ()]
                found += nested(_loops(index, shape), body)
            else:
                # Buffers know the statements around them.
                stmt.text = self._text(stmt)
                if stmt.body is not None:
                    stmt.body[:] = self._turned(stmt.body, used | names)
                found.append(stmt)
        return found

    def _text(self, stmt: Stmt, index: Sequence[str] | None = None) -> str:
        """Return the text of a statement, elements of rows at an index of the arrays instead."""
        names = {name for group in names_in(stmt.text) for name in group}
        if index is None and self.axes.keys().isdisjoint(names):
            return stmt.text
        text = ast.unparse(_Elements(self, index).visit(ast.parse(statement(stmt))))
        return text.partition("\n")[0] if stmt.body is not None else text

    def element(self, name: str, terms: Sequence[ast.expr], index: Sequence[str] | None) -> ast.expr:
        """Return an element of an array, or of a row at an index of the array."""
        if index is not None:
            name, terms = self._base(name), list(map(parsed, index))
        if name in self.axes:
            terms = self._order(name, terms)
        return parsed(f"{name}[{', '.join(map(ast.unparse, terms))}]")


class _Elements(ast.NodeTransformer):
    def __init__(self, turning: _Turning, index: Sequence[str] | None) -> None:
        self.turning, self.index = turning, index

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        return self.turning.element(array_of(node), terms_of(node), self.index)
