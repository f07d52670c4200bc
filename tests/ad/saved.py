"""What the forward pass of a gradient saves."""

from typing import Any

import numpy as np

from jitdiff import passes
from jitdiff.ir import Block, For, While
from tests.tracing import Program, gradient_of, trace


def program_of(fn: Program, *args: Any) -> Block:
    """Return the program of the gradient of `fn` after the passes."""
    return passes.optimise(trace(gradient_of(fn), *args))


def saved(fn: Program, *args: Any) -> list[tuple[Any, ...]]:
    """Return the shapes of what loops save outside of other loops, the largest first."""
    block = program_of(fn, *args)
    stacks = [s for node in block.nodes if isinstance(node, For | While) for s in node.stacked]
    return sorted((s.shape for s in stacks), key=lambda shape: -len(shape))


def workspace(fn: Program, *args: Any) -> int:
    """Return the bytes of workspace of the gradient."""
    from jitdiff import codegen

    return codegen.emit(program_of(fn, *map(np.asarray, args)), "gradient").workspace
