"""A function's syntax tree, found in its file, and a function made again from a changed tree.

The tree is that of the whole file, so that every node has the user's own line; the function is found in it by the
position of its code. The new function reads the same globals and the same closure cells as the old one.
"""

from __future__ import annotations
import __future__

import ast
import copy
import inspect
import linecache
import textwrap
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from types import CellType, CodeType, FunctionType
from typing import Any

from jitdiff.ops.pickled import located

Definition = ast.FunctionDef | ast.Lambda

GENERATED = "_jd_"
"""What the names of generated variables and functions begin with."""


@dataclass(frozen=True, slots=True)
class Found:
    """The definition of a function.

    Attributes
    ----------
    node : ast.FunctionDef or ast.Lambda
        The definition; a copy of one's own.
    owner : str
        Name of the class around it, which private names are mangled with; empty if there is none.
    """

    node: Definition
    owner: str


def find(function: FunctionType) -> Found | None:
    """Return the definition of a function, None where its source cannot be had or is not what it was compiled from."""
    code = located(function.__code__)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    definitions = _definitions_in("".join(lines)) or _definitions_at(lines, code.co_firstlineno)
    candidates = [(node, owner) for node, owner in definitions if _begins(node) == code.co_firstlineno]
    found: list[tuple[Definition, str]]
    if code.co_name == "<lambda>":
        positions = [(p[0], p[2]) for p in code.co_positions() if p[0] and p[2]]
        found = [(n, o) for n, o in candidates if isinstance(n, ast.Lambda) and _holds(n, positions)]
        found.sort(key=lambda pair: (pair[0].end_lineno or 0, pair[0].end_col_offset or 0))
    else:
        found = [(n, o) for n, o in candidates if isinstance(n, ast.FunctionDef) and n.name == code.co_name]
    found = [(n, o) for n, o in found if _parameters(n) == code.co_varnames[: len(_parameters(n))]]
    if not found:
        return None
    node, owner = found[0]
    # The tree of the file is shared and stays as it is.
    return Found(copy.deepcopy(node), owner)


@lru_cache(maxsize=64)
def _definitions_in(text: str) -> list[tuple[Definition, str]]:
    """Return the functions of a file, none if it is not a file of Python."""
    try:
        return list(_definitions(ast.parse(text)))
    except SyntaxError:
        return []


def _definitions_at(lines: list[str], first: int) -> list[tuple[Definition, str]]:
    """Return the functions of the block that begins at a line of another text, such as a page with examples."""
    try:
        block = inspect.getblock(lines[first - 1 :])
        tree = ast.parse(textwrap.dedent("".join(block)))
    except (SyntaxError, tokenize.TokenError):
        return []
    return list(_definitions(ast.increment_lineno(tree, first - 1)))


def _definitions(tree: ast.AST, owner: str = "") -> Iterator[tuple[Definition, str]]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.Lambda):
            yield child, owner
        yield from _definitions(child, child.name if isinstance(child, ast.ClassDef) else owner)


def _begins(node: Definition) -> int:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return min([node.lineno, *(d.lineno for d in decorators)])


def _holds(node: ast.Lambda, positions: list[tuple[int, int]]) -> bool:
    """Whether all of a lambda's code lies in its body."""
    body = node.body
    first = (body.lineno, body.col_offset)
    last = (body.end_lineno or body.lineno, body.end_col_offset or 0)
    return all(first <= p <= last or p == (node.lineno, node.col_offset) for p in positions)


def _parameters(node: Definition) -> tuple[str, ...]:
    a = node.args
    names = [*a.posonlyargs, *a.args, *a.kwonlyargs, *([a.vararg] if a.vararg else []), *([a.kwarg] if a.kwarg else [])]
    return tuple(n.arg for n in names)


def compiled(function: FunctionType, node: Definition, names: Sequence[str]) -> CodeType:
    """Return the code of `node`, a changed definition of `function`, that reads `names` beside the function's own."""
    code = located(function.__code__)
    _without_defaults(node)
    if isinstance(node, ast.FunctionDef):
        node.decorator_list, node.returns = [], None
        # A function that names itself means the variable around it.
        node.name = f"{GENERATED}function"
        inside: list[ast.stmt] = [node, ast.Return(ast.Constant(None))]
    else:
        inside = [ast.Return(node)]
    params = [ast.arg(n) for n in dict.fromkeys((*names, *code.co_freevars))]
    factory = ast.FunctionDef(
        name=f"{GENERATED}factory",
        args=ast.arguments([], params, None, [], [], None, []),
        body=inside,
        decorator_list=[],
    )
    if "type_params" in ast.FunctionDef._fields:
        factory.type_params = []  # type: ignore[attr-defined]
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(factory, node)], []))
    made = compile(module, code.co_filename, "exec", flags=code.co_flags & _FUTURES, dont_inherit=True)
    (outer,) = (c for c in made.co_consts if isinstance(c, CodeType))
    (inner,) = (c for c in outer.co_consts if isinstance(c, CodeType))
    return _named(inner, code.co_name, code.co_qualname)


def with_code(function: FunctionType, code: CodeType, support: dict[str, Any]) -> FunctionType:
    """Return a function of new code, with the globals, closure and defaults of `function`.

    `support` has the values of names that the code reads beside the function's own.
    """
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells.update({name: CellType(value) for name, value in support.items()})
    made = FunctionType(
        code,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells[name] for name in code.co_freevars),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__ = function.__qualname__
    made.__module__ = function.__module__
    return made


_FUTURES: int = reduce(
    lambda flags, name: flags | getattr(__future__, name).compiler_flag, __future__.all_feature_names, 0
)


def _without_defaults(node: Definition) -> None:
    """Take out what is evaluated where the function is defined: that has been done."""
    none = ast.Constant(None)
    node.args.defaults = [none for _ in node.args.defaults]
    node.args.kw_defaults = [d and none for d in node.args.kw_defaults]
    a = node.args
    for arg in [*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x)]:
        arg.annotation = None


def _named(code: CodeType, name: str, qualname: str) -> CodeType:
    """Give generated functions the name of the user's function around them, for messages and tracebacks."""
    consts = tuple(
        _named(c, name, qualname) if isinstance(c, CodeType) and c.co_name.startswith((GENERATED, "<lambda>")) else c
        for c in code.co_consts
    )
    return code.replace(co_consts=consts, co_name=name, co_qualname=qualname)
