"""Computing at compile time what depends on constants only."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import Apply, Atom, Block, Const, Dim
from jitdiff.ops import Op
from jitdiff.ops.emission import Element
from jitdiff.passes.rewrite import Rewriter, rewrite


def fold(block: Block) -> Block:
    """Evaluate scalar operations whose operands are all constants."""

    def visit(rewriter: Rewriter, node: Apply) -> list[Atom] | None:
        op = node.op
        if not isinstance(op, Op) or not isinstance(op.emission, Element) or op.multiple or node.out.shape != ():
            return None
        if not node.args or not all(isinstance(a, Const) and not isinstance(a.value, Dim) for a in node.args):
            return None
        values = [_scalar(a) for a in node.args if isinstance(a, Const)]
        with np.errstate(all="ignore"):
            result = op.evaluate(*values, **node.attrs)
        return [Const.of(np.asarray(result)[()], node.out.type)]

    return rewrite(block, visit)


def _scalar(const: Const) -> Any:
    return const.type.dtype.type(const.value)
