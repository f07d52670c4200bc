"""Small arrays in loops, kept as one local scalar for each element.

Machine code keeps scalars in registers, so a state of a few numbers never goes through memory. Every index into such
an array must be a number in the text; where one turns out not to be, that array stays in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from jitdiff.codegen.elements import emission_of, site_of
from jitdiff.codegen.program import blocks_within
from jitdiff.ir import Apply, Block, For, If, Shape, Value, While, blocks_of, outs_of
from jitdiff.ops.emission import Call, Element, Index, Writes

_ELEMENTS = 16
"""Largest array that is kept in scalars."""

_POINTS = 64
"""Most points that the loops of an op written out in full may have."""

_TINY = 4
"""Arrays that are longer in text as loops in memory than as scalars."""

_BUDGET = 1500
"""Most scalars for a whole program, so that its text stays short."""

_LARGER = 200
"""Most scalars for arrays above the tiny ones: Numba takes about 10 ms for each line, and loops over them are fast."""


def candidates(block: Block) -> frozenset[Value]:
    """Return the small arrays that loops carry or compute, the tiny ones alone if there are too many."""
    sizes = {v: prod(map(int, v.shape)) for v in _candidates(block)}
    if sum(n for n in sizes.values() if n > _TINY) > _LARGER:
        sizes = {v: n for v, n in sizes.items() if n <= _TINY}
    return _consistent(frozenset(sizes), block) if sum(sizes.values()) <= _BUDGET else frozenset()


def _candidates(block: Block) -> set[Value]:
    found: set[Value] = set()
    for node in block.nodes:
        if isinstance(node, For | While):
            found.update(filter(_is_small, node.outs))
        for inner in blocks_of(node):
            found |= _inside(inner) if isinstance(node, For | While) else _candidates(inner)
    return found


def _inside(block: Block) -> set[Value]:
    found = {p for p in block.params if _is_small(p)}
    for node in block.nodes:
        match node:
            case Apply():
                if _can_be(node):
                    found.add(node.outs[0])
            case If() | For() | While():
                found.update(v for v in node.outs if _is_small(v))
                for inner in blocks_of(node):
                    found |= _inside(inner)
    return found


def _is_small(value: Value) -> bool:
    return bool(value.shape) and is_fixed(value.shape) and 0 < prod(map(int, value.shape)) <= _ELEMENTS


def is_fixed(shape: Shape) -> bool:
    """Tell whether all sizes are numbers."""
    return all(isinstance(n, int) for n in shape)


def _can_be(node: Apply) -> bool:
    emission = emission_of(node)
    small = _is_small(node.outs[0])
    if isinstance(emission, Call) or not isinstance(emission, Writes):
        return small and not isinstance(emission, Call)
    if not (small or node.outs[0].shape == ()):
        return False
    moving: list[int] = []

    def read(operand: int, index: Index) -> str:
        moving.append(operand)
        return "0"

    _, writes = emission.plan(site_of(node))
    if not all(is_fixed(w.space) for w in writes) or sum(prod(map(int, w.space)) for w in writes) > _POINTS:
        return False
    for write in writes:
        write.target((0,) * len(write.space), read)
    return not moving


def is_short(shape: Shape) -> bool:
    """Tell whether a loop over a shape may be written out."""
    return is_fixed(shape) and prod(map(int, shape)) <= _POINTS


def without(spread: frozenset[Value], value: Value, block: Block) -> frozenset[Value]:
    """Return `spread` without a value and those that stand or fall with it."""
    return _consistent(spread - {value}, block)


def _consistent(spread: frozenset[Value], block: Block) -> frozenset[Value]:
    groups = list(_tied(block))
    totals = [
        (n.out, n.args) for b in blocks_within(block) for n in b.nodes if isinstance(n, Apply) and not n.out.shape
    ]
    tied = set().union(*groups)
    # A change of layout of what is in memory is an index into that.
    moved = [
        n
        for b in blocks_within(block)
        for n in b.nodes
        if isinstance(n, Apply)
        and n.out.shape
        and n.out not in tied
        and isinstance(e := emission_of(n), Element)
        and e.moves
    ]
    while True:
        lost: set[Value] = {n.out for n in moved if n.out in spread and spread.isdisjoint(n.args)}
        lost.update(*(g for g in groups if not g <= spread and g & spread))
        # A total is written out only over scalars.
        lost.update(out for out, args in totals if out in spread and spread.isdisjoint(args))
        if not lost:
            return spread
        spread -= lost


def _tied(block: Block) -> Iterator[set[Value]]:
    """Yield the values that are kept in one way together: a carry before, in and after its loop, a choice and its arms.

    What moves between memory and scalars at each iteration would gain nothing.
    """
    for node in block.nodes:
        match node:
            case For(body=body, outs=outs):
                yield from _carries(body, outs, body.params[1:])
            case While(cond=cond, body=body, outs=outs):
                yield from _carries(body, outs, body.params)
                yield from map(set, zip(outs, cond.params, strict=True))
            case If(then=then, orelse=orelse, outs=outs):
                for k, out in enumerate(outs):
                    if out.shape:
                        yield {out, *_made(then, k), *_made(orelse, k)}
            case _:
                pass
        for inner in blocks_of(node):
            yield from _tied(inner)


def _carries(body: Block, outs: tuple[Value, ...], params: tuple[Value, ...]) -> Iterator[set[Value]]:
    for k, (out, param) in enumerate(zip(outs, params, strict=True)):
        if out.shape:
            yield {out, param, *_made(body, k)}


def _made(block: Block, k: int) -> set[Value]:
    """Return result number `k` of a block, if it is made there."""
    result = block.results[k]
    return {v for node in block.nodes for v in outs_of(node) if v is result}
