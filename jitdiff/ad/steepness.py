"""Bound the slopes of a program's values: by the least level of the operations that compute them."""

from __future__ import annotations

from typing import Any

from jitdiff.ir import Apply, Builder, Node, Value, blocks_of, outs_of, reads_of
from jitdiff.ops import Op, Tracer
from jitdiff.ops.table import Level
from jitdiff.ops.tracer import builder_now

_NOTE = "steepness"


def steepness(x: Any) -> Level:
    """Return the level of an operand: FACTOR for one outside of a program, where nothing is known of it.

    Below CHOICE it may be infinite or NaN for finite arguments of the program; at FACTOR its derivative may be infinite
    where it is finite.
    """
    if not isinstance(x, Tracer):
        return Level.FACTOR if getattr(x, "shape", ()) else Level.CHOICE
    atom = x.atom
    return _level(atom, builder_now()) if isinstance(atom, Value) else Level.CHOICE


def _level(value: Value, builder: Builder | None) -> Level:
    while builder is not None:
        levels = _levels(builder)
        if value in levels:
            return levels[value]
        if builder.parent is not None and value in builder.block.params:
            # The carry of a loop comes from all that its body does.
            return min(levels.values(), default=Level.CHOICE)
        builder = builder.parent
    return Level.CHOICE


def _levels(builder: Builder) -> dict[Value, Level]:
    """Return the levels below CHOICE of the values that a block makes, those of nodes added since included."""
    nodes = builder.block.nodes
    levels: dict[Value, Level]
    done, last, levels = builder.notes.get(_NOTE, (0, None, {}))
    if done and (len(nodes) < done or nodes[done - 1] is not last):
        done = 0
    for node in nodes[done:]:
        read = (levels[v] if v in levels else _level(v, builder.parent) for v in reads_of(node))
        level = min(_own(node), min(read, default=Level.CHOICE))
        if level < Level.CHOICE:
            levels.update((out, level) for out in outs_of(node) if out.type.is_float)
    builder.notes[_NOTE] = (len(nodes), nodes[-1] if nodes else None, levels)
    return levels


def _own(node: Node) -> Level:
    """Return the least level of the operations in a node."""
    if isinstance(node, Apply):
        return node.op.steep if isinstance(node.op, Op) and node.op.guards is not None else Level.CHOICE
    return min((_own(inner) for block in blocks_of(node) for inner in block.nodes), default=Level.CHOICE)
