"""Tracing by hand, for tests of the layers below the front end."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff import ad
from jitdiff.ir import ArrayType, Block, Builder, Value, verify
from jitdiff.ir.builder import building, current_builder
from jitdiff.ops import OPS, Tracer, lift

Program = Callable[..., Sequence[Any]]


def trace(fn: Program, *args: Any, names: str = "xyzuvw", name: str = "f") -> Block:
    """Return the verified block that `fn` traces to with arguments like `args`."""
    params = [
        Value(ArrayType(np.asarray(a).dtype, np.shape(a)), n) for a, n in zip(args, names[: len(args)], strict=True)
    ]
    builder = Builder(params, name=name)
    with building(builder):
        return verify(builder.finish([lift(r) for r in fn(*map(Tracer, params))]))


def gradient_of(fn: Program) -> Program:
    """Return the function that gives the gradients of the first result of `fn` (a scalar) by all arguments."""

    def gradients(*xs: Any) -> list[Any]:
        builder = current_builder()
        fresh = [OPS["identity"](x) for x in xs]
        start = len(builder.block.nodes)
        y = lift(fn(*fresh)[0])
        found = ad.pull(builder, start, [(y, 1.0)], [x.atom for x in fresh])
        return [np.zeros(x.shape) if g is None else g for x, g in zip(xs, found, strict=True)]

    return gradients


def run(fn: Program, *args: Any) -> list[Any]:
    """Trace `fn` and evaluate the program with NumPy."""
    block = trace(fn, *args)
    return ad.evaluate(block, [*args, *block.captured])


def tangents_of(fn: Program, n: int) -> Program:
    """Return the function of n primals and n tangents that gives the tangents of the results of `fn`."""

    def tangents(*args: Any) -> list[Any]:
        block_args = [np.zeros(a.shape) for a in args[:n]]
        block = trace(fn, *block_args)
        _, dots = ad.push(block, [*args[:n], *block.captured], [*args[n:], *(None for _ in block.captured)])
        return [0.0 if d is None else d for d in dots]

    return tangents


def numerical(fn: Program, args: Sequence[Any], k: int, h: float = 1e-6) -> np.ndarray:
    """Return central differences of the first result of `fn`, a scalar, by argument k."""
    x = np.asarray(args[k], float)
    grad = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * h
            ends.append(run(fn, *args[:k], moved[()], *args[k + 1 :])[0])
        grad[at] = (ends[0] - ends[1]) / (2 * h)
    return grad
