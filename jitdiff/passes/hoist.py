"""Loop-invariant code: what does not change from one iteration to the next is computed before the loop."""

from __future__ import annotations

from dataclasses import replace

from jitdiff.ir import (
    Apply,
    Block,
    Const,
    For,
    Node,
    Value,
    While,
    blocks_of,
    outs_of,
    reads_of,
    symbol_made,
    symbols_read,
    with_blocks,
)
from jitdiff.ops import Op
from jitdiff.ops.emission import Call


def hoist(block: Block) -> Block:
    """Move operations of loop bodies that read nothing of the loop to before it, outwards as far as they go.

    A loop marked `restart` keeps its own. An operation that may fail stays where the loop might make no trip at all.
    """
    nodes: list[Node] = []
    for old in block.nodes:
        node = with_blocks(old, tuple(map(hoist, blocks_of(old))))
        if isinstance(node, For | While) and not node.restart:
            moved, body = _split(node.body, sure=_runs(node))
            nodes += [*moved, replace(node, body=body)]
        else:
            nodes.append(node)
    return replace(block, nodes=nodes)


def _runs(node: For | While) -> bool:
    return (
        isinstance(node, For)
        and isinstance(node.trip, Const)
        and isinstance(node.trip.value, int)
        and node.trip.value > 0
    )


def _split(body: Block, sure: bool) -> tuple[list[Node], Block]:
    inside: set[Value] = set(body.params)
    sizes: set[str] = set()
    moved: list[Node] = []
    stay: list[Node] = []
    for node in body.nodes:
        free = not any(v in inside for v in reads_of(node)) and sizes.isdisjoint(symbols_read(node))
        if free and _movable(node, sure):
            moved.append(node)
        else:
            stay.append(node)
            inside.update(outs_of(node))
            sizes.update(symbol_made(node))
    return moved, replace(body, nodes=stay)


def _movable(node: Node, sure: bool) -> bool:
    if not isinstance(node, Apply) or not isinstance(node.op, Op):
        return False
    return sure or not (isinstance(node.op.emission, Call) or node.op.name in FAILING)


FAILING = frozenset({"gather", "scatter", "index_add", "index_set"})
"""Operations besides calls that raise at run time: indices out of range."""
