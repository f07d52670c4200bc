"""Additions to places that lie along one axis are aligned: each element is written once, with all it gets.

The adjoint of a difference adds to a cell and to the next one. Instead of a loop for each place, one loop goes through
the elements that are added to and takes what comes from each cell near; the first and last of them, which get less,
are peeled off (loop alignment: Allen and Kennedy, "Optimizing Compilers for Modern Architectures", 2001, chapter 6).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from jitdiff.codegen.expressions import (
    Outside,
    fixed_distance,
    is_integral,
    normal_form,
    parsed,
    replaced,
    terms_of,
    without_sign,
)
from jitdiff.codegen.independent import Line, Nest
from jitdiff.codegen.terms import canonical
from jitdiff.codegen.text import Stmt, names_in, normal
from jitdiff.ir import Location

_WIDTH = 100
"""Longer sums are broken up, and longer addends are left alone."""


@dataclass(frozen=True, slots=True)
class _Addend:
    """What a line adds, to a place some elements ahead of the first."""

    value: ast.expr
    negative: bool
    ahead: int


def aligned(nest: Nest, lines: Sequence[Line]) -> list[Stmt]:
    """Return loops that add to an array what some lines of a nest add, nothing if they cannot be aligned.

    Parameters
    ----------
    nest : Nest
        Loops whose iterations are independent, but for sums.
    lines : sequence of Line
        Lines of its innermost loop that add to one array.
    """
    places = [[ast.unparse(term) for term in nest.place(line)] for line in lines]
    distances = [[fixed_distance(a, b) for a, b in zip(place, places[0], strict=True)] for place in places]
    axes = {axis for distance in distances for axis, n in enumerate(distance) if n != 0}
    if len(axes) != 1:
        return []
    (axis,) = axes
    variable = _variable(nest, nest.place(lines[0]), axis)
    steps = [n for distance in distances if (n := distance[axis]) is not None]
    values = [value for line in lines if (value := _value(nest, line)) is not None]
    if variable is None or len(steps) < len(lines) or len(values) < len(lines):
        return []
    addends = []
    for line, value, step in zip(lines, values, steps, strict=True):
        negative, rest = without_sign(value)
        addends.append(_Addend(rest, negative != line.subtracts, step - min(steps)))
    first = lines[steps.index(min(steps))]
    target = ast.Subscript(ast.Name(first.name), ast.Tuple(nest.place(first)))
    return _Alignment(nest, first.stmt.loc, target, variable, addends).loops()


def _variable(nest: Nest, place: Sequence[ast.expr], axis: int) -> str | None:
    """Return the loop variable that goes along an axis, and along no other, one element after the other."""
    along = [variable for variable in nest.bounds if nest.slope(place[axis], variable)]
    if len(along) != 1 or nest.slope(place[axis], along[0]) != 1:
        return None
    alone = all(nest.slope(term, along[0]) == 0 for k, term in enumerate(place) if k != axis)
    return along[0] if alone else None


def _value(nest: Nest, line: Line) -> ast.expr | None:
    """Return what a line adds in terms of the loop variables; None if it is long, or computed further out."""
    named: dict[str, ast.expr] = {}
    for level in nest.levels:
        for scalar in level:
            if scalar.is_scalar and (level is nest.levels[-1] or is_integral(scalar.value)):
                named[scalar.name] = replaced(scalar.value, named)
    text = _with(replaced(replaced(line.value, named), nest.around.known), nest.turned)
    return None if len(text) > _WIDTH or nest.scalars.keys() & set(names_in(text)[0]) else parsed(text)


@dataclass(frozen=True, slots=True)
class _Alignment:
    """The loops of a nest, and what is added along one of them to elements that begin with the `first`."""

    nest: Nest
    loc: Location | None
    first: ast.expr
    variable: str
    addends: Sequence[_Addend]

    def loops(self) -> list[Stmt]:
        """Return loops, one for the elements that get all, and those before and after it; none if there may be none."""
        count, reach = self.nest.bounds[self.variable], max(addend.ahead for addend in self.addends)
        fixed = count.isdigit()
        if int(count) < reach if fixed else reach > 1:
            return []
        k = list(self.nest.bounds).index(self.variable)
        body = [stmt for piece in self._pieces(count, reach) for stmt in self._piece(*piece, self.nest.stmts[k + 1 :])]
        stmts = _around(self.nest.stmts[:k], body)
        return stmts if fixed else [Stmt(f"if {count} > 0:", self.loc, stmts)]

    def _pieces(self, count: str, reach: int) -> Iterator[tuple[str, str, list[_Addend]]]:
        """Yield the first element of each piece, the number of its elements, and what they get."""
        edges = list(pairwise(sorted({addend.ahead for addend in self.addends})))
        for start, stop in edges:
            yield str(start), str(stop - start), [addend for addend in self.addends if addend.ahead <= start]
        yield str(reach), canonical(f"{count} - {reach}", {}), list(self.addends)
        for start, stop in edges:
            rest = [addend for addend in self.addends if addend.ahead > start]
            yield f"{count} + {start}", str(stop - start), rest

    def _piece(self, start: str, length: str, addends: Sequence[_Addend], inner: Sequence[Stmt]) -> list[Stmt]:
        if length == "0":
            return []
        at = start if length == "1" else f"{start} + {self.variable}"
        target = _with(self.first, {self.variable: parsed(at)})
        added = [(_with(a.value, {self.variable: parsed(f"{at} - {a.ahead}")}), a.negative) for a in addends]
        body = _around(inner, [Stmt(text, self.loc) for text in _sums(target, added)])
        return body if length == "1" else [Stmt(f"for {self.variable} in range({length}):", self.loc, body)]


def _around(loops: Sequence[Stmt], body: list[Stmt]) -> list[Stmt]:
    for loop in reversed(loops):
        body = [Stmt(loop.text, loop.loc, body)]
    return body


def _with(node: ast.expr, values: Mapping[str, ast.expr]) -> str:
    """Return the text of an expression with values for names, its indices in normal form."""
    return ast.unparse(_Indices(values).visit(parsed(ast.unparse(node))))


class _Indices(Outside):
    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        terms = [parsed(normal_form(replaced(term, self.named))) for term in terms_of(node)]
        return ast.Subscript(node.value, ast.Tuple(terms) if len(terms) > 1 else terms[0])


def _sums(target: str, added: Sequence[tuple[str, bool]]) -> list[str]:
    """Return statements that add values to an element, or take them from it."""
    plus, minus = ([text for text, negative in added if negative is sign] for sign in (False, True))
    total = " - ".join([" + ".join(f"({text})" for text in plus), *(f"({text})" for text in minus)])
    if not plus:
        total = f"-({' + '.join(f'({text})' for text in minus)})"
    if len(total) <= _WIDTH:
        return [normal(f"{target} = {target} + ({total})")]
    return [normal(f"{target} = {target} {'-' if negative else '+'} ({text})") for text, negative in added]
