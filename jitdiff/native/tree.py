"""What Numba is handed of emitted text: its tree, with calls where Numba does better if it knows more.

The text is plain Python, in which any index may count from the end, any array may be reshaped in any way, and arguments
are what they are. Emitted text is more regular than that.
"""

from __future__ import annotations

import ast
from typing import Any

from numba.core import types

from jitdiff.ir import Emitted
from jitdiff.native.extending import borrowed, lowered, typed
from jitdiff.native.views import seen_as


def from_start(i: Any) -> Any:
    """Return an index that is known not to be negative; compiled code gets it as an unsigned integer.

    Emitted indices lie in ``[0, n)``: they are proved to, or come from `check_index`. Numba does not know and adds the
    length of the axis to what is negative, which costs a comparison for each index and often the vectors of a loop.

    Examples
    --------
    >>> from_start(2)
    2
    """
    return i


def writable(x: Any) -> Any:
    """Return an array that was declared read-only as one of the same type as all others.

    Callers may pass read-only arrays, and no emitted text writes to its arguments. As one type for Numba they share
    with other arrays what is compiled for that type.

    Examples
    --------
    >>> writable([1.0])
    [1.0]
    """
    return x


NAMES = {"__from_start__": from_start, "__writable__": writable, "__seen_as__": seen_as}
"""What the tree calls, by names that no text has."""


def tree_of(emitted: Emitted, source: str, path: str) -> ast.Module:
    r"""Return the tree of an emitted module.

    Parameters
    ----------
    emitted : Emitted
        The module.
    source : str
        Its text.
    path : str
        Its file.

    Raises
    ------
    TypeError
        If the text changes an element of an argument, which Numba would not tell any more.

    Examples
    --------
    >>> import numpy as np
    >>> from jitdiff.ir import ArrayType
    >>> vector = ArrayType(np.dtype(float), (3,))
    >>> emitted = Emitted("def f(ws, x):\n    y[i - 1, 0] += x[2]", "f", ("f",), (vector,), (), 0)
    >>> print(ast.unparse(tree_of(emitted, emitted.source, "")))
    def f(ws, x):
        x = __writable__(x)
        y[__from_start__(i - 1), 0] += x[2]
    """
    tree = ast.parse(source, path)
    entry = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == emitted.entry), None)
    arguments = zip(entry.args.args[1:], emitted.params, strict=False) if entry is not None else ()
    arrays = [argument.arg for argument, type in arguments if type.ndim]
    _Handed(frozenset(arrays)).visit(tree)
    if entry is not None:
        made = [ast.Assign([ast.Name(name, ast.Store())], _call("__writable__", _loaded(name))) for name in arrays]
        entry.body[:0] = [ast.copy_location(assignment, entry.body[0]) for assignment in made]
    return ast.fix_missing_locations(tree)


class _Handed(ast.NodeTransformer):
    def __init__(self, arguments: frozenset[str]) -> None:
        self.arguments = arguments

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name):
            if isinstance(node.ctx, ast.Store) and node.value.id in self.arguments:
                raise TypeError(f"emitted text changes its argument {node.value.id}")
            index = node.slice
            if isinstance(index, ast.Tuple):
                index.elts = [self._term(term) for term in index.elts]
            else:
                node.slice = self._term(index)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name() as array, attr="reshape"), args=[shape]):
                sizes = shape if isinstance(shape, ast.Tuple) else ast.Tuple([shape], ast.Load())
                return ast.copy_location(_call("__seen_as__", array, sizes), node)
        return node

    @staticmethod
    def _term(term: ast.expr) -> ast.expr:
        if isinstance(term, ast.Slice) or not any(isinstance(part, ast.Name) for part in ast.walk(term)):
            return term
        return ast.copy_location(_call("__from_start__", term), term)


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(_loaded(name), list(args), [])


def _loaded(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


@typed(from_start)
def _type_from_start(context: Any) -> Any:
    def typer(i: Any) -> Any:
        return types.uint64 if isinstance(i, types.Integer) else None

    return typer


@lowered(from_start, types.Integer)
def _lower_from_start(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return context.cast(builder, args[0], signature.args[0], types.uint64)


@typed(writable)
def _type_writable(context: Any) -> Any:
    def typer(x: Any) -> Any:
        return x.copy(readonly=False) if isinstance(x, types.Array) else None

    return typer


@lowered(writable, types.Array)
def _lower_writable(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return borrowed(context, builder, signature.return_type, args[0])
