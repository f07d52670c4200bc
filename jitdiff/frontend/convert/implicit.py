"""Rewriting operators and attributes, for which objects of the user's have methods, as calls of the run-time support.

The support calls Python's own operator on everything else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from jitdiff.frontend.convert.tree import RUN, at, call, key, load

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor",
    ast.LShift: "lshift", ast.RShift: "rshift",
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
    ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert",
}  # fmt: skip
"""The middle of the names of the methods for operators."""


class Implicit(ast.NodeTransformer):
    """Rewrites what Python runs methods for without a call.

    Parameters
    ----------
    modules : collection of str
        Variables that hold modules, whose attributes stay as they are.
    """

    def __init__(self, modules: frozenset[str] = frozenset()) -> None:
        self.modules = modules

    def block(self, stmts: Iterable[ast.stmt]) -> list[ast.stmt]:
        """Return statements rewritten, each as one or more."""
        done: list[ast.stmt] = []
        for stmt in stmts:
            found = self.visit(stmt)
            done += found if isinstance(found, list) else [found]
        return done

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Rewrite an operator of two operands."""
        self.generic_visit(node)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return node
        return at(call("binary", ast.Constant(OPERATORS[type(node.op)]), node.left, node.right), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        """Rewrite a sign or ``~``."""
        self.generic_visit(node)
        if isinstance(node.operand, ast.Constant) or isinstance(node.op, ast.Not):
            return node
        return at(call("unary", ast.Constant(OPERATORS[type(node.op)]), node.operand), node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        """Rewrite a comparison of two operands; a longer one stays."""
        self.generic_visit(node)
        if len(node.ops) > 1:
            return node
        (op,), (right,) = node.ops, node.comparators
        if isinstance(op, ast.In | ast.NotIn):
            found = call("contains", node.left, right)
            return at(ast.UnaryOp(ast.Not(), found) if isinstance(op, ast.NotIn) else found, node)
        if type(op) not in OPERATORS:
            return node
        return at(call("binary", ast.Constant(OPERATORS[type(op)]), node.left, right), node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """Rewrite an attribute that is read."""
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        if isinstance(node.value, ast.Name) and (node.value.id == RUN or node.value.id in self.modules):
            return node
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name) and node.value.func.id == "super":
            return node
        if node.attr == "__class__":
            return at(call("class_of", node.value), node)
        return at(call("attribute", node.value, ast.Constant(node.attr)), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """Rewrite an operator that changes in place."""
        op, value = ast.Constant(OPERATORS[type(node.op)]), self.visit(node.value)
        match node.target:
            case ast.Name(name):
                return at(ast.Assign([node.target], call("augmented", load(name), op, value)), node)
            case ast.Attribute(owner, attr):
                changed = call("augment_attribute", self.visit(owner), ast.Constant(attr), op, value)
            case ast.Subscript(array, index):
                changed = call("augment_item", self.visit(array), key(self.visit(index)), op, value)
        return at(ast.Expr(changed), node)

    def visit_Delete(self, node: ast.Delete) -> Any:
        """Rewrite what removes items and attributes."""
        done: list[ast.stmt] = []
        for target in node.targets:
            match target:
                case ast.Subscript(owner, index):
                    done.append(ast.Expr(call("del_item", self.visit(owner), key(self.visit(index)))))
                case ast.Attribute(owner, attr):
                    done.append(ast.Expr(call("del_attribute", self.visit(owner), ast.Constant(attr))))
                case _:
                    done.append(ast.Delete([target]))
        return [at(stmt, node) for stmt in done]

    def visit_MatchClass(self, node: ast.MatchClass) -> Any:
        """Rewrite the parts of a pattern, not the class, which has to be a name."""
        node.patterns = [self.visit(pattern) for pattern in node.patterns]
        node.kwd_patterns = [self.visit(pattern) for pattern in node.kwd_patterns]
        return node

    def visit_MatchValue(self, node: ast.MatchValue) -> Any:
        """Leave a value in a pattern, which has to be a name or a number."""
        return node

    def visit_With(self, node: ast.With) -> Any:
        """Rewrite what a ``with`` statement enters."""
        self.generic_visit(node)
        for each in node.items:
            each.context_expr = at(call("managed", each.context_expr), each.context_expr)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        """Rewrite an f-string."""
        if not any(isinstance(part, ast.FormattedValue) for part in node.values):
            return node
        return at(call("joined", *(self._part(part) for part in node.values)), node)

    def _part(self, part: ast.expr) -> ast.expr:
        if not isinstance(part, ast.FormattedValue):
            return part
        spec = ast.Constant("") if part.format_spec is None else self.visit(part.format_spec)
        return at(call("told", self.visit(part.value), ast.Constant(part.conversion), spec), part)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> Any:
        """Rewrite a handler, which must not catch what jitdiff refuses."""
        self.generic_visit(node)
        node.body.insert(0, at(ast.Expr(call("caught", *([] if node.type is None else [node.type]))), node))
        return node

    def visit_Starred(self, node: ast.Starred) -> Any:
        """Rewrite what is unpacked."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = at(call("iterated", node.value), node.value)
        return node
