"""Smaller programs that fail in the same way: statements are removed and expressions replaced by parts of them."""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Iterator

from tests.fuzz.campaign import judge
from tests.fuzz.outcome import Outcome
from tests.fuzz.program import Program

SECONDS = 40


def shrink(program: Program, failure: Outcome, seconds: float = SECONDS) -> Program:
    """Return a program that fails as `failure` says and of which nothing can be taken away."""
    deadline = time.monotonic() + seconds
    tree = ast.parse(program.source)
    improved = True
    while improved:
        improved = False
        for smaller in _smaller(tree):
            if time.monotonic() > deadline:
                return Program(ast.unparse(tree), program.name)
            if _fails(smaller, failure):
                tree, improved = smaller, True
                break
    return Program(ast.unparse(tree), program.name)


def _fails(tree: ast.Module, failure: Outcome) -> bool:
    try:
        source = ast.unparse(tree)
        compile(source, "<shrinking>", "exec")
        report = judge(Program(source, "shrunk"), [failure.mode])
    except Exception:  # noqa: BLE001  a program that NumPy does not run either
        return False
    return any(outcome.like(failure) for outcome in report.outcomes)


def _smaller(tree: ast.Module) -> Iterator[ast.Module]:
    """Yield trees with something taken away, large things first."""
    for change in (_without_statements, _unwrapped, _without_elements, _simpler):
        yield from change(tree)


def _paths(tree: ast.AST, kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> list[int]:
    """Return the numbers, in the order of `ast.walk`, of the nodes of a kind."""
    return [n for n, node in enumerate(ast.walk(tree)) if isinstance(node, kind)]


def _copy(tree: ast.Module, n: int) -> tuple[ast.Module, ast.AST]:
    made = copy.deepcopy(tree)
    return made, next(node for k, node in enumerate(ast.walk(made)) if k == n)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block:
            yield block


def _without_statements(tree: ast.Module) -> Iterator[ast.Module]:
    for n, node in enumerate(ast.walk(tree)):
        for b, block in enumerate(_blocks(node)):
            for k in reversed(range(len(block))):
                made, there = _copy(tree, n)
                changed = list(_blocks(there))[b]
                del changed[k]
                if not changed and b == 0:
                    continue
                yield made


def _unwrapped(tree: ast.Module) -> Iterator[ast.Module]:
    """Yield trees with the body of a loop or branch in place of it."""
    for n, node in enumerate(ast.walk(tree)):
        for b, block in enumerate(_blocks(node)):
            for k, statement in enumerate(block):
                if not isinstance(statement, ast.For | ast.While | ast.If):
                    continue
                for arm in range(len(list(_blocks(statement)))):
                    made, there = _copy(tree, n)
                    changed = list(_blocks(there))[b]
                    changed[k : k + 1] = list(_blocks(changed[k]))[arm]
                    yield made


def _without_elements(tree: ast.Module) -> Iterator[ast.Module]:
    """Yield trees without an argument of `f`, and with lists and tuples of fewer elements."""
    for n, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.FunctionDef) and node.name == "f":
            for k in range(len(node.args.args)):
                made, there = _copy(tree, n)
                del there.args.args[k]
                for statement in made.body:
                    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.List):
                        for size in statement.value.elts:
                            del size.elts[k]
                yield made


def _simpler(tree: ast.Module) -> Iterator[ast.Module]:
    """Yield trees with an expression replaced by a part of it or by a number."""
    (f,) = (n for n, node in enumerate(ast.walk(tree)) if isinstance(node, ast.FunctionDef) and node.name == "f")
    _, function = _copy(tree, f)
    for n, node in enumerate(ast.walk(function)):
        for name, value in ast.iter_fields(node):
            for k, child in enumerate(value if isinstance(value, list) else [value]):
                if not isinstance(child, ast.expr) or not isinstance(getattr(child, "ctx", ast.Load()), ast.Load):
                    continue
                if isinstance(child, ast.Constant):
                    continue
                parts = [p for p in ast.walk(child) if isinstance(p, ast.expr) and p is not child]
                simple = [p for p in parts if not isinstance(p, ast.Constant)][:12]
                number = [] if isinstance(child, ast.Name) else [ast.Constant(0.5)]
                for part in [*simple, *number]:
                    made, whole = _copy(tree, f)
                    there = next(m for j, m in enumerate(ast.walk(whole)) if j == n)
                    if isinstance(value, list):
                        getattr(there, name)[k] = copy.deepcopy(part)
                    else:
                        setattr(there, name, copy.deepcopy(part))
                    yield made
