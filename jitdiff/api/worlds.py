"""The two derivatives that all transforms are made of, on flat lists of leaves, in whichever world the call happens.

In a trace the adjoint or tangent nodes are appended to the program being built; otherwise the function runs on Tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff import ad, eager
from jitdiff.ir import ArrayType, Block, Const, type_of
from jitdiff.ir.builder import current_builder
from jitdiff.ops import OPS, Tracer, control, lift
from jitdiff.ops.shape import broadcast_to
from jitdiff.ops.tracer import builder_now

Flat = Callable[..., Sequence[Any]]
"""A function of leaves that returns leaves."""

Pullback = Callable[[Sequence[Any]], list[Any]]


def is_tracing() -> bool:
    """Say whether this thread is tracing, so that transforms append to the program being built."""
    return current_builder() is not None


def vjp(function: Flat, primals: Sequence[Any]) -> tuple[list[Any], Pullback]:
    """Return the results of `function`, and the function from their cotangents to those of `primals`.

    The primals are floating. A cotangent of a result may be None, meaning zero.
    """
    if is_tracing():
        return _traced_vjp(function, primals)
    outs, pull = eager.vjp(lambda xs: function(*xs), primals)
    return outs, lambda cotangents: [
        zeros_like(x) if g is None else g for x, g in zip(primals, pull(cotangents), strict=True)
    ]


def jvp(function: Flat, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the results of `function` and their tangents; a tangent that is None is zero."""
    if is_tracing():
        program = traced_block(function, primals)
        outs, dots = ad.push(program, list(map(traced, primals)), tangents)
    else:
        outs, dots = eager.jvp(lambda xs: function(*xs), primals, tangents)
    return outs, [zeros_like(y) if d is None else d for y, d in zip(outs, dots, strict=True)]


def traced_block(function: Flat, primals: Sequence[Any]) -> Block:
    """Return the program of `function` inside the one being built, with a parameter for each primal."""
    return control.block_of(function, [traced(x).type for x in primals])


def traced(x: Any) -> Tracer:
    """Return what stands for a leaf in the program being built."""
    return Tracer(lift(x))


def _traced_vjp(function: Flat, primals: Sequence[Any]) -> tuple[list[Any], Pullback]:
    here = builder_now()
    # Each primal gets a value of its own, so that what the function reads from around it stays constant.
    inputs = [OPS["identity"](traced(x)) for x in primals]
    wrt = [x.atom for x in inputs]
    start = len(here.block.nodes)
    outs = [traced(y) for y in function(*inputs)]
    stop = len(here.block.nodes)

    def pullback(cotangents: Sequence[Any]) -> list[Any]:
        seeds = [(y.atom, g) for y, g in zip(outs, cotangents, strict=True) if g is not None]
        found = ad.pull(here, start, seeds, wrt, stop)
        return [zeros_like(x) if g is None else g for x, g in zip(primals, found, strict=True)]

    return list(outs), pullback


def zeros_like(x: Any) -> Any:
    """Return zeros of the type of `x`, as part of the program being built if there is one."""
    type = type_of(x)
    if not is_tracing():
        return np.zeros(type.shape, type.dtype) if type.shape else type.dtype.type(0)
    zero = Tracer(Const.of(0, ArrayType(type.dtype)))
    return broadcast_to(zero, shape=type.shape) if type.shape else zero
