"""The adjoint of a loop: a loop over the iterations backwards, each of which replays one and walks it.

What an iteration needs of the forward pass is saved there, each value stacked along a new axis. Which values those are
is the cheapest choice (`residuals`): the carries that the iteration started from, or what is computed from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jitdiff.ad.masks import Part, mask_of
from jitdiff.ad.region import Piece, Region, fixed, telling, zeros
from jitdiff.ad.residuals import trips_of
from jitdiff.ad.walk import Cotangents, active_values
from jitdiff.ir import Apply, Atom, Block, Builder, Dim, For, Value, While, free_values
from jitdiff.ir.builder import building
from jitdiff.ops import Tracer, control, lift
from jitdiff.ops.gather import gather
from jitdiff.ops.replay import Env, value_of
from jitdiff.ops.table import Level
from jitdiff.ops.tracer import builder_now
from jitdiff.passes import dce


def pull_loop(region: Region, node: For | While, cotangents: Cotangents) -> None:
    """Append the adjoint of a loop, and let the loop save what it needs."""
    gs = fixed([cotangents.take_part(out) for out in node.outs])
    hs = fixed([cotangents.take_part(s) for s in node.stacked])
    free = [v for v in free_values(node.body) if v in region.active]
    if all(part.g is None for part in (*gs, *hs)):
        return
    moving = _active_carries(node, region.active)
    before = [part for part, m in zip(gs, moving, strict=True) if m] + fixed([cotangents.part(v) for v in free])
    wrt = [*(p for p, m in zip(_carries(node), moving, strict=True) if m), *free]
    tells = telling(wrt, before, [*gs, *hs], len(free))
    back = _Backwards(region, node, free, moving, hs, before, tells)
    piece = region.piece(back.block, back.ends, hs, [back.index], back.carries, _number(region, node), node.restart)
    node, saved = _saving(region, node, back, piece)
    trip = node.trip if isinstance(node, For) else _count(node)
    body = _reading(piece, back, trip, saved)
    given = [zeros(v) if part.g is None else part.g for v, part in zip(wrt, before, strict=True)]
    marks = [part.mark(v.shape) for v, part, t in zip(wrt, before, tells, strict=True) if t]
    init = tuple(map(lift, [*given, *marks]))
    outs = tuple(Value(a.type) for a in init)
    here = builder_now()
    here.append(For(trip, init, body, outs, (), here.loc, restart=node.restart))
    told = iter(outs[len(wrt) :])
    masks = [mask_of(Tracer(next(told))) if t else None for t in tells]
    parts = [(Tracer(g), m if c else None) for g, m, c in zip(outs, masks, back.chosen, strict=False)]
    started = [a for a, m in zip(node.init, moving, strict=True) if m]
    for v, part in zip(free, parts[len(started) :], strict=True):
        cotangents.put(v, *part)
    for atom, part in zip(started, parts, strict=False):
        cotangents.add(atom, *part)


class _Backwards:
    """One iteration replayed and walked, as a block of its own.

    Its parameters are the index of the iteration, the carries that it starts from, the cotangents of the carries that
    it ends with, and the cotangents so far of what the body reads from around; its results are those cotangents before
    the iteration. It tells which elements count of the cotangents that `tells` says, which have one more
    parameter and result.

    Attributes
    ----------
    block : Block
        The block.
    index, carries, state : Value or list of Value
        Its parameters.
    ends : list of Atom
        What the results of the loop's body are in the block.
    chosen : list of bool
        Which of the cotangents may have elements that do not count.
    """

    def __init__(
        self,
        region: Region,
        node: For | While,
        free: Sequence[Value],
        moving: Sequence[bool],
        hs: Sequence[Part],
        before: Sequence[Part],
        tells: Sequence[bool],
    ) -> None:
        here, around = builder_now(), region.around
        carries = _carries(node)
        wrt = [*(p for p, m in zip(carries, moving, strict=True) if m), *free]
        self.index = Value(node.body.params[0].type if isinstance(node, For) else control.INDEX)
        self.carries = [Value(p.type, p.name) for p in carries]
        self.state = [Value(v.type.with_dtype(v.dtype)) for v in wrt]
        self.state += [Value(v.type.with_dtype(bool)) for v, t in zip(wrt, tells, strict=True) if t]
        builder = Builder((self.index, *self.carries, *self.state), parent=here)
        builder.loc = here.loc
        env: Env = dict(zip(carries, map(Tracer, self.carries), strict=True))
        if isinstance(node, For):
            env[node.body.params[0]] = Tracer(self.index)
            around = around.within(self.index, node.trip)
        around = around.carrying(self.carries, node.body)
        with building(builder):
            state = iter(map(Tracer, self.state))
            gs = [next(state) for _ in wrt]
            levels = [Level.CHOICE] * sum(moving)
            levels += [Level.NOTHING if part.nothing_counts else Level.CHOICE for part in before[sum(moving) :]]
            masks = [mask_of(next(state), level) if t else None for level, t in zip(levels, tells, strict=True)]
            parts = list(map(Part, gs, masks))
            following = iter(parts)
            results = [next(following) if m else Part(None) for m in moving]
            sums = [*[Part(None)] * sum(moving), *following]
            results += [_row(h, Tracer(self.index)) for h in hs]
            found = region.pull_block(node.body, env, results, wrt, sums, around)
            new = [zeros(v) if part.g is None else part.g for v, part in zip(wrt, found, strict=True)]
            self.chosen = [part.is_chosen for part in found]
            # Of what is not told in the end the mark is not read.
            marks = [part if c else Part(part.g) for part, c in zip(found, self.chosen, strict=True)]
            new += [part.mark(v.shape) for v, part, t in zip(wrt, marks, tells, strict=True) if t]
            self.ends = [lift(value_of(r, env)) for r in node.body.results]
            self.block = builder.finish(list(map(lift, new)))


def _row(part: Part, index: Any) -> Part:
    """Return the cotangent of an iteration's row, and what of it counts."""
    if part.g is None or part.mask is None:
        return Part(None if part.g is None else part.g[index])
    return Part(part.g[index], mask_of(part.mask.taken()[index]))


def _saving(
    region: Region, node: For | While, back: _Backwards, piece: Piece
) -> tuple[For | While, dict[Value, Value]]:
    """Let a loop of the forward pass stack what is to be saved.

    Returns
    -------
    tuple
        The loop, and the stacked value that holds each saved one.
    """
    stacks = dict(zip(piece.ends[len(node.outs) :], node.stacked, strict=True))
    saved = {v: stacks[v] for v in piece.saved if v in stacks}
    missing = [v for v in piece.saved if v not in saved]
    source = region.source
    if isinstance(node, While) and node.count is None:
        node = replace(node, count=Value(control.INDEX))
    if not missing:
        region.change(node)
        return node, saved
    index = Value(back.index.type)
    carries = [Value(p.type, p.name) for p in _carries(node)]
    builder = Builder((index, *carries) if isinstance(node, For) else carries, parent=source)
    builder.loc = node.loc
    env: Env = dict(zip([back.index, *back.carries], map(Tracer, (index, *carries)), strict=True))
    more: dict[str, Any] = {}
    if isinstance(node, For):
        rows = node.stacked[0].shape[0] if node.stacked else _rows(region, node.trip)
        more["size"] = control.own_size(source, node.trip, rows)
    else:
        rows = more["size"] = source.root.size_of(_count(node), "trips")
    new = [Value(v.type.with_shape((rows, *v.shape)), v.name) for v in missing]
    with building(builder):
        body = dce(builder.finish(piece.forward(builder, env, [*piece.ends, *missing])))
    changed = replace(node, body=body, stacked=(*node.stacked, *new), **more)
    region.change(changed)
    return changed, saved | dict(zip(missing, new, strict=True))


def _rows(region: Region, trip: Atom) -> int | Dim:
    """Return the leading size of what a loop saves: its trips.

    Where these depend on a loop around, it is a bound known outside, so that the loop around can save what this one
    does; rows stay unused.
    """
    bound = region.around.bound(trip, region.source) if isinstance(trip, Value) and region.around.loops else None
    return control.trips_of(region.source, trip) if bound is None else bound


def _number(region: Region, node: For | While) -> int:
    """Return how many trips a loop makes at most, as far as that is known."""
    rows = _rows(region, node.trip) if isinstance(node, For) else None
    return max(rows, 1) if isinstance(rows, int) else trips_of(node)


def _reading(piece: Piece, back: _Backwards, trip: Atom, saved: dict[Value, Value]) -> Block:
    """Return the body of the adjoint loop, which reads what is saved, the last row first."""
    here = builder_now()
    k = Value(control.INDEX)
    builder = Builder((k,), parent=here)
    builder.loc = here.loc
    with building(builder):
        _name(value_of(trip, {}) - 1 - Tracer(k), back.index)
        for value, stack in saved.items():
            row = gather(Tracer(stack), Tracer(back.index), selection=(0, *((0, 1, n) for n in value.shape)))
            _name(row, value)
    return piece.adjoint((k, *back.state), builder.block.nodes)


def _name(made: Tracer, value: Value) -> None:
    """Let the last node, which made `made`, make `value` instead."""
    builder = builder_now()
    node = builder.block.nodes[-1]
    assert isinstance(node, Apply)
    assert node.outs == (made.atom,)
    builder.block.nodes[-1] = replace(node, outs=(value,))
    builder.define(value)


def _carries(node: For | While) -> tuple[Value, ...]:
    return node.body.params[-len(node.outs) :] if node.outs else ()


def _count(node: While) -> Value:
    assert node.count is not None
    return node.count


def _active_carries(node: For | While, active: set[Value]) -> list[bool]:
    """Return for each carry whether a derivative can flow through it, by iterating to the fixed point."""
    body = node.body
    params = _carries(node)
    moving = [isinstance(a, Value) and a in active for a in node.init]
    while True:
        inside = active_values(body.nodes, [*(p for p, m in zip(params, moving, strict=True) if m), *active])
        now = [m or r in inside for m, r in zip(moving, body.results[: len(params)], strict=True)]
        if now == moving:
            return moving
        moving = now
