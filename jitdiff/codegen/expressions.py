"""Expressions of emitted text as trees."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping

from jitdiff.codegen.terms import canonical, monomials


def parsed(text: str) -> ast.expr:
    """Return the tree of an expression."""
    return ast.parse(text, mode="eval").body


def array_of(element: ast.Subscript) -> str:
    """Return the text of what an element belongs to."""
    return ast.unparse(element.value)


def terms_of(element: ast.Name | ast.Subscript) -> list[ast.expr]:
    """Return the index of an element, an expression for each axis; nothing for a scalar."""
    if isinstance(element, ast.Name):
        return []
    return element.slice.elts if isinstance(element.slice, ast.Tuple) else [element.slice]


def operations(node: ast.expr) -> int:
    """Return the number of operations on numbers that are no indices.

    Examples
    --------
    >>> operations(parsed("-x[i + 1] * 2.0"))
    2
    """
    if isinstance(node, ast.Subscript):
        return 0
    return isinstance(node, ast.BinOp | ast.UnaryOp) + sum(
        operations(inner) for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.expr)
    )


def without_sign(node: ast.expr) -> tuple[bool, ast.expr]:
    """Return whether a product has a minus sign, and the rest of it.

    Examples
    --------
    >>> negative, rest = without_sign(parsed("-(-x * 2.0)"))
    >>> negative, ast.unparse(rest)
    (False, 'x * 2.0')
    """
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            negative, rest = without_sign(operand)
            return not negative, rest
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            negative, rest = without_sign(left)
            return negative, ast.BinOp(rest, op, right)
    return False, node


def is_integral(node: ast.expr) -> bool:
    """Tell whether an expression is a sum of products of integers and names, as indices are."""
    kinds = (ast.BinOp, ast.UnaryOp, ast.USub, ast.Add, ast.Sub, ast.Mult, ast.Name, ast.Load)
    return all(
        isinstance(inner, kinds) or (isinstance(inner, ast.Constant) and isinstance(inner.value, int))
        for inner in ast.walk(node)
    )


def normal_form(term: ast.expr) -> str:
    """Return the text of an index in normal form.

    Examples
    --------
    >>> normal_form(parsed("1 + (i + 1)"))
    'i + 2'
    """
    return canonical(ast.unparse(term), {})


def fixed_distance(a: str, b: str) -> int | None:
    """Return the difference of two terms if it is a number, otherwise None.

    Examples
    --------
    >>> fixed_distance("i + 2", "i"), fixed_distance("i", "j")
    (2, None)
    """
    parts = dict(monomials(f"{a} - ({b})"))
    return None if set(parts) - {()} else parts.get((), 0)


def slope(term: ast.expr, variable: str) -> int | float:
    """Return the factor of a variable in an index, NaN if it is more than multiplied.

    Examples
    --------
    >>> slope(parsed("2 * i + j"), "i"), slope(parsed("j"), "i"), slope(parsed("i * j"), "i")
    (2, 0, nan)
    """
    parts = dict(monomials(ast.unparse(term)))
    others = " ".join(name for factors in parts if factors != (variable,) for name in factors)
    return math.nan if re.search(rf"\b{variable}\b", others) else parts.get((variable,), 0)


def replaced(node: ast.expr, named: Mapping[str, ast.expr]) -> ast.expr:
    """Return an expression with names replaced by expressions.

    Examples
    --------
    >>> print(ast.unparse(replaced(parsed("x[i] * i"), {"i": parsed("j + 1")})))
    x[j + 1] * (j + 1)
    """
    visited: ast.expr = _Everywhere(named).visit(parsed(ast.unparse(node)))
    return visited


class Outside(ast.NodeTransformer):
    """Replaces names outside of subscripts."""

    def __init__(self, named: Mapping[str, ast.expr]) -> None:
        self.named = named

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        """Leave it."""
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace it."""
        return self.named.get(node.id, node)


class _Everywhere(Outside):
    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        self.generic_visit(node)
        return node
