"""Loop nests whose iterations may be taken in any order, but for sums: what they read, and where they write."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jitdiff.codegen.expressions import (
    Outside,
    array_of,
    is_integral,
    normal_form,
    operations,
    parsed,
    replaced,
    slope,
    terms_of,
)
from jitdiff.codegen.terms import monomials
from jitdiff.codegen.text import Stmt, count_names, fill_text, names_in
from jitdiff.ir import ArrayType

_CONVERSION = re.compile(r"np\.(bool_|u?int\d+|float\d+)")
_ZEROS = [fill_text("0", ArrayType(np.dtype(dtype))) for dtype in (np.float32, np.float64)]
HEAD = re.compile(r"for (\w+) in range\((.+)\):")
"""The head of a loop: its variable and the number of its values."""


class Dependent(Exception):
    """The iterations of a loop cannot be taken in another order."""


def nest_of(stmt: Stmt) -> list[Stmt]:
    """Return loops that stand one in another with no more than statements before the inner one; none if there are."""
    nest: list[Stmt] = []
    while HEAD.fullmatch(stmt.text) and stmt.body:
        nest.append(stmt)
        *before, last = stmt.body
        if any(s.body is not None for s in before):
            return []
        if last.body is None:
            return nest
        stmt = last
    return []


def alike(stmts: Sequence[Stmt]) -> list[list[Stmt]]:
    """Return the nests that statements begin with, as far as their loops are the same."""
    nests: list[list[Stmt]] = []
    for stmt in stmts:
        nest = nest_of(stmt)
        if not nest or (nests and [s.text for s in nest] != [s.text for s in nests[0]]):
            break
        nests.append(nest)
    return nests


def merged(nests: Sequence[Sequence[Stmt]]) -> list[Stmt]:
    """Return nests of the same loops as one nest, which does at each point what they do one after the other."""
    merged: list[Stmt] = []
    for level in reversed(list(zip(*nests, strict=True))):
        body = [s for stmt in level for s in stmt.body or () if s.body is None]
        merged.insert(0, Stmt(level[0].text, level[0].loc, [*body, *merged[:1]]))
    return merged


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of the text around a nest.

    Parameters
    ----------
    aliases : mapping
        Names of views, each with the name of the array.
    loads : Counter
        How many statements of the whole text load each name.
    known : mapping
        Names that are bound once, to sums of products of integers and of names that never change: each with that.
    """

    aliases: Mapping[str, str]
    loads: Counter[str]
    known: Mapping[str, ast.expr]

    @classmethod
    def of(cls, stmts: Sequence[Stmt], aliases: Mapping[str, str]) -> Surroundings:
        """Return what is known of a text."""
        loads, stores = count_names(stmts)
        known: dict[str, ast.expr] = {}
        for stmt in [inner for outer in stmts for inner in outer.walk()]:
            match integer_line(stmt):
                case (name, value) if stores[name] == 1 and all(stores[n] < 2 for n in names_in(stmt.text)[0]):
                    known[name] = replaced(value, known)
        return cls(aliases, loads, known)


def integer_line(stmt: Stmt) -> tuple[str, ast.expr] | None:
    """Return the name and value of a statement that gives a name to a sum of products of integers and names."""
    if stmt.body is not None or "=" not in stmt.text:
        return None
    match ast.parse(stmt.text).body[0]:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_integral(value):
            return name, value
    return None


def zeroed(stmt: Stmt) -> tuple[str, ...] | None:
    """Return the name and index of an element that a statement sets to zero, None if it is another statement."""
    if stmt.body is None:
        match ast.parse(stmt.text).body[0]:
            case ast.Assign(targets=[ast.Subscript() as element], value=value) if ast.unparse(value) in _ZEROS:
                return array_of(element), *map(ast.unparse, terms_of(element))
    return None


@dataclass(eq=False, slots=True)
class Line:
    """A statement of a loop: a local scalar gets a value, or an element of an array does, or something is added to.

    ``name`` is what is stored to.
    """

    stmt: Stmt
    target: ast.Name | ast.Subscript
    value: ast.expr
    adds: bool = False
    subtracts: bool = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.target.id if isinstance(self.target, ast.Name) else array_of(self.target)

    @classmethod
    def of(cls, stmt: Stmt) -> Line:
        """Return the line of a statement; raise `Dependent` if it is another kind of statement."""
        (node,) = ast.parse(stmt.text).body
        match node:
            case ast.Assign(targets=[ast.Name() | ast.Subscript(value=ast.Name()) as target], value=value):
                line = cls(stmt, target, value)
            case ast.AugAssign(
                target=ast.Name() | ast.Subscript(value=ast.Name()) as target,
                op=ast.Add() | ast.Sub() as op,
                value=value,
            ):
                line = cls(stmt, target, value, adds=True, subtracts=isinstance(op, ast.Sub))
            case _:
                raise Dependent
        for part in line.reads:
            for inner in ast.walk(part):
                # Only conversions of numbers: a call is not made twice, nor one that may raise in another order.
                if isinstance(inner, ast.Call) and not _CONVERSION.fullmatch(ast.unparse(inner.func)):
                    raise Dependent
                if isinstance(inner, ast.Slice):
                    raise Dependent
        return line

    @property
    def reads(self) -> list[ast.expr]:
        """The expressions that it computes."""
        return [self.value] if isinstance(self.target, ast.Name) else [self.value, self.target.slice]

    @property
    def is_scalar(self) -> bool:
        """Whether it gives a local scalar a value, not to be added to."""
        return isinstance(self.target, ast.Name) and not self.adds

    @property
    def work(self) -> int:
        """Number of operations on numbers that are no indices."""
        if self.is_scalar and is_integral(self.value):
            return 0
        return operations(self.value)


class Nest:
    """Loops that stand one in another, whose iterations are independent of each other, but for sums.

    Parameters
    ----------
    stmts : list of Stmt
        The loops, outermost first.
    around : Surroundings
        What is known of the text around them.

    Attributes
    ----------
    bounds : dict
        The variables of the loops, each with the text of the number of its values.
    levels : list of list of Line
        The lines of each loop, those of the loop inside left out.
    turned : dict
        What the variables of loops that only go down are replaced by, so that they go up.

    Raises
    ------
    Dependent
        If the order of the iterations matters, or that cannot be told.
    """

    def __init__(self, stmts: list[Stmt], around: Surroundings) -> None:
        if not stmts:
            raise Dependent
        self.stmts, self.around = stmts, around
        heads = [HEAD.fullmatch(stmt.text) for stmt in stmts]
        self.bounds = {head[1]: head[2] for head in heads if head}
        self.levels = [[Line.of(s) for s in stmt.body or () if s.body is None] for stmt in stmts]
        self.lines = [line for level in self.levels for line in level]
        self.scalars = {line.name: line.value for line in self.lines if line.is_scalar}
        self._inlined: dict[str, ast.expr] = dict(around.known)
        self._places: dict[str, set[str]] = {}
        self._check()
        self.turned = self._turned()

    def is_sum(self, line: Line) -> bool:
        """Tell whether a line adds to an array that the loop does nothing else with than adding."""
        return line.adds and not self._places[line.name] and all(x.adds for x in self.lines if x.name == line.name)

    def index(self, line: Line) -> list[ast.expr]:
        """Return the index that a line writes to, in terms of the loop variables; nothing for a scalar."""
        return [self._inline(term) for term in terms_of(line.target)]

    def place(self, line: Line) -> list[ast.expr]:
        """Return the index that a line writes to where loops that go down are turned round."""
        return [replaced(term, self.turned) for term in self.index(line)]

    def slope(self, term: ast.expr, variable: str) -> int | float:
        """Return the factor of a loop variable in an index, NaN if it is more than multiplied."""
        return slope(self._inline(term), variable)

    def loop(self, wanted: Sequence[Line]) -> Stmt:
        """Return the innermost loop with the given lines, and those that they need, alone."""
        lines, needed = self.levels[-1], self.needed(wanted)
        new = [line for line in wanted if line not in lines]
        if new:
            # What they read has not been written over yet.
            stores = [line for line in lines if not line.is_scalar and not self.is_sum(line)]
            lines = [*(line for line in lines if line not in stores), *new, *stores]
        return Stmt(self.stmts[-1].text, self.stmts[-1].loc, [self._turn(line) for line in lines if line in needed])

    def needed(self, wanted: Iterable[Line]) -> set[Line]:
        """Return lines and those of the innermost loop that compute what they read."""
        needed = set(wanted)
        for line in reversed(self.levels[-1]):
            if line.is_scalar and any(line.name in names_in(n.stmt.text)[0] for n in needed):
                needed.add(line)
        return needed

    def around_loops(self, body: list[Stmt]) -> list[Stmt]:
        """Return the nest with the given innermost loops."""
        for stmt, level in zip(self.stmts[-2::-1], self.levels[-2::-1], strict=True):
            for line in reversed(level):
                read = any(line.name in names_in(s.text)[0] for inner in body for s in inner.walk())
                if read or not line.is_scalar:
                    body = [self._turn(line), *body]
            body = [Stmt(stmt.text, stmt.loc, body)] if body else []
        return body

    def _check(self) -> None:
        """Raise unless the iterations are independent of each other, but for sums."""
        lines, aliases = self.lines, self.around.aliases
        if any({*self.scalars, *self.bounds}.intersection(names_in(bound)[0]) for bound in self.bounds.values()):
            raise Dependent
        inside = Counter(name for line in lines for name in names_in(line.stmt.text)[0])
        if any(self.around.loads[name] > inside[name] for name in self.scalars):
            raise Dependent
        written: set[str] = set()
        stored = {line.name for line in lines if not line.is_scalar}
        totals = {line.name for line in lines if line.adds and isinstance(line.target, ast.Name)}
        if not stored:
            raise Dependent
        bases = [aliases.get(name, name) for name in stored]
        self._places = {name: set() for name in stored}
        for line in lines:
            for part in line.reads:
                for inner in ast.walk(part):
                    if isinstance(inner, ast.Name) and inner.id in self.scalars and inner.id not in written:
                        raise Dependent
                    if isinstance(inner, ast.Name) and inner.id in totals:
                        raise Dependent
                    if isinstance(inner, ast.Subscript):
                        name = array_of(inner)
                        if name not in stored and aliases.get(name, name) in bases:
                            raise Dependent
                        if name in stored:
                            # What is read of an array that is written has not been written yet.
                            if name in written:
                                raise Dependent
                            self._places[name].add(self._text(inner))
            if line.is_scalar:
                if line.name in written:
                    raise Dependent
                self._inlined[line.name] = self._inline(line.value)
            written.add(line.name)
        if len(set(bases)) < len(bases) or not totals.isdisjoint(self.scalars):
            raise Dependent
        for line in lines:
            if isinstance(line.target, ast.Subscript) and not self.is_sum(line):
                self._places[line.name].add(self._text(line.target))
                if len(self._places[line.name]) > 1 or not self._is_own(line.target):
                    raise Dependent

    def _text(self, element: ast.Subscript) -> str:
        return ast.unparse(self._inline(element.slice))

    def _inline(self, node: ast.expr) -> ast.expr:
        return replaced(node, self._inlined)

    def _is_own(self, element: ast.Subscript) -> bool:
        """Tell whether each iteration has an element of its own: an axis for each loop."""
        slopes = [{v: c for v in self.bounds if (c := self.slope(term, v))} for term in terms_of(element)]
        return all(any(list(slope) == [v] and abs(slope[v]) == 1 for slope in slopes) for v in self.bounds)

    # Turning loops round.

    def _turned(self) -> dict[str, ast.expr]:
        every = [e for line in self.lines for e in ast.walk(ast.parse(line.stmt.text)) if isinstance(e, ast.Subscript)]
        terms = [term for element in every for term in terms_of(element)]
        turned: dict[str, ast.expr] = {}
        for variable, bound in self.bounds.items():
            if {slope for term in terms if (slope := self.slope(term, variable))} != {-1}:
                continue
            new = {variable: parsed(f"({bound}) - 1 - {variable}")}
            inlined = [self._inline(term) for term in terms]
            if all(_length(replaced(term, new)) <= _length(term) for term in inlined):
                turned |= new
        return turned

    def _turn(self, line: Line) -> Stmt:
        return Stmt(self._turned_text(line.stmt.text), line.stmt.loc)

    def _turned_text(self, text: str) -> str:
        turned = self.turned
        if not any(name in turned for name in names_in(text)[0]):
            return text
        tree = ast.parse(text)
        (node,) = tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and is_integral(node.value):
            return f"{node.targets[0].id} = {self._turned_term(node.value)}"
        for element in ast.walk(tree):
            if isinstance(element, ast.Subscript):
                terms = [
                    parsed(self._turned_term(t))
                    if any(isinstance(n, ast.Name) and n.id in turned for n in ast.walk(t))
                    else t
                    for t in terms_of(element)
                ]
                element.slice = ast.Tuple(terms, ast.Load()) if len(terms) > 1 else terms[0]
        return ast.unparse(Outside(turned).visit(tree))

    def _turned_term(self, term: ast.expr) -> str:
        return normal_form(replaced(replaced(term, self.around.known), self.turned))


def _length(term: ast.expr) -> int:
    return len(monomials(ast.unparse(term)))
