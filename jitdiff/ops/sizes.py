"""What symbolic sizes must satisfy for a program to be right: no size below zero, no slice beyond its array."""

from __future__ import annotations

from collections.abc import Iterator

from jitdiff.ir import Apply, Block, Dim, blocks_of, outs_of
from jitdiff.ops.slices import conditions


def size_conditions(block: Block) -> frozenset[Dim]:
    """Return the symbolic sizes that must be at least zero when the program runs, those aside that always are.

    Sizes that loops inside make are among them.
    """
    return frozenset(
        c for c in _sizes_and_ends(block) if isinstance(c, Dim) and any(factor < 0 for _, factor in c.terms)
    )


def _sizes_and_ends(block: Block) -> Iterator[int | Dim]:
    for node in block.nodes:
        for out in outs_of(node):
            yield from out.shape
        if isinstance(node, Apply):
            taken = node.attrs.get("ranges", node.attrs.get("selection"))
            if taken:
                whole = node.out if "shape" in node.attrs else node.args[0]
                yield from conditions(taken, whole.shape)
        for inner in blocks_of(node):
            yield from _sizes_and_ends(inner)
