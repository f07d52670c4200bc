"""A number that a loop adds to: ``b = a + x`` with ``a = b`` at the end of each iteration is ``a += x``."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence

from jitdiff.codegen.text import Stmt, count_names, names_in, normal

_SIGNS = {ast.Add: "+", ast.Sub: "-"}


def accumulate(stmts: Sequence[Stmt]) -> None:
    """Write the sums of loops as additions to one name.

    Examples
    --------
    >>> loop = Stmt("for i in range(3):", None, [Stmt("t = s + x[i]"), Stmt("s = t")])
    >>> accumulate([loop])
    >>> [stmt.text for stmt in loop.body]
    ['s += x[i]']
    """
    loads, stores = count_names(stmts)
    passing = {name for name in loads if loads[name] == stores[name] == 1}
    for stmt in [inner for outer in stmts for inner in outer.walk()]:
        if stmt.body and stmt.is_loop:
            _accumulate(stmt.body, passing)


def _accumulate(body: list[Stmt], passing: set[str]) -> None:
    """Do so in the body of a loop; `passing` are the names that are stored once and loaded once."""
    handed = _handed_on(body[-1])
    once = Counter(handed.values())
    inside, _ = count_names(body)
    kept = dict(handed)
    for total, new in handed.items():
        if new not in passing or once[new] != 1 or inside[total] != 1:
            continue
        for k, stmt in enumerate(body[:-1]):
            if stmt.body is None and names_in(stmt.text)[1] == (new,) and (text := _added(stmt.text, total)):
                body[k] = Stmt(text, stmt.loc)
                del kept[total]
    if len(kept) < len(handed):
        last = body.pop()
        if kept:
            body.append(Stmt(f"{', '.join(kept)} = {', '.join(kept.values())}", last.loc))


def _handed_on(stmt: Stmt) -> dict[str, str]:
    """Return the names that the last statement of a loop gives new values, each with the name of that."""
    if stmt.body is not None:
        return {}
    match ast.parse(stmt.text).body[0]:
        case ast.Assign(targets=[ast.Name(id=total)], value=ast.Name(id=new)):
            return {total: new}
        case ast.Assign(targets=[ast.Tuple(elts=totals)], value=ast.Tuple(elts=news)):
            pairs = {ast.unparse(total): ast.unparse(new) for total, new in zip(totals, news, strict=True)}
            return pairs if all(isinstance(part, ast.Name) for part in (*totals, *news)) else {}
    return {}


def _added(text: str, total: str) -> str:
    """Return a statement that adds to a name in place of one that names the sum, empty if it is none."""
    match ast.parse(text).body[0]:
        case ast.Assign(value=ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right)):
            if ast.unparse(left) == total:
                return normal(f"{total} = {total} {_SIGNS[type(op)]} ({ast.unparse(right)})")
            if isinstance(op, ast.Add) and ast.unparse(right) == total:
                return normal(f"{total} = {total} + ({ast.unparse(left)})")
    return ""
