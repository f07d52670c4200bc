"""What Numba is handed of emitted text: its tree, with calls where Numba does better if it knows more.

The text is plain Python, in which any index may count from the end, any array may be reshaped in any way, and arguments
are what they are. Emitted text is more regular than that.
"""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np
from numba.core import types

from jitdiff.ir import Emitted
from jitdiff.native.extending import borrowed, lowered, typed
from jitdiff.native.packed import taken_as
from jitdiff.native.views import check_workspace, number_of, place, seen_as


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


NAMES = {
    "__check_workspace__": check_workspace,
    "__from_start__": from_start,
    "__place__": place,
    "__seen_as__": seen_as,
    "__taken_as__": taken_as,
    "__writable__": writable,
}
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
    # Arrays that come as one are taken out of it as arrays like all others.
    flat = entry is not None and not emitted.packed
    arguments = zip(entry.args.args[1:], emitted.params, strict=False) if entry is not None and flat else ()
    arrays = [argument.arg for argument, type in arguments if type.ndim]
    _Handed(frozenset(arrays), emitted.workspace).visit(tree)
    if entry is not None:
        made = [ast.Assign([ast.Name(name, ast.Store())], _call("__writable__", _loaded(name))) for name in arrays]
        first: list[ast.stmt] = [*made]
        if emitted.workspace:
            # Where its size is symbolic the text itself checks it.
            first.append(
                ast.Expr(_call("__check_workspace__", _loaded(entry.args.args[0].arg), ast.Constant(emitted.workspace)))
            )
        entry.body[:0] = [ast.copy_location(stmt, entry.body[0]) for stmt in first]
    return ast.fix_missing_locations(tree)


class _Handed(ast.NodeTransformer):
    def __init__(self, arguments: frozenset[str], workspace: int) -> None:
        self.arguments = arguments
        self.workspace = workspace
        self.counters: dict[str, bool] = {}
        """Variables of the loops around, and whether they are indices there."""

    def visit_For(self, node: ast.For) -> ast.For:
        match node:
            case ast.For(target=ast.Name(name), iter=ast.Call(func=ast.Name("range"))) if not _stores(node.body, name):
                self.counters[name] = False
                self.generic_visit(node)
                if self.counters.pop(name):
                    # Once for each loop, not for each index.
                    index = ast.Assign([ast.Name(_counter(name), ast.Store())], _call("__from_start__", _loaded(name)))
                    node.body.insert(0, ast.copy_location(index, node.body[0]))
            case _:
                self.generic_visit(node)
        return node

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
            case ast.Call(func=ast.Name("buffer"), args=[ws, ast.Constant(int(start)) as at, dtype, shape]):
                kind = _kind(dtype, shape)
                if kind is not None and start + math.prod(kind[1]) * kind[0].itemsize <= self.workspace:
                    return ast.copy_location(_call("__place__", ws, at, ast.Constant(number_of(*kind))), node)
            case ast.Call(func=ast.Name("taken"), args=[arrays, k, dtype, shape]):
                kind = _kind(dtype, shape)
                if kind is not None:
                    return ast.copy_location(_call("__taken_as__", arrays, k, ast.Constant(number_of(*kind))), node)
        return node

    def _term(self, term: ast.expr) -> ast.expr:
        if isinstance(term, ast.Name) and term.id in self.counters:
            self.counters[term.id] = True
            return ast.copy_location(_loaded(_counter(term.id)), term)
        if isinstance(term, ast.Slice) or not any(isinstance(part, ast.Name) for part in ast.walk(term)):
            return term
        return ast.copy_location(_call("__from_start__", term), term)


def _counter(name: str) -> str:
    return f"__{name}__"


def _stores(stmts: list[ast.stmt], name: str) -> bool:
    nodes = (node for stmt in stmts for node in ast.walk(stmt))
    return any(isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in nodes)


def _kind(dtype: ast.expr, shape: ast.expr) -> tuple[np.dtype[Any], tuple[int, ...]] | None:
    """Return the dtype and the shape of an array, None if they are not in the text."""
    match dtype, shape:
        case ast.Attribute(attr=name), ast.Tuple(sizes):
            known = [size.value for size in sizes if isinstance(size, ast.Constant) and isinstance(size.value, int)]
            if len(known) == len(sizes):
                return np.dtype(getattr(np, name)), tuple(known)
    return None


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
