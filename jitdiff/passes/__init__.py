"""Block to Block, same meaning: what runs between differentiation and code generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jitdiff.ir import Block, Node, blocks_of, with_blocks
from jitdiff.passes.cse import cse
from jitdiff.passes.dce import dce
from jitdiff.passes.final import final
from jitdiff.passes.fold import fold
from jitdiff.passes.hoist import hoist
from jitdiff.passes.inline import inline
from jitdiff.passes.promote import promote
from jitdiff.passes.simplify import simplify
from jitdiff.passes.updates import updates

Pass = Callable[[Block], Block]

PIPELINE: tuple[Pass, ...] = (
    *(inline, dce, fold, simplify, fold, cse),
    *(updates, final, promote, updates),
    *(simplify, fold, hoist, cse, updates, dce),
)
"""The passes, in the order in which they run. Each leaves a valid program, and may expect one."""


def optimise(block: Block, dump: Callable[[str, Block], None] | None = None) -> Block:
    """Return the program after the pipeline.

    Parameters
    ----------
    block : Block
        A program.
    dump : callable, optional
        ``dump(name, block)`` is shown the program as traced, and after each pass.
    """
    if dump is not None:
        dump("traced", block)
    for each in PIPELINE:
        block = each(block)
        if dump is not None:
            dump(each.__name__, block)
    return block


def before_adjoint(nodes: Sequence[Node]) -> list[Node]:
    """Return recorded nodes as they are best differentiated: additions inside regions are written as such.

    An addition needs nothing saved. Every value that the nodes make is still made.
    """
    return [with_blocks(n, tuple(map(updates, blocks_of(n)))) for n in nodes]


__all__ = [
    "PIPELINE",
    "before_adjoint",
    "cse",
    "dce",
    "final",
    "fold",
    "hoist",
    "inline",
    "optimise",
    "promote",
    "simplify",
    "updates",
]
