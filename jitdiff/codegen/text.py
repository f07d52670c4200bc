"""Python text: statements in a tree, literals that keep their dtype, expressions in normal form."""

from __future__ import annotations

import ast
import builtins
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, Const, Dim, Location, Shape

_COMMENT_COLUMN = 72


@dataclass(eq=False, slots=True)
class Stmt:
    """A statement; one that ends with a colon has statements inside.

    Parameters
    ----------
    text : str
        The statement, or the head of a compound one.
    loc : Location, optional
        The user's line it comes from.
    body : list of Stmt
        What stands inside a compound statement.
    pinned : bool
        Whether it must stay in the function it is in (it leaves a loop or the function).
    """

    text: str
    loc: Location | None = None
    body: list[Stmt] | None = None
    pinned: bool = False

    @property
    def is_loop(self) -> bool:
        """Whether it is a loop."""
        return self.body is not None and self.text.startswith(("for ", "while "))

    @property
    def lines(self) -> int:
        """Number of lines."""
        return 1 + sum(s.lines for s in self.body or ())

    def walk(self) -> Iterator[Stmt]:
        """Yield the statement and all inside it, in order of text."""
        yield self
        for inner in self.body or ():
            yield from inner.walk()


def nested(loops: Sequence[tuple[str, str]], body: list[Stmt]) -> list[Stmt]:
    """Return statements in loops, each given by its variable and the text of the number of its values.

    Examples
    --------
    >>> (loop,) = nested([("i", "3"), ("j", "n")], [Stmt("x[i, j] = 0.0")])
    >>> [stmt.text for stmt in loop.walk()]
    ['for i in range(3):', 'for j in range(n):', 'x[i, j] = 0.0']
    """
    for variable, count in reversed(loops):
        body = [Stmt(f"for {variable} in range({count}):", body[0].loc, body)]
    return body


def without(stmts: Sequence[Stmt], dropped: Callable[[Stmt], bool]) -> list[Stmt]:
    """Return statements without some of those in them, nor loops of which nothing is left; loops stay the same objects.

    Examples
    --------
    >>> loop = Stmt("for i in range(3):", None, [Stmt("x[i] = 0.0"), Stmt("y[i] = 0.0")])
    >>> [stmt.text for kept in without([loop], lambda s: s.text.startswith("x")) for stmt in kept.walk()]
    ['for i in range(3):', 'y[i] = 0.0']
    """
    kept = [stmt for stmt in stmts if not dropped(stmt)]
    for stmt in kept:
        if stmt.body is not None:
            stmt.body[:] = without(stmt.body, dropped)
    return [stmt for stmt in kept if stmt.body is None or stmt.body]


def render(stmts: Sequence[Stmt], depth: int = 1) -> list[str]:
    """Return the lines of statements, each run of lines from one line of the user's marked with it once."""
    lines: list[str] = []
    _render(stmts, depth, lines, None)
    return lines


def _render(stmts: Sequence[Stmt], depth: int, lines: list[str], last: str | None) -> str | None:
    for stmt in stmts:
        text = "    " * depth + stmt.text
        loc = str(stmt.loc) if stmt.loc else None
        lines.append(f"{text:{_COMMENT_COLUMN}}  # {loc}" if loc and loc != last else text)
        last = loc or last
        if stmt.body is not None:
            last = _render(stmt.body, depth + 1, lines, last)
    return last


@lru_cache(maxsize=65536)
def normal(statement: str) -> str:
    """Return a statement with no more parentheses than it needs, and ``x = x + y`` as ``x += y``.

    Examples
    --------
    >>> normal("y = (a*b) + (-c)"), normal("s[i] = s[i] + (a*b)"), normal("s = s + (-(a))")
    ('y = a * b + -c', 's[i] += a * b', 's -= a')
    """
    (node,) = ast.parse(statement).body
    match node:
        case ast.Assign(targets=[target], value=ast.BinOp(left=left, op=op, right=right)) if type(op) in _AUGMENTED:
            if ast.unparse(left) == ast.unparse(target):
                sign = _AUGMENTED[type(op)]
                if sign == "+" and isinstance(right, ast.UnaryOp) and isinstance(right.op, ast.USub):
                    sign, right = "-", right.operand
                return f"{ast.unparse(target)} {sign}= {ast.unparse(right)}"
    return ast.unparse(node)


_AUGMENTED: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


@lru_cache(maxsize=65536)
def names_in(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that a statement (or a head) loads and those it stores, in order.

    Examples
    --------
    >>> names_in("s += x[i]"), names_in("for i in range(n):")
    ((('s', 'x', 'i'), ('s',)), (('range', 'n'), ('i',)))
    """
    tree = ast.parse(_as_statement(text))
    loads: dict[str, None] = {}
    stores: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            loads[node.target.id] = None
        if isinstance(node, ast.Name):
            (stores if isinstance(node.ctx, ast.Store) else loads)[node.id] = None
    return tuple(loads), tuple(stores)


def statement(stmt: Stmt) -> str:
    """Return the text of a statement alone; that of a compound one with nothing inside.

    Examples
    --------
    >>> statement(Stmt("if x > 0:", None, [Stmt("y = x")])), statement(Stmt("else:", None, []))
    ('if x > 0: pass', 'pass')
    """
    return _as_statement(stmt.text)


def _as_statement(text: str) -> str:
    return "pass" if text == "else:" else f"{text} pass" if text.endswith(":") else text


def count_names(stmts: Iterable[Stmt]) -> tuple[Counter[str], Counter[str]]:
    """Return how many statements, those inside too, load each name, and how many store it."""
    loads: Counter[str] = Counter()
    stores: Counter[str] = Counter()
    for stmt in stmts:
        for inner in stmt.walk():
            have = names_in(inner.text)
            loads.update(have[0])
            stores.update(have[1])
    return loads, stores


def free_names(stmts: Iterable[Stmt]) -> set[str]:
    """Return the names that statements load and nowhere store."""
    loads, stores = count_names(stmts)
    return loads.keys() - stores.keys()


BUILTINS = frozenset(dir(builtins))


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return the text of a dtype.

    Examples
    --------
    >>> dtype_text(np.dtype(bool)), dtype_text(np.dtype("f4"))
    ('np.bool_', 'np.float32')
    """
    return "np.bool_" if dtype.kind == "b" else f"np.{dtype.name}"


def literal(const: Const) -> str:
    """Return the text of a constant, of exactly its dtype when Numba compiles it.

    Examples
    --------
    >>> literal(Const.of(2.0)), literal(Const.of(np.float32(0.1))), literal(Const.of(-np.inf)), literal(Const.of(True))
    ('2.0', 'np.float32(0.1)', '-np.inf', 'True')
    """
    value, dtype = const.value, const.type.dtype
    if isinstance(value, Dim):
        return str(value) if dtype == np.int64 else f"{dtype_text(dtype)}({value})"
    if dtype.kind == "b":
        return str(bool(value))
    if dtype.kind in "iu":
        return str(int(value)) if dtype == np.int64 else f"{dtype_text(dtype)}({int(value)})"
    text = f"{'-' if value < 0 else ''}np.inf" if math.isinf(value) else "np.nan" if math.isnan(value) else None
    if dtype == np.float64:
        return text or repr(float(value))
    return f"{dtype_text(dtype)}({text or str(dtype.type(value))})"


_FLOAT = re.compile(
    r"(?<![\w.])(?:\d+\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)(?![\w.])|(?<![\w.])-?np\.(?:inf|nan|pi|e)\b"
)


def typed(text: str, dtype: np.dtype[Any]) -> str:
    """Return an op's own text for results of `dtype`: its literals, and for narrow integers the whole, are cast to it.

    Numba would compute ``1.0 / x`` in double precision for a float32 ``x``, and ``a + b`` in 64 bits for int32.

    Examples
    --------
    >>> typed("1.0 / x", np.dtype("f4")), typed("a + b", np.dtype("i4")), typed("a + b", np.dtype("f8"))
    ('np.float32(1.0) / x', 'np.int32(a + b)', 'a + b')
    """
    if dtype.kind in "iu" and dtype.itemsize < 8:
        return f"{dtype_text(dtype)}({text})"
    if dtype == np.float32:
        return _FLOAT.sub(lambda m: f"np.float32({m[0]})", text)
    return text


def fill_text(fill: str, type: ArrayType) -> str:
    """Return the text of an initial element in its dtype.

    Examples
    --------
    >>> import numpy as np
    >>> fill_text("0", ArrayType(np.dtype(float))), fill_text("-np.inf", ArrayType(np.dtype("f4")))
    ('0.0', 'np.float32(-np.inf)')
    """
    try:
        number = ast.literal_eval(fill)
    except ValueError:
        return typed(fill, type.dtype)
    return literal(Const.of(number, ArrayType(type.dtype)))


def shape_text(shape: Sequence[object]) -> str:
    """Return the text of a shape.

    Examples
    --------
    >>> shape_text((3,)), shape_text((3, Dim.symbol("n")))
    ('(3,)', '(3, n)')
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def size_text(shape: Shape) -> str:
    """Return the text of the number of elements."""
    from jitdiff.ir import product

    return str(product(shape))
