"""Printing a block so that it reads like typed Python."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Any

from jitdiff.ir.nodes import Apply, Atom, Block, Const, For, If, Location, Value, While, outs_of

_COMMENT_COLUMN = 60


class Namer:
    """Gives every value of a program its name: the user's where there is one, numbered otherwise.

    Names depend only on the program, so that the same program always gives the same text.
    """

    def __init__(self, reserved: frozenset[str] = frozenset()) -> None:
        self._names: dict[Value, str] = {}
        self._taken: set[str] = set(reserved)
        self._counters: dict[str, int] = {}

    def __call__(self, value: Value, fallback: str = "t") -> str:
        """Return the name of `value`, choosing one at the first call."""
        name = self._names.get(value)
        if name is None:
            name = self._names[value] = self.fresh(value.name, fallback)
        return name

    def fresh(self, wish: str = "", fallback: str = "t") -> str:
        """Return a name not given out before: `wish` if it is free, otherwise a numbered one."""
        wish = re.sub(r"\W+", "_", wish).strip("_")
        if wish and (wish[0].isdigit() or keyword.iskeyword(wish)):
            wish = f"{fallback}_{wish}"
        if wish and wish not in self._taken:
            self._taken.add(wish)
            return wish
        stem = f"{wish}_" if wish else fallback
        while True:
            n = self._counters.get(stem, 0)
            self._counters[stem] = n + 1
            if (name := f"{stem}{n}") not in self._taken:
                self._taken.add(name)
                return name


def show(block: Block) -> str:
    """Return the text of a program.

    Examples
    --------
    >>> import numpy as np
    >>> from jitdiff.ir.nodes import Block, Value
    >>> from jitdiff.ir.types import ArrayType
    >>> x = Value(ArrayType(np.dtype(float), (3,)), "x")
    >>> print(show(Block((x,), [], (x,), name="same")))
    def same(x: f64[3]) -> f64[3]:
        return x
    """
    names = Namer()
    params = ", ".join(f"{names(p)}: {p.type}" for p in block.params)
    results = ", ".join(str(r.type) for r in block.results)
    arrow = results if len(block.results) == 1 else f"({results})"
    lines = [f"def {block.name or 'block'}({params}) -> {arrow}:", *_body(block, names, 1)]
    return "\n".join([*lines, f"    return {', '.join(_atom(r, names) for r in block.results)}".rstrip()])


def _atom(atom: Atom, names: Namer) -> str:
    return str(atom) if isinstance(atom, Const) else names(atom)


def _attr(value: Any) -> str:
    name = getattr(value, "__name__", None)
    return name if name is not None else repr(value)


def _line(depth: int, text: str, loc: Location | None) -> str:
    text = "    " * depth + text
    return f"{text:{_COMMENT_COLUMN}}  # {loc}" if loc else text


def _body(block: Block, names: Namer, depth: int) -> Iterator[str]:
    def typed(values: tuple[Value, ...]) -> str:
        return ", ".join(f"{names(v)}: {v.type}" for v in values)

    def atoms(values: tuple[Atom, ...]) -> str:
        return ", ".join(_atom(v, names) for v in values)

    for node in block.nodes:
        match node:
            case Apply(op, args, attrs, outs, loc):
                operands = [atoms(args)] if args else []
                call = ", ".join(operands + [f"{k}={_attr(v)}" for k, v in attrs.items()])
                yield _line(depth, f"{typed(outs)} = {op.name}({call})", loc)
            case If(pred, then, orelse, outs, loc):
                yield _line(depth, f"{typed(outs)} = if {_atom(pred, names)}:", loc)
                for keyword_, inner in ((None, then), ("else:", orelse)):
                    if keyword_:
                        yield _line(depth, keyword_, None)
                    yield from _body(inner, names, depth + 1)
                    yield _line(depth + 1, f"yield {atoms(inner.results)}", None)
            case For(trip, init, body, _, stacked, loc):
                index, *carries = body.params
                carried = ", ".join(
                    f"{names(c)}: {c.type} = {_atom(a, names)}" for c, a in zip(carries, init, strict=True)
                )
                again = " restarting" * node.restart
                head = f"for {names(index, 'i')} in range({_atom(trip, names)}){again} carrying ({carried}):"
                yield _line(depth, f"{typed(outs_of(node))} = {head}", loc)
                yield from _body(body, names, depth + 1)
                split = len(body.results) - len(stacked)
                tail = f"; stack {atoms(body.results[split:])}" if stacked else ""
                yield _line(depth + 1, f"yield {atoms(body.results[:split])}{tail}", None)
            case While(cond, body, init, _, stacked, _, loc):
                carried = ", ".join(
                    f"{names(c)}: {c.type} = {_atom(a, names)}" for c, a in zip(cond.params, init, strict=True)
                )
                yield _line(
                    depth, f"{typed(outs_of(node))} = while{' restarting' * node.restart} carrying ({carried}):", loc
                )
                yield from _body(cond, names, depth + 1)
                yield _line(depth + 1, f"while {atoms(cond.results)}", None)
                renamed = ", ".join(
                    f"{names(b)}: {b.type} = {names(c)}" for b, c in zip(body.params, cond.params, strict=True)
                )
                yield _line(depth + 1, f"do ({renamed}):", None)
                yield from _body(body, names, depth + 2)
                split = len(body.results) - len(stacked)
                tail = f"; stack {atoms(body.results[split:])}" if stacked else ""
                yield _line(depth + 2, f"yield {atoms(body.results[:split])}{tail}", None)
