"""Common subexpressions: an operation done before on the same operands is not done again."""

from __future__ import annotations

from collections.abc import Hashable

from jitdiff.ir import Apply, Atom, Block, Builder, Const
from jitdiff.passes.rewrite import Rewriter, rewrite


def cse(block: Block, parent: Builder | None = None) -> Block:
    """Reuse the results of equal operations, also of those that stand before and around a branch or loop.

    `parent` is the builder around, for a block inside a program under construction.
    """
    seen: dict[Hashable, Apply] = {}

    def visit(rewriter: Rewriter, node: Apply) -> list[Atom] | None:
        key = (node.op, tuple(map(_key, node.args)), tuple(sorted(node.attrs.items(), key=lambda kv: kv[0])))
        try:
            earlier = seen.get(key)
        except TypeError:
            return None
        if earlier is not None and all(rewriter.builder.sees(out) for out in earlier.outs):
            return list(earlier.outs)
        seen[key] = node
        return None

    return rewrite(block, visit, parent)


def _key(atom: Atom) -> Hashable:
    return atom.key if isinstance(atom, Const) else atom
