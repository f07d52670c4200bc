"""A compiled function as one differentiable operation, for Tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff import ad
from jitdiff.api import worlds
from jitdiff.frontend import AxisTree, vmap_call
from jitdiff.ir import ArrayType
from jitdiff.ops import Op
from jitdiff.ops.batched import Batched
from jitdiff.ops.families import every_operand


def operation(
    name: str,
    types: Sequence[ArrayType],
    params: Sequence[ArrayType],
    moving: Sequence[int],
    evaluate: Callable[..., tuple[Any, ...]],
    inline: Callable[..., Sequence[Any]],
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> Op:
    """Return an operation that runs native code, and whose pullback does.

    Parameters
    ----------
    name : str
        Name of the function.
    types, params : sequence of ArrayType
        Types of the results and of the operands.
    moving : sequence of int
        Which operands can have a derivative; the others are arrays.
    evaluate : callable
        Native code: the tuple of results.
    inline : callable
        The program, run in whichever world its operands live in.
    compiled : callable
        Compiles a function.
    """
    moving = [k for k in moving if params[k].is_float]
    floats = [k for k, t in enumerate(types) if t.is_float]

    def pulled(xs: tuple[Any, ...], gs: tuple[Any, ...]) -> tuple[Any, ...]:
        def function(*leaves: Any) -> list[Any]:
            operands = list(xs)
            for k, leaf in zip(moving, leaves, strict=True):
                operands[k] = leaf
            return list(inline(*operands))

        _, pullback = worlds.vjp(function, [xs[k] for k in moving])
        cotangents: list[Any] = [None] * len(types)
        for k, g in zip(floats, gs, strict=True):
            cotangents[k] = g
        return tuple(pullback(cotangents))

    pulled.__name__ = f"{name}_vjp"

    def pulled_rows(xs: tuple[Any, ...], gs: tuple[Any, ...]) -> Any:
        return vmap_call(pulled.__name__, pulled, AxisTree("in_axes", (None, 0)), AxisTree("out_axes", 0), (xs, gs), {})

    pulled_rows.__name__ = f"{name}_vjp_rows"
    native_pullback, native_rows = compiled(pulled), compiled(pulled_rows)
    multiple = len(types) > 1

    def vjp(xs: Sequence[Any], y: Any, g: Any) -> list[Any]:
        ys, gs = (y, g) if multiple else ((y,), (g,))
        seeds = tuple(worlds.zeros_like(ys[k]) if gs[k] is None else gs[k] for k in floats)
        rows = next((len(g.value) for g in seeds if isinstance(g, Batched)), None)
        if rows is None:
            cotangents = native_pullback(tuple(xs), seeds)
        else:
            # What does not depend on the cotangents is computed once for all of them.
            full = tuple(g.value if isinstance(g, Batched) else np.broadcast_to(g, (rows, *np.shape(g))) for g in seeds)
            cotangents = map(Batched, native_rows(tuple(xs), full))
        found: list[Any] = [None] * len(params)
        for k, cotangent in zip(moving, cotangents, strict=True):
            found[k] = cotangent
        return found

    return Op(
        name=name,
        evaluate=(lambda *xs: evaluate(xs)) if multiple else (lambda *xs: evaluate(xs)[0]),
        infer=lambda *_: tuple(types),
        vjp=vjp if moving and floats else None,
        guards=every_operand,
        inline=inline if multiple else (lambda *xs: inline(*xs)[0]),
        multiple=multiple,
    )


def inlined(block: Any) -> Callable[..., list[Any]]:
    """Return a function of the operands that runs the program: its parameters, then values for what it captured."""
    return lambda *xs: ad.replay(block, xs)
