"""Dead code: what no result depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jitdiff.ir import (
    Apply,
    Atom,
    Block,
    Const,
    Dim,
    For,
    If,
    Node,
    Value,
    While,
    args_of,
    blocks_of,
    free_values,
    symbol_made,
    symbols_read,
)


def dce(block: Block) -> Block:
    """Drop operations, results of branches, carries and stacked values that nothing reads."""
    return _block(block, [True] * len(block.results))


def _block(block: Block, keep: Sequence[bool]) -> Block:
    """Return `block` with the results in `keep` only, and what they need."""
    results = tuple(r for r, k in zip(block.results, keep, strict=True) if k)
    live = {r for r in results if isinstance(r, Value)}
    sizes = _symbols_of(results)
    kept: list[Node] = []
    for node in reversed(block.nodes):
        thinner = _node(node, live, not sizes.isdisjoint(symbol_made(node)))
        if thinner is not None:
            kept.append(thinner)
            live.update(a for a in args_of(thinner) if isinstance(a, Value))
            live.update(free_values(*blocks_of(thinner)))
            sizes.update(symbols_read(thinner))
    return replace(block, nodes=kept[::-1], results=results)


def _symbols_of(atoms: Sequence[Atom]) -> set[str]:
    return {name for a in atoms if isinstance(a, Const) and isinstance(a.value, Dim) for name in a.value.symbols}


def _node(node: Node, live: set[Value], sized: bool) -> Node | None:
    match node:
        case Apply(outs=outs):
            return node if any(o in live for o in outs) else None
        case If(then=then, orelse=orelse, outs=outs):
            keep = [o in live for o in outs]
            if not any(keep):
                return None
            return replace(node, then=_block(then, keep), orelse=_block(orelse, keep), outs=_of(outs, keep))
        case For():
            return _loop(node, live, sized)
        case While():
            return _loop(node, live, sized)


def _of(values: Sequence[Value], keep: Sequence[bool]) -> tuple[Value, ...]:
    return tuple(v for v, k in zip(values, keep, strict=True) if k)


def _loop(node: For | While, live: set[Value], sized: bool) -> Node | None:
    """Keep the carries that are read after the loop, or that a kept value of the next iteration depends on.

    A loop whose trips are the size (`sized`) of something alive stays too.
    """
    n = len(node.outs)
    stacks = [s in live for s in node.stacked]
    count = isinstance(node, While) and node.count is not None and (node.count in live or any(stacks) or sized)
    carries = [o in live for o in node.outs]
    if not any(carries) and not any(stacks) and not count and not sized:
        return None
    params = node.body.params[-n:] if n else ()
    if isinstance(node, While):
        tested = set(free_values(replace(node.cond, params=())))
        carries = [c or p in tested for c, p in zip(carries, node.cond.params, strict=True)]
    while True:
        body = _block(node.body, [*carries, *stacks])
        read = set(free_values(replace(body, params=())))
        more = [c or p in read for c, p in zip(carries, params, strict=True)]
        if more == carries:
            break
        carries = more
    lead = node.body.params[: len(node.body.params) - n]
    body = replace(body, params=(*lead, *_of(params, carries)))
    init: tuple[Atom, ...] = tuple(a for a, c in zip(node.init, carries, strict=True) if c)
    outs, stacked = _of(node.outs, carries), _of(node.stacked, stacks)
    size = node.size if sized or stacked else None
    if isinstance(node, For):
        return replace(node, init=init, body=body, outs=outs, stacked=stacked, size=size)
    cond = replace(_block(node.cond, [True]), params=_of(node.cond.params, carries))
    made = node.count if count else None
    return replace(node, cond=cond, body=body, init=init, outs=outs, stacked=stacked, count=made, size=size)
