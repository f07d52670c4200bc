"""Rewriting a function to run on values: control flow stays Python's, and calls go to the run-time support.

What the support decides at a call it decides in a trace too: what runs for a function that would turn followed values
into plain numbers, and which new arrays can be changed in place with followed values.
"""

from __future__ import annotations

import ast
from typing import Any

from jitdiff.frontend.convert.mangle import mangle
from jitdiff.frontend.convert.names import names_written
from jitdiff.frontend.convert.source import Definition
from jitdiff.frontend.convert.tree import UNTOUCHED, at, call, support

_CONCATENATORS = frozenset({"r_", "c_"})


def redirected(node: Definition, owner: str) -> Definition:
    """Return the definition of a function with its calls redirected."""
    mangle(node, owner)
    transformer = _Redirect()
    if isinstance(node, ast.Lambda):
        node.body = transformer.visit(node.body)
    else:
        transformer.function(node)
    return node


class _Redirect(ast.NodeTransformer):
    def __init__(self) -> None:
        self.written: set[str] = set()

    def function(self, node: ast.FunctionDef) -> None:
        """Redirect the calls in the body of a function."""
        around, self.written = self.written, self.written | names_written(node)
        node.body = [self.visit(stmt) for stmt in node.body]
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

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        made = isinstance(node.value, ast.BinOp | ast.UnaryOp)
        self.generic_visit(node)
        if made and any(isinstance(t, ast.Name) and t.id in self.written for t in node.targets):
            node.value = at(call("made", node.value), node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in UNTOUCHED:
            return node
        self.generic_visit(node)
        return at(ast.Call(support("call_on_values"), [node.func, *node.args], node.keywords), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.value, ast.Attribute) and node.value.attr in _CONCATENATORS:
            return at(call("getitem", node.value, node.slice), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mod) and _is_text(node.left):
            return at(call("formatted", node.left, node.right), node)
        return node


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
