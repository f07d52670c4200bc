"""Elements that the innermost loops of a text go through."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jitdiff.codegen.expressions import array_of, replaced, terms_of
from jitdiff.codegen.independent import HEAD, integer_line
from jitdiff.codegen.text import Stmt, names_in, statement

_TRIPS = 16
"""What a number of trips is taken to be that only the running program knows."""


@dataclass(frozen=True, slots=True)
class Access:
    """An element in an innermost loop.

    Parameters
    ----------
    array : str
        The array, or a view of it.
    index : list of ast.expr
        The index, in terms of loop variables where that is known.
    stores : bool
        Whether it is written to.
    variable : str
        The variable of the loop.
    trips : int
        About how often that happens.
    """

    array: str
    index: list[ast.expr]
    stores: bool
    variable: str
    trips: int


def accesses(stmts: Sequence[Stmt]) -> Iterator[Access]:
    """Yield the elements that innermost loops go through."""
    for stmt in stmts:
        yield from _accesses(stmt, 1, {})


def _accesses(stmt: Stmt, trips: int, known: Mapping[str, ast.expr]) -> Iterator[Access]:
    head = HEAD.fullmatch(stmt.text)
    if stmt.is_loop:
        trips *= int(head[2]) if head and head[2].isdigit() else _TRIPS
    if head:
        known = {name: value for name, value in known.items() if head[1] not in names_in(ast.unparse(value))[0]}
    inside = [line for body in stmt.body or () for line in body.walk()]
    is_innermost = head and not any(line.is_loop for line in inside)
    for line in inside if is_innermost else stmt.body or ():
        if found := integer_line(line):
            known = {**known, found[0]: replaced(found[1], known)}
        elif not is_innermost:
            yield from _accesses(line, trips, known)
        elif head:
            for node in ast.walk(ast.parse(statement(line))):
                # What fills a whole array goes through it in any order.
                if isinstance(node, ast.Subscript) and not any(isinstance(t, ast.Slice) for t in terms_of(node)):
                    index = [replaced(term, known) for term in terms_of(node)]
                    yield Access(array_of(node), index, isinstance(node.ctx, ast.Store), head[1], trips)
