"""Private names of classes, as the compiler writes them."""

from __future__ import annotations

import ast


def mangle(node: ast.AST, owner: str) -> None:
    """Write the private names in a method as the compiler does in the class `owner`; nothing if that is empty."""
    if owner:
        _Mangle(owner).visit(node)


class _Mangle(ast.NodeTransformer):
    """Private names as the compiler would write them in the class."""

    def __init__(self, owner: str) -> None:
        self.owner = owner.lstrip("_")

    def _name(self, name: str) -> str:
        return f"_{self.owner}{name}" if name.startswith("__") and not name.endswith("__") else name

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._name(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        node.attr = self._name(node.attr)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self._name(node.arg)
        return node
