"""Where in a cache line buffers begin, so that what loops write begins at one.

The inside of an array with a border begins at an odd element. A vector that lies across two cache lines takes two
accesses, so such an array had better begin a little later.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from jitdiff.codegen.expressions import array_of, replaced, terms_of
from jitdiff.codegen.independent import HEAD, integer_line
from jitdiff.codegen.terms import monomials
from jitdiff.codegen.text import Stmt, names_in
from jitdiff.ir import ArrayType, product

LINE = 64
"""Bytes of a cache line."""

_VECTOR = 32
"""Bytes of a vector: rows that are no multiple of it long begin anywhere."""

_TRIPS = 16
"""What a number of trips is taken to be that only the running program knows."""


def shifts(stmts: Sequence[Stmt], types: Mapping[str, ArrayType], aliases: Mapping[str, str]) -> dict[str, int]:
    """Return how many bytes after a boundary each array had better begin.

    Parameters
    ----------
    stmts : sequence of Stmt
        The statements of a function.
    types : mapping
        The arrays of the text, of sizes that are numbers.
    aliases : mapping
        Names of views of an array seen as a row, each with the name of the array.

    Examples
    --------
    >>> import numpy as np
    >>> inner = Stmt("for j in range(6):", None, [Stmt("a[i + 1, j + 1] = 0.0")])
    >>> shifts([Stmt("for i in range(6):", None, [inner])], {"a": ArrayType(np.dtype(float), (8, 8))}, {})
    {'a': 56}
    """
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for stmt in stmts:
        for variable, trips, name, index in _stores(stmt, 1, {}):
            type = types.get(aliases.get(name, name))
            if type is None:
                continue
            shape = type.shape if name in types else (product(type.shape),)
            terms = (f"({ast.unparse(term)}) * {product(shape[k + 1 :])}" for k, term in enumerate(index))
            place = {factors: n * type.dtype.itemsize for factors, n in monomials(" + ".join(terms))}
            first = place.pop((), 0)
            if place.pop((variable,), 0) == type.dtype.itemsize and all(step % _VECTOR == 0 for step in place.values()):
                votes[aliases.get(name, name)][-first % LINE] += trips
    return {name: max(sorted(found), key=found.__getitem__) for name, found in votes.items()}


def _stores(stmt: Stmt, trips: int, known: Mapping[str, ast.expr]) -> Iterator[tuple[str, int, str, list[ast.expr]]]:
    """Yield what innermost loops write to: the variable of the loop, how often that happens, an array, and an index."""
    head = HEAD.fullmatch(stmt.text)
    if head or stmt.text.startswith("while "):
        trips *= int(head[2]) if head and head[2].isdigit() else _TRIPS
    if head:
        known = {name: value for name, value in known.items() if head[1] not in names_in(ast.unparse(value))[0]}
    inner = [line for body in stmt.body or () for line in body.walk()]
    is_innermost = head and not any(line.text.startswith(("for ", "while ")) for line in inner)
    for line in stmt.body or ():
        if found := integer_line(line):
            known = {**known, found[0]: replaced(found[1], known)}
        elif not is_innermost:
            yield from _stores(line, trips, known)
        elif head and line.body is None:
            match ast.parse(line.text).body[0]:
                case ast.Assign(targets=[ast.Subscript() as at]) | ast.AugAssign(target=ast.Subscript() as at):
                    yield head[1], trips, array_of(at), [replaced(term, known) for term in terms_of(at)]
