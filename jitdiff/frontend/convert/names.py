"""Which variables statements assign."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


def own(stmts: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes under statements that belong to the same function."""
    for node in stmts:
        yield node
        if not isinstance(node, _Scope):
            yield from own(ast.iter_child_nodes(node))


def is_generator(node: ast.FunctionDef) -> bool:
    """Whether a function yields."""
    return any(isinstance(child, ast.Yield | ast.YieldFrom) for child in own(node.body))


def is_whole(stmt: ast.stmt) -> bool:
    """Whether a statement runs from its beginning to its end: it does not yield, and no jump leaves it."""
    return not any(map(_leaves, own([stmt]))) and not any(
        isinstance(n, ast.Break | ast.Continue) for n in _outside_loops([stmt])
    )


def _leaves(node: ast.AST) -> bool:
    return isinstance(node, ast.Yield | ast.YieldFrom | ast.Return)


def _outside_loops(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes whose jumps go to a loop around."""
    for node in nodes:
        yield node
        if isinstance(node, ast.For | ast.While):
            yield from _outside_loops(node.orelse)
        elif not isinstance(node, _Scope):
            yield from _outside_loops(ast.iter_child_nodes(node))


def names_assigned(stmts: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the variables that statements assign in their own function."""
    for node in stmts:
        match node:
            case ast.Name(name, ast.Store() | ast.Del()):
                yield name
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                yield name
                continue
            case ast.Import(names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.split(".")[0] for alias in names)
            case ast.MatchAs(name=name) | ast.MatchStar(name=name) | ast.MatchMapping(rest=name) if name:
                yield name
            case ast.Lambda():
                continue
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                yield from (n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
                continue
        yield from names_assigned(ast.iter_child_nodes(node))


def assigned_from_inside(stmts: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the variables that functions defined in statements declare to be those of the function around them."""
    for stmt in stmts:
        for node in ast.walk(stmt):
            if isinstance(node, ast.FunctionDef):
                for child in own(node.body):
                    if isinstance(child, ast.Nonlocal):
                        yield from child.names


def parameters(node: ast.FunctionDef) -> set[str]:
    """Return the names of the parameters of a function."""
    return {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}


def names_written(node: ast.FunctionDef) -> set[str]:
    """Return the variables whose elements a function changes, or that it changes as a whole in place."""
    found = set()
    for child in own(node.body):
        match child:
            case ast.Subscript(ast.Name(name), ctx=ast.Store()) | ast.AugAssign(ast.Name(name)):
                found.add(name)
            case ast.keyword("out", ast.Name(name)):
                found.add(name)
            case ast.Call(args=args):
                # A function that is called may change what it is given.
                found.update(a.id for a in args if isinstance(a, ast.Name))
    return found
