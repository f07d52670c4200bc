"""Loops that add to several places of one array become a loop for each place.

The adjoint of a stencil adds a cotangent to the neighbours of a cell. In one loop these additions wait for each other,
since the next cell adds to the same elements. Each in its own loop, they are vectors. The loops of adjoints go
backwards; where the order does not matter they are turned round.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jitdiff.codegen.terms import canonical, monomials
from jitdiff.codegen.text import Stmt, names_in

_CONVERSION = re.compile(r"np\.(bool_|u?int\d+|float\d+)")
_HEAD = re.compile(r"for (\w+) in range\((.+)\):")


def distribute(stmts: Sequence[Stmt], aliases: Mapping[str, str]) -> list[Stmt]:
    """Return statements in which innermost loops whose iterations are independent, but for sums, are split.

    Parameters
    ----------
    stmts : sequence of Stmt
        The statements of a function.
    aliases : mapping
        Names of views, each with the name of the array.

    Examples
    --------
    >>> body = [Stmt("t = 9 - i"), Stmt("x[t + 1] += y[t]"), Stmt("x[t] += y[t]")]
    >>> for loop in distribute([Stmt("for i in range(10):", None, body)], {}):
    ...     print(loop.text, *(s.text for s in loop.body))
    for i in range(10): t = i x[t + 1] += y[t]
    for i in range(10): t = i x[t] += y[t]
    """
    loads = Counter(name for stmt in stmts for inner in stmt.walk() for name in names_in(inner.text)[0])
    return _distribute(stmts, aliases, loads)


def _distribute(stmts: Sequence[Stmt], aliases: Mapping[str, str], loads: Counter[str]) -> list[Stmt]:
    found: list[Stmt] = []
    for stmt in stmts:
        nest = _nest(stmt)
        try:
            if not nest:
                raise _Dependent
            found += _Nest(nest, aliases, loads).split()
        except _Dependent:
            if stmt.body is not None:
                stmt.body[:] = _distribute(stmt.body, aliases, loads)
            found.append(stmt)
    return found


def _nest(stmt: Stmt) -> list[Stmt]:
    """Return loops that stand one in another with no more than statements before the inner one; none if there are."""
    nest: list[Stmt] = []
    while _HEAD.fullmatch(stmt.text) and stmt.body:
        nest.append(stmt)
        *before, last = stmt.body
        if any(s.body is not None for s in before):
            return []
        if last.body is None:
            return nest
        stmt = last
    return []


class _Dependent(Exception):
    """The iterations of a loop cannot be taken in another order."""


@dataclass(eq=False, slots=True)
class _Line:
    """A statement of a loop: a local scalar gets a value, or an element of an array does."""

    stmt: Stmt
    target: ast.Name | ast.Subscript
    value: ast.expr
    adds: bool

    @property
    def name(self) -> str:
        """What is stored to."""
        return self.target.id if isinstance(self.target, ast.Name) else _array(self.target)

    @property
    def reads(self) -> list[ast.expr]:
        """The expressions that it computes."""
        return [self.value] if isinstance(self.target, ast.Name) else [self.value, self.target.slice]


class _Nest:
    def __init__(self, nest: list[Stmt], aliases: Mapping[str, str], loads: Counter[str]) -> None:
        self.nest, self.aliases, self.loads = nest, aliases, loads
        heads = [_HEAD.fullmatch(stmt.text) for stmt in nest]
        self.bounds = {head[1]: head[2] for head in heads if head}
        self.inlined: dict[str, ast.expr] = {}

    def split(self) -> list[Stmt]:
        """Return what takes the place of the nest."""
        levels = [[self._line(s) for s in stmt.body or () if s.body is None] for stmt in self.nest]
        lines = [line for level in levels for line in level]
        self._check(lines)
        groups: list[list[_Line]] = []
        for line in levels[-1]:
            if self._is_sum(line, lines):
                free = [g for g in groups if all(line.name != other.name for other in g)]
                if free:
                    free[0].append(line)
                else:
                    groups.append([line])
        turned = self._turned(lines)
        if len(groups) < 2 and not turned:
            return [self.nest[0]]
        stores = [x for x in levels[-1] if isinstance(x.target, ast.Subscript) and not self._is_sum(x, lines)]
        last = [*groups.pop(), *stores] if groups else stores
        body = [self._loop(levels[-1], group, turned) for group in [*groups, last]]
        for stmt, level in zip(self.nest[-2::-1], levels[-2::-1], strict=True):
            before = [Stmt(self._turn(line.stmt.text, turned), line.stmt.loc) for line in level]
            body = [Stmt(stmt.text, stmt.loc, [*before, *body])]
        return body

    def _line(self, stmt: Stmt) -> _Line:
        (node,) = ast.parse(stmt.text).body
        match node:
            case ast.Assign(targets=[ast.Name() | ast.Subscript(value=ast.Name()) as target], value=value):
                line = _Line(stmt, target, value, adds=False)
            case ast.AugAssign(target=ast.Subscript(value=ast.Name()) as target, op=ast.Add() | ast.Sub(), value=value):
                line = _Line(stmt, target, value, adds=True)
            case _:
                raise _Dependent
        for part in line.reads:
            for inner in ast.walk(part):
                # Only conversions of numbers: a call is not made twice, nor one that may raise in another order.
                if isinstance(inner, ast.Call) and not _CONVERSION.fullmatch(ast.unparse(inner.func)):
                    raise _Dependent
                if isinstance(inner, ast.Slice):
                    raise _Dependent
        return line

    def _check(self, lines: Sequence[_Line]) -> None:
        """Raise unless the iterations are independent of each other, but for sums."""
        scalars = {line.name for line in lines if isinstance(line.target, ast.Name)}
        if any(scalars.union(self.bounds).intersection(names_in(bound)[0]) for bound in self.bounds.values()):
            raise _Dependent
        inside = Counter(name for line in lines for name in names_in(line.stmt.text)[0])
        if any(self.loads[name] > inside[name] for name in scalars):
            raise _Dependent
        written: dict[str, str] = {}
        stored = {line.name for line in lines if isinstance(line.target, ast.Subscript)}
        bases = [self.aliases.get(name, name) for name in stored]
        places: dict[str, set[str]] = {name: set() for name in stored}
        known: set[str] = set()
        for line in lines:
            for part in line.reads:
                for inner in ast.walk(part):
                    if isinstance(inner, ast.Name) and inner.id in scalars and inner.id not in known:
                        raise _Dependent
                    if isinstance(inner, ast.Subscript):
                        name = _array(inner)
                        if name not in stored and self.aliases.get(name, name) in bases:
                            raise _Dependent
                        if name in stored:
                            # What is read of an array that is written has not been written yet.
                            if name in written:
                                raise _Dependent
                            places[name].add(self._place(inner))
            if isinstance(line.target, ast.Name):
                if line.name in known:
                    raise _Dependent
                known.add(line.name)
                self.inlined[line.name] = self._inline(line.value)
            else:
                written[line.name] = ""
        if len(set(bases)) < len(bases):
            raise _Dependent
        for line in lines:
            if isinstance(line.target, ast.Subscript) and not self._is_sum(line, lines, places):
                places[line.name].add(self._place(line.target))
                if len(places[line.name]) > 1 or not self._is_own(line.target):
                    raise _Dependent
        self.places = places

    def _is_sum(self, line: _Line, lines: Sequence[_Line], places: Mapping[str, set[str]] | None = None) -> bool:
        """Tell whether a line adds to an array that the loop does nothing else with than adding."""
        read = (self.places if places is None else places)[line.name] if isinstance(line.target, ast.Subscript) else ()
        return line.adds and not read and all(other.adds for other in lines if other.name == line.name)

    def _place(self, element: ast.Subscript) -> str:
        return ast.unparse(self._inline(element.slice))

    def _inline(self, node: ast.expr) -> ast.expr:
        return _replaced(node, self.inlined)

    def _is_own(self, element: ast.Subscript) -> bool:
        """Tell whether each iteration has an element of its own: an axis for each loop."""
        slopes = [{v: c for v in self.bounds if (c := self._slope(term, v))} for term in _terms(element)]
        return all(any(list(slope) == [v] and abs(slope[v]) == 1 for slope in slopes) for v in self.bounds)

    def _slope(self, term: ast.expr, variable: str) -> int | float:
        """Return the factor of a loop variable in an index, NaN if it is more than multiplied."""
        parts = dict(monomials(ast.unparse(self._inline(term))))
        others = " ".join(name for factors in parts if factors != (variable,) for name in factors)
        return math.nan if re.search(rf"\b{variable}\b", others) else parts.get((variable,), 0)

    # Turning loops round.

    def _turned(self, lines: Sequence[_Line]) -> dict[str, ast.expr]:
        """Return what the variables of loops that only go down are replaced by."""
        every = [e for line in lines for e in ast.walk(ast.parse(line.stmt.text)) if isinstance(e, ast.Subscript)]
        terms = [term for element in every for term in _terms(element)]
        turned: dict[str, ast.expr] = {}
        for variable, bound in self.bounds.items():
            if {slope for term in terms if (slope := self._slope(term, variable))} != {-1}:
                continue
            new = {variable: _parsed(f"({bound}) - 1 - {variable}")}
            inlined = [self._inline(term) for term in terms]
            if all(_length(_replaced(term, new)) <= _length(term) for term in inlined):
                turned |= new
        return turned

    def _loop(self, lines: Sequence[_Line], stores: Iterable[_Line], turned: Mapping[str, ast.expr]) -> Stmt:
        needed = set(stores)
        for line in reversed(lines):
            if isinstance(line.target, ast.Name) and any(line.name in names_in(n.stmt.text)[0] for n in needed):
                needed.add(line)
        body = [Stmt(self._turn(line.stmt.text, turned), line.stmt.loc) for line in lines if line in needed]
        return Stmt(self.nest[-1].text, self.nest[-1].loc, body)

    def _turn(self, text: str, turned: Mapping[str, ast.expr]) -> str:
        if not any(name in turned for name in names_in(text)[0]):
            return text
        tree = ast.parse(text)
        (node,) = tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_integral(node.value):
            return f"{node.targets[0].id} = {canonical(ast.unparse(_replaced(node.value, turned)), {})}"
        for element in ast.walk(tree):
            if isinstance(element, ast.Subscript):
                terms = [_parsed(canonical(ast.unparse(_replaced(t, turned)), {})) for t in _terms(element)]
                element.slice = ast.Tuple(terms, ast.Load()) if len(terms) > 1 else terms[0]
        return ast.unparse(_Outside(turned).visit(tree))


def _array(element: ast.Subscript) -> str:
    return ast.unparse(element.value)


def _terms(element: ast.Subscript) -> list[ast.expr]:
    return element.slice.elts if isinstance(element.slice, ast.Tuple) else [element.slice]


def _length(term: ast.expr) -> int:
    return len(monomials(ast.unparse(term)))


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _is_integral(node: ast.expr) -> bool:
    """Tell whether an expression is a sum of products of integers and names, as indices are."""
    kinds = (ast.BinOp, ast.UnaryOp, ast.USub, ast.Add, ast.Sub, ast.Mult, ast.Name, ast.Load)
    return all(
        isinstance(inner, kinds) or (isinstance(inner, ast.Constant) and isinstance(inner.value, int))
        for inner in ast.walk(node)
    )


class _Outside(ast.NodeTransformer):
    """Replaces names outside of subscripts."""

    def __init__(self, named: Mapping[str, ast.expr]) -> None:
        self.named = named

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.named.get(node.id, node)


class _Everywhere(_Outside):
    """Replaces names."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        self.generic_visit(node)
        return node


def _replaced(node: ast.expr, named: Mapping[str, ast.expr]) -> ast.expr:
    visited: ast.expr = _Everywhere(named).visit(_parsed(ast.unparse(node)))
    return visited
