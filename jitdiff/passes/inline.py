"""Replacing operations that wrap a user's function by what the function does."""

from __future__ import annotations

from jitdiff.ir import Apply, Atom, Block
from jitdiff.ops import Op, lift
from jitdiff.ops.replay import value_of
from jitdiff.passes.rewrite import Rewriter, rewrite


def inline(block: Block) -> Block:
    """Replace each operation that has an `inline` function (custom rules) by the operations of that function."""

    def visit(rewriter: Rewriter, node: Apply) -> list[Atom] | None:
        op = node.op
        if not isinstance(op, Op) or op.inline is None:
            return None
        results = op.inline(*(value_of(a, {}) for a in node.args), **node.attrs)
        return [lift(r) for r in (results if op.multiple else (results,))]

    return rewrite(block, visit)
