"""The two derivatives that all transforms are made of, on flat lists of leaves, in whichever world the call happens.

In a trace the adjoint or tangent nodes are appended to the program being built; otherwise the function runs on Tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff import ad, eager, passes
from jitdiff.ir import ArrayType, Block, Const, type_of
from jitdiff.ir.builder import current_builder
from jitdiff.ops import OPS, Tracer, control, lift
from jitdiff.ops.basis import basis
from jitdiff.ops.shape import broadcast_to
from jitdiff.ops.tracer import builder_now

Flat = Callable[..., Sequence[Any]]
"""A function of leaves that returns leaves."""

Pullback = Callable[[Sequence[Any]], list[Any]]

Rows = Callable[[int], list[Any]]
"""Gives Jacobians by the number of a result, or of a primal: arrays of the shape of the result and then the primal."""


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


def vjp_rows(function: Flat, primals: Sequence[Any]) -> tuple[list[Any], Rows]:
    """Return the results of `function`, and the function that gives the Jacobian of one of them by the primals.

    It takes the number of the result. In a trace it is a loop over the elements of that result.
    """
    if not is_tracing():
        outs, pull = eager.vjp(lambda xs: function(*xs), primals)

        def at_once(k: int) -> list[Any]:
            y = type_of(outs[k])
            found = pull.rows([_units(y) if n == k else None for n in range(len(outs))])
            shapes = [(*y.shape, *type_of(x).shape) for x in primals]
            return [
                _as_returned(np.zeros(shape, type_of(x).dtype) if g is None else np.reshape(g, shape))
                for g, x, shape in zip(found, primals, shapes, strict=True)
            ]

        return outs, at_once
    traced_outs, pullback = _traced_vjp(function, primals)

    def looped(k: int) -> list[Any]:
        y = type_of(traced_outs[k])

        def row(i: Any) -> list[Any]:
            return pullback([_unit(i, y) if n == k else None for n in range(len(traced_outs))])

        if not y.shape:
            return row(0)
        rows = control.fori(y.size, row, [])[1]
        return [np.reshape(g, (*y.shape, *type_of(x).shape)) for g, x in zip(rows, primals, strict=True)]

    return traced_outs, looped


def jvp_columns(function: Flat, primals: Sequence[Any]) -> tuple[list[Any], Rows]:
    """Return the results of `function`, and the function that gives the Jacobian of all of them by one of the primals.

    It takes the number of the primal. In a trace it is a loop over the elements of that primal.
    """
    if not is_tracing():
        return _pushed_at_once(function, primals)
    program = traced_block(function, primals)
    xs = list(map(traced, primals))
    outs = ad.replay(program, xs)

    def looped(k: int) -> list[Any]:
        x = type_of(xs[k])

        def column(i: Any) -> list[Any]:
            # The values are computed again in the loop, from where the passes move them out.
            ys, dots = ad.push(program, xs, [_unit(i, x) if n == k else None for n in range(len(xs))])
            return [zeros_like(y) if d is None else d for y, d in zip(ys, dots, strict=True)]

        if not x.shape:
            return column(0)
        return _columns_last(control.fori(x.size, column, [])[1], outs, x)

    return outs, looped


def _pushed_at_once(function: Flat, primals: Sequence[Any]) -> tuple[list[Any], Rows]:
    outs, pull = eager.vjp(lambda xs: function(*xs), primals)

    def at_once(k: int) -> list[Any]:
        x = type_of(primals[k])
        units = _units(x)
        pieces = []
        for start in range(0, max(len(units), 1), pull.at_once):
            tangents = [units[start : start + pull.at_once] if n == k else None for n in range(len(primals))]
            _, dots = eager.jvp(lambda xs: function(*xs), primals, tangents, rows=True)
            count = len(tangents[k])  # type: ignore[arg-type]
            pieces.append(
                [
                    np.zeros((count, *type_of(y).shape), type_of(y).dtype) if d is None else d
                    for y, d in zip(outs, dots, strict=True)
                ]
            )
        stacked = [np.concatenate(column) for column in zip(*pieces, strict=True)]
        return list(map(_as_returned, _columns_last(stacked, outs, x)))

    return outs, at_once


def _as_returned(x: Any) -> Any:
    """Return an array as results are: in C order, a scalar if it has no dimensions."""
    return np.asarray(x, order="C")[()] if isinstance(x, np.ndarray) else x


def _columns_last(stacked: Sequence[Any], outs: Sequence[Any], x: ArrayType) -> list[Any]:
    """Return Jacobians whose columns are stacked along the first axis in the shape of the results and then of `x`."""
    return [
        np.reshape(np.moveaxis(s, 0, -1), (*type_of(y).shape, *x.shape)) for s, y in zip(stacked, outs, strict=True)
    ]


def _unit(i: Any, type: ArrayType) -> Any:
    """Return the array of a type that is 1 at flat position i and 0 elsewhere."""
    if not type.shape:
        return type.dtype.type(1)
    vector = basis(i, size=type.size, dtype=type.dtype)
    return vector if type.ndim == 1 else OPS["reshape"](vector, shape=type.shape)


def _units(type: ArrayType) -> np.ndarray[Any, Any]:
    """Return all arrays of a type that are 1 at one position and 0 elsewhere, stacked."""
    size: Any = type.size
    shape: Any = type.shape
    return np.eye(size, dtype=type.dtype).reshape(size, *shape)


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
    nodes = passes.before_adjoint(here.block.nodes[start:])
    here.replace(start, nodes)
    stop = start + len(nodes)

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
