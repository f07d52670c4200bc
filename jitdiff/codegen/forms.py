"""Expressions that are a multiple of one number plus another number."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}

ZERO, ONE = ast.Constant(0.0), ast.Constant(1.0)


class NotLinear(Exception):
    """A number is no multiple of what is handed on, plus another number."""


@dataclass(frozen=True, slots=True)
class Form:
    """A multiple of what is handed on, plus another number; None is a factor of 1, and nothing to add.

    From what is handed on to this it takes `depth` operations, and there is one way only unless it is a sum `of_two`.
    """

    factor: ast.expr | None = None
    rest: ast.expr | None = None
    depth: int = 0
    of_two: bool = False


def form_of(node: ast.expr, forms: Mapping[str, Form], unknown: Set[str]) -> Form | None:
    """Return the form of an expression, None if it does not depend on what is handed on.

    Parameters
    ----------
    node : ast.expr
        The expression.
    forms : mapping
        The names that depend on what is handed on, each with its form.
    unknown : set of str
        Names of which it is not known what they hold.

    Raises
    ------
    NotLinear
        If it has none.

    Examples
    --------
    >>> form = form_of(ast.parse("(2.0 * t + y) / 4.0", mode="eval").body, {"t": Form()}, set())
    >>> ast.unparse(form.factor), ast.unparse(form.rest), form.depth
    ('2.0 / 4.0', 'y / 4.0', 3)
    """
    match node:
        case ast.Name(id=name):
            if name in unknown:
                raise NotLinear
            return forms.get(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            form = form_of(operand, forms, unknown)
            return form and replace(form, factor=_negated(form.factor or ONE), rest=form.rest and _negated(form.rest))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            return _sum(left, form_of(left, forms, unknown), op, right, form_of(right, forms, unknown))
        case ast.BinOp(left=left, op=ast.Mult() as op, right=right):
            a, b = form_of(left, forms, unknown), form_of(right, forms, unknown)
            if a and b:
                raise NotLinear
            if a or b:
                form, other = (a, right) if a else (b, left)
                assert form is not None
                return _scaled(form, op, other)
            return None
        case ast.BinOp(left=left, op=ast.Div() as op, right=right) if form_of(right, forms, unknown) is None:
            form = form_of(left, forms, unknown)
            return form and _scaled(form, op, right)
    if depends(node, forms):
        raise NotLinear
    return None


def depends(node: ast.AST, forms: Mapping[str, Form]) -> bool:
    """Tell whether something depends on what is handed on."""
    return any(isinstance(n, ast.Name) and n.id in forms for n in ast.walk(node))


def _sum(left: ast.expr, a: Form | None, op: ast.operator, right: ast.expr, b: Form | None) -> Form | None:
    """Return the form of a sum or difference."""
    if a is None and b is None:
        return None
    return Form(
        _combined((a.factor or ONE) if a else None, op, (b.factor or ONE) if b else None),
        _combined(a.rest if a else left, op, b.rest if b else right),
        1 + max(form.depth for form in (a, b) if form),
        bool(a and b) or any(form.of_two for form in (a, b) if form),
    )


def _combined(left: ast.expr | None, op: ast.operator, right: ast.expr | None) -> ast.expr | None:
    """Return a sum or difference of which either may be missing."""
    if left is None or right is None:
        return _negated(right) if right is not None and isinstance(op, ast.Sub) else left or right
    return ast.BinOp(left, op, right)


def _scaled(form: Form, op: ast.operator, by: ast.expr) -> Form:
    """Return the form of a product, or of a quotient."""
    if number(by) in (0.0, math.inf, -math.inf):
        raise NotLinear
    factor = ast.BinOp(form.factor or ONE, op, by) if form.factor or isinstance(op, ast.Div) else by
    return replace(form, factor=factor, rest=form.rest and ast.BinOp(form.rest, op, by), depth=form.depth + 1)


def _negated(node: ast.expr) -> ast.expr:
    return node.operand if isinstance(node, ast.UnaryOp) else ast.UnaryOp(ast.USub(), node)


def number(node: ast.expr) -> float | None:
    """Return the value of an expression of numbers alone, None if it is another one."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            a = number(operand)
            return None if a is None else -a
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            a, b = number(left), number(right)
            if a is None or b is None:
                return None
            return _OPERATORS[type(op)](a, b) if b or not isinstance(op, ast.Div) else math.nan
    return None
