"""Subscripts of emitted text, handed to Numba as unsigned integers."""

from __future__ import annotations

import ast
from typing import Any

from numba.core import types

from jitdiff.native.extending import lowered, typed

NAME = "__from_start__"
"""What the tree calls `from_start`: nothing in a text is named so."""


def from_start(i: Any) -> Any:
    """Return an index that is known not to be negative; compiled code gets it as an unsigned integer.

    Examples
    --------
    >>> from_start(2)
    2
    """
    return i


def subscripted(source: str, path: str) -> ast.Module:
    """Return the tree of an emitted module in which no computed index counts from the end.

    Emitted indices lie in ``[0, n)``: they are proved to, or come from `check_index`. Numba does not know and adds the
    length of the axis to what is negative, which costs a comparison for each index and often the vectors of a loop.

    Examples
    --------
    >>> print(ast.unparse(subscripted("y[i - 1, 0] += x[:, 2]", "")))
    y[__from_start__(i - 1), 0] += x[:, 2]
    """
    tree = ast.parse(source, path)
    _Subscripts().visit(tree)
    return ast.fix_missing_locations(tree)


class _Subscripts(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name):
            index = node.slice
            if isinstance(index, ast.Tuple):
                index.elts = [self._term(term) for term in index.elts]
            else:
                node.slice = self._term(index)
        return node

    @staticmethod
    def _term(term: ast.expr) -> ast.expr:
        if isinstance(term, ast.Slice) or not any(isinstance(part, ast.Name) for part in ast.walk(term)):
            return term
        return ast.copy_location(ast.Call(ast.Name(NAME, ast.Load()), [term], []), term)


@typed(from_start)
def _type_from_start(context: Any) -> Any:
    def typer(i: Any) -> Any:
        return types.uint64 if isinstance(i, types.Integer) else None

    return typer


@lowered(from_start, types.Integer)
def _lower_from_start(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return context.cast(builder, args[0], signature.args[0], types.uint64)
