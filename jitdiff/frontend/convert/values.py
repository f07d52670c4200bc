"""Rewriting a function to run on values: control flow stays Python's, and calls go to the run-time support.

What the support decides at a call it decides in a trace too: what runs for a function that would turn followed values
into plain numbers, and which new arrays can be changed in place with followed values.
"""

from __future__ import annotations

import ast
from typing import Any

from jitdiff.frontend.convert.implicit import Implicit
from jitdiff.frontend.convert.mangle import mangle
from jitdiff.frontend.convert.names import names_written
from jitdiff.frontend.convert.source import Definition
from jitdiff.frontend.convert.tree import UNTOUCHED, at, call, key, made_from, support


def redirected(node: Definition, owner: str, modules: frozenset[str]) -> Definition:
    """Return the definition of a function with its calls redirected; `modules` are variables that hold modules."""
    mangle(node, owner)
    transformer = _Redirect(modules)
    if isinstance(node, ast.Lambda):
        node.body = transformer.visit(node.body)
    else:
        transformer.function(node)
    return node


class _Redirect(Implicit):
    def __init__(self, modules: frozenset[str]) -> None:
        super().__init__(modules)
        self.written: set[str] = set()

    def function(self, node: ast.FunctionDef) -> None:
        """Redirect the calls in the body of a function."""
        around, self.written = self.written, self.written | names_written(node)
        node.body = self.block(node.body)
        self.written = around

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.args = self.visit(node.args)
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        self.function(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        node.target = self.visit(node.target)
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | list[ast.stmt]:
        made = isinstance(node.value, ast.BinOp | ast.UnaryOp)
        self.generic_visit(node)
        if made and (after := made_from(node, self.written)):
            return [node, *after]
        match node.targets:
            case [ast.Subscript(value, index)]:
                return at(ast.Expr(call("set_item", value, key(index), node.value)), node)
            case [ast.Attribute(value, name)]:
                return at(ast.Expr(call("set_attribute", value, ast.Constant(name), node.value)), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in UNTOUCHED:
            return node
        self.generic_visit(node)
        return at(ast.Call(support("call_on_values"), [node.func, *node.args], node.keywords), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        return at(call("item", node.value, key(node.slice)), node)

    def visit_For(self, node: ast.For) -> ast.For:
        self.generic_visit(node)
        node.iter = at(call("iterated", node.iter), node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.iter = at(call("iterated", node.iter), node.iter)
        return node
