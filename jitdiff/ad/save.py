"""What the adjoint needs from the forward pass: found by liveness, never declared by a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jitdiff.ad.region import zeros
from jitdiff.ad.reverse import pull
from jitdiff.ir import ArrayType, Block, Builder, Dim, Node, Value, outs_of, reads_of, symbol_made, symbols_read
from jitdiff.ir.builder import building
from jitdiff.ops import OPS, Tracer, lift
from jitdiff.ops.replay import replay


@dataclass(frozen=True, slots=True)
class Split:
    """A program and its adjoint as two programs.

    Attributes
    ----------
    forward : Block
        The program; its results are followed by the residuals.
    adjoint : Block
        Its parameters are the parameters of `forward` at the positions `reads`, the residuals, and one cotangent for
        each floating result; its results are the cotangents of the parameters differentiated by.
    reads : tuple of int
        Positions of the forward parameters that the adjoint reads.
    residuals : int
        How many residuals there are.
    """

    forward: Block
    adjoint: Block
    reads: tuple[int, ...]
    residuals: int


def joint(block: Block, wrt: Sequence[int]) -> Block:
    """Return one program for the results of `block` and its pullback.

    Its parameters are those of `block` and a cotangent for each floating result; its results are those of `block`
    and the cotangents of the parameters at the positions `wrt`.
    """
    params = [Value(p.type, p.name) for p in block.params]
    floats = [k for k, r in enumerate(block.results) if r.type.is_float]
    seeds = [
        Value(ArrayType(block.results[k].type.dtype, block.results[k].type.shape), _seed_name(k, floats))
        for k in floats
    ]
    kept = len(params) - len(block.captured)
    builder = Builder([*params[:kept], *seeds], name=f"{block.name}_vjp")
    for array, param in zip(block.captured, params[kept:], strict=True):
        builder.captures[id(array)] = (array, builder.define(param))
    with building(builder):
        inputs: list[Any] = list(map(Tracer, params))
        for k in wrt:
            inputs[k] = OPS["identity"](inputs[k])
        start = len(builder.block.nodes)
        results = [lift(r) for r in replay(block, inputs)]
        pairs = [(results[k], Tracer(s)) for k, s in zip(floats, seeds, strict=True)]
        found = pull(builder, start, pairs, [inputs[k].atom for k in wrt])
        grads = [zeros(params[k]) if g is None else g for k, g in zip(wrt, found, strict=True)]
        return builder.finish([*results, *map(lift, grads)])


def _seed_name(k: int, floats: Sequence[int]) -> str:
    return "g" if len(floats) == 1 else f"g{k}"


def split(program: Block, results: int, seeds: Sequence[Value]) -> Split:
    """Cut a joint program into forward and adjoint.

    Parameters
    ----------
    program : Block
        As `joint` gives it, after any passes.
    results : int
        How many of its results belong to the forward program.
    seeds : sequence of Value
        The cotangent parameters.

    Notes
    -----
    The forward program keeps what its results depend on. The residuals are the values made there that the adjoint
    reads; everything else the adjoint computes itself from parameters and residuals.
    """
    live = {r for r in program.results[:results] if isinstance(r, Value)}
    forward: list[Node] = []
    backward: list[Node] = []
    for node in reversed(program.nodes):
        if any(o in live for o in outs_of(node)):
            forward.append(node)
            live.update(reads_of(node))
        else:
            backward.append(node)
    forward.reverse()
    backward.reverse()
    made = {o for node in forward for o in outs_of(node)}
    wanted = dict.fromkeys(v for node in backward for v in reads_of(node))
    wanted.update(dict.fromkeys(r for r in program.results[results:] if isinstance(r, Value)))
    residuals = tuple(v for v in wanted if v in made)
    given = {s for v in (*program.params, *residuals) for n in v.shape if isinstance(n, Dim) for s in n.symbols}
    for node in backward:
        if not symbols_read(node) <= given:
            # A size that only the forward program knows and no residual has: the adjoint runs it again.
            backward, residuals, wanted = program.nodes, (), dict.fromkeys(program.params)
            break
        given.update(symbol_made(node))
    inputs = tuple(p for p in program.params if p not in set(seeds))
    reads = tuple(k for k, p in enumerate(inputs) if p in wanted)
    return Split(
        forward=replace(program, params=inputs, nodes=forward, results=(*program.results[:results], *residuals),
                        name=program.name.removesuffix("_vjp")),
        adjoint=Block(
            (*(inputs[k] for k in reads), *residuals, *seeds),
            backward,
            program.results[results:],
            name=program.name.removesuffix("_vjp") + "_adjoint",
        ),
        reads=reads,
        residuals=len(residuals),
    )  # fmt: skip
