"""Emitted text run as plain Python in place of machine code, so that whole calls need no compiler."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any
from unittest import mock
from weakref import WeakValueDictionary

import numpy as np

from jitdiff.ir import ArrayType, Emitted
from jitdiff.native import kernel


@contextmanager
def plain_python() -> Iterator[None]:
    """Let compiled functions run their text as Python, each call in a workspace and results full of NaN."""
    with (
        mock.patch.multiple(kernel, _shared=_interpreted, _kernels=WeakValueDictionary()),
        mock.patch.object(kernel.records, "addresses", lambda arrays: arrays),
    ):
        yield


class _Dividing(ast.NodeTransformer):
    """Lets numbers in the text divide as machine code divides them: by zero without an error."""

    NAMES = MappingProxyType({ast.Div: "true_divide", ast.FloorDiv: "floor_divide", ast.Mod: "remainder"})

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        name = self.NAMES.get(type(node.op))
        if name is None:
            return node
        divide = ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load())
        return ast.copy_location(ast.Call(divide, [node.left, node.right], []), node)


def _load(emitted: Emitted) -> Any:
    """Return the entry of an emitted module."""
    scope: dict[str, Any] = {"np": np}
    tree = ast.fix_missing_locations(_Dividing().visit(ast.parse(emitted.source)))
    exec(compile(tree, "<emitted>", "exec"), scope)
    return scope[emitted.entry]


def _interpreted(emitted: Emitted, **_: Any) -> Any:
    entry = _load(emitted)

    def dispatcher(ws: np.ndarray, *args: Any) -> Any:
        if emitted.packed:
            args = tuple(_unpacked(emitted, *args))
        given = [_taken(arg, kind) for arg, kind in zip(args, emitted.params, strict=False)]
        outs = args[len(emitted.params) :]
        if (len(given), len(outs)) != (len(emitted.params), len(emitted.outs)):
            raise TypeError(f"{len(emitted.params)} arguments and {len(emitted.outs)} outs are needed")
        for array in (ws, *outs):
            array.view(np.uint8).fill(0xFF) if array.size else None
        with np.errstate(all="ignore"):
            return entry(ws, *emitted.arguments(given, outs))

    return kernel._MachineCode(dispatcher, "<plain Python>", False, 0.0)


def _unpacked(emitted: Emitted, arrays: Any, *scalars: Any) -> Iterator[Any]:
    """Yield packed arguments and outs one by one."""
    arrays, rest = iter(arrays), iter(scalars)
    for param in emitted.params:
        yield next(arrays if param.shape else rest)
    yield from arrays


def _taken(arg: Any, kind: ArrayType) -> Any:
    """Return an argument as machine code takes it: arrays of exactly the type, read-only, and scalars of any."""
    if not kind.ndim:
        if isinstance(arg, np.ndarray):
            raise TypeError(f"{kind} is needed, not an array")
        return kind.dtype.type(arg)
    if not isinstance(arg, np.ndarray) or (arg.ndim, arg.dtype) != (kind.ndim, kind.dtype):
        raise TypeError(f"{kind} is needed, not {arg!r}")
    if not arg.flags.c_contiguous:
        raise TypeError("an array in C order is needed")
    view = arg.view()
    view.flags.writeable = False
    return view
