"""Pieces of syntax trees that conversion writes."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TypeVar

from jitdiff.frontend.convert.source import GENERATED

N = TypeVar("N", bound=ast.AST)

UNTOUCHED = frozenset({"super", "locals", "globals", "vars", "dir", "eval", "exec"})
"""Functions that look at the frame that calls them."""

RUN = f"{GENERATED}run"
"""The variable through which converted code reaches its run-time support."""


def load(name: str) -> ast.Name:
    """Return a variable that is read."""
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    """Return a variable that is assigned."""
    return ast.Name(name, ast.Store())


def arguments(names: Sequence[str]) -> ast.arguments:
    """Return plain parameters."""
    return ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, [])


def thunk(value: ast.expr) -> ast.Lambda:
    """Return a function without parameters that computes an expression."""
    return ast.Lambda(arguments([]), value)


def support(name: str) -> ast.Attribute:
    """Return a function of the run-time support."""
    return ast.Attribute(load(RUN), name, ast.Load())


def is_support(node: ast.expr) -> bool:
    """Whether an expression is a function of the run-time support."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == RUN


def call(name: str, *args: ast.expr) -> ast.Call:
    """Return a call of the run-time support."""
    return ast.Call(support(name), list(args), [])


def made_from(node: ast.Assign, written: set[str]) -> list[ast.stmt]:
    """Return statements that make arrays just computed ones to be changed in place, of the variables `written`."""
    names = [t.id for t in node.targets if isinstance(t, ast.Name) and t.id in written]
    return [at(ast.Assign([store(n) for n in names], call("made", load(names[0]))), node)] if names else []


def key(index: ast.expr) -> ast.expr:
    """Return a subscript, its parts visited before, as an expression that can be an argument."""
    match index:
        case ast.Slice(lower, upper, step):
            bounds = [ast.Constant(None) if bound is None else bound for bound in (lower, upper, step)]
            return at(call("slice", *bounds), index)
        case ast.Tuple(elts):
            return at(ast.Tuple([key(e) for e in elts], ast.Load()), index)
    return index


def none_of(flags: Sequence[str]) -> ast.expr:
    """Return whether no flag is set."""
    first, *rest = map(load, sorted(flags))
    return ast.UnaryOp(ast.Not(), ast.BoolOp(ast.Or(), [first, *rest]) if rest else first)


def at(node: N, where: ast.AST) -> N:
    """Give a node, and what is new in it, the position of `where`."""
    ast.copy_location(node, where)
    _fill(node, where)
    return node


def _fill(node: ast.AST, where: ast.AST) -> None:
    for child in ast.iter_child_nodes(node):
        if "lineno" in child._attributes and not hasattr(child, "lineno"):
            ast.copy_location(child, where)
            # Python names the last line of what is called.
            child.end_lineno, child.end_col_offset = child.lineno, child.col_offset  # type: ignore[attr-defined]
        _fill(child, child if hasattr(child, "lineno") else where)
