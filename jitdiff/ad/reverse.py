"""Reverse mode on the IR: appending the adjoint of nodes to the block being built."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from jitdiff.ad.walk import Cotangents, active_values, walk, wanted_among
from jitdiff.ir import Apply, ArrayType, Atom, Block, Const, For, If, Node, Value, While, free_values, outs_of
from jitdiff.ir.builder import Builder
from jitdiff.ops import Op, Tracer, control, lift
from jitdiff.ops.replay import Env, run, value_of
from jitdiff.ops.shape import broadcast_to
from jitdiff.ops.tracer import builder_now

Seeds = Sequence[tuple[Atom, Any]]


def pull(
    source: Builder,
    start: int,
    seeds: Seeds,
    wrt: Sequence[Value],
    stop: int | None = None,
    constants: Collection[Value] = (),
) -> list[Any | None]:
    """Append to the current block the adjoint of the nodes that `source` recorded since `start`.

    Parameters
    ----------
    source : Builder
        The builder that recorded the nodes: the current one, or one around it.
    start, stop : int
        Range of its nodes to differentiate.
    seeds : sequence of (Atom, tracer or array)
        Results and their cotangents.
    wrt : sequence of Value
        What to differentiate by.
    constants : collection of Value
        Results of nodes that nothing is differentiated through.

    Returns
    -------
    list
        A tracer for each of `wrt`, or None where nothing depends on it.
    """
    nodes = source.block.nodes
    stop = len(nodes) if stop is None else stop
    active = active_values(nodes[start:stop], [v for v in wrt if v.type.is_float], constants)
    cotangents = Cotangents(wanted_among(active), set(wrt))
    for atom, g in seeds:
        if isinstance(atom, Value):
            cotangents.add(atom, Tracer(lift(g)))
    _walk_range(source, start, stop, cotangents, active)
    return [cotangents.get(v) for v in wrt]


def _walk_range(source: Builder, start: int, stop: int, cotangents: Cotangents, active: set[Value]) -> None:
    here = builder_now()
    position = stop

    def region(node: Node, cts: Cotangents) -> None:
        assert not isinstance(node, Apply)
        if isinstance(node, If):
            _pull_if(node, cts, active)
        else:
            _pull_loop(source, position, node, cts, active)

    for position in range(stop - 1, start - 1, -1):
        node = source.block.nodes[position]
        if not any(v in active for v in outs_of(node)):
            continue
        with here.at(node.loc):
            walk((node,), cotangents, _read, region)


def _read(node: Apply) -> tuple[list[Any], Any]:
    """Return the operands and results of a node as the rule sees them: tracers, and scalars for constants."""
    outs = tuple(map(Tracer, node.outs))
    assert isinstance(node.op, Op)
    return [value_of(a, {}) for a in node.args], outs if node.op.multiple else outs[0]


def zeros(value: Value) -> Any:
    """Return a cotangent of zeros for `value`."""
    zero = Tracer(Const.of(0, ArrayType(value.type.dtype)))
    return broadcast_to(zero, shape=value.shape) if value.shape else zero


def _pull_if(node: If, cotangents: Cotangents, active: set[Value]) -> None:
    gs = [cotangents.take(out)[0] for out in node.outs]
    free = [v for v in free_values(node.then, node.orelse) if v in active]
    if not free or all(g is None for g in gs):
        return

    def back(branch: Block) -> list[Any]:
        found = _pull_block(branch, {}, gs, free)
        return [zeros(v) if g is None else g for v, g in zip(free, found, strict=True)]

    grads = control.cond(value_of(node.pred, {}), lambda: back(node.then), lambda: back(node.orelse))
    for v, g in zip(free, grads, strict=True):
        cotangents.add(v, g)


def _pull_block(block: Block, env: Env, gs: Sequence[Any | None], wrt: Sequence[Value]) -> list[Any | None]:
    """Replay a block in the current one and append its adjoint: cotangents of its results to those of `wrt`.

    `env` gives the parameters their values; a parameter in `wrt` means the value it has there.
    """
    here = builder_now()
    env = dict(env)
    start = len(here.block.nodes)
    run(block.nodes, env)
    stop = len(here.block.nodes)

    def target(value: Value) -> Value | None:
        given = env.get(value, value)
        atom = given.atom if isinstance(given, Tracer) else given
        return atom if isinstance(atom, Value) else None

    targets = [target(v) for v in wrt]
    active = active_values(here.block.nodes[start:stop], [t for t in targets if t is not None and t.type.is_float])
    cotangents = Cotangents(wanted_among(active), set(wrt))
    for result, g in zip(block.results, gs, strict=True):
        value = value_of(result, env)
        if g is not None and isinstance(value, Tracer) and isinstance(value.atom, Value):
            cotangents.add(value.atom, g)
    _walk_range(here, start, stop, cotangents, active)
    return [None if t is None else cotangents.get(t) for t in targets]


def _pull_loop(source: Builder, position: int, node: For | While, cotangents: Cotangents, active: set[Value]) -> None:
    """Adjoint of a loop: a loop over the iterations backwards that replays one and walks it.

    What an iteration starts from is the history of the carries, stacked by the forward loop.
    """
    gs = [cotangents.take(out)[0] for out in node.outs]
    hs = [cotangents.take(s)[0] for s in node.stacked]
    free = [v for v in free_values(node.body) if v in active]
    if all(g is None for g in (*gs, *hs)):
        return
    node = _with_histories(source, position)
    carries = node.body.params[-len(node.outs) :] if node.outs else ()
    history = _histories(node)
    moving = _active_carries(node, active)
    trip: Any = value_of(node.trip, {}) if isinstance(node, For) else Tracer(_count(node))
    seeds = [zeros(p) if g is None else g for p, g, m in zip(carries, gs, moving, strict=True) if m]
    accumulators = [zeros(v) for v in free]

    def back(k: Any, *state: Any) -> list[Any]:
        i = trip - 1 - k
        env: Env = {p: Tracer(h)[i] for p, h in history.items()}
        if isinstance(node, For):
            env[node.body.params[0]] = i if isinstance(i, Tracer) else _index(i)
        following = iter(state[: sum(moving)])
        results = [next(following) if m else None for m in moving]
        results += [None if h is None else h[i] for h in hs]
        results += [None] * (len(node.body.results) - len(results))
        wrt = [*(p for p, m in zip(carries, moving, strict=True) if m), *free]
        found = _pull_block(node.body, env, results, wrt)
        entry = [zeros(v) if g is None else g for v, g in zip(wrt, found, strict=True)]
        split = sum(moving)
        return [*entry[:split], *(a + g for a, g in zip(state[split:], entry[split:], strict=True))]

    final, _ = control.fori(trip, back, [*seeds, *accumulators])
    started = [a for a, m in zip(node.init, moving, strict=True) if m]
    for atom, g in zip([*started, *free], final, strict=True):
        if isinstance(atom, Value):
            cotangents.add(atom, g)


def _index(i: Any) -> Tracer:
    return Tracer(Const.of(i, control.INDEX))


def _count(node: While) -> Value:
    assert node.count is not None
    return node.count


def _active_carries(node: For | While, active: set[Value]) -> list[bool]:
    """Return for each carry whether a derivative can flow through it, by iterating to the fixed point."""
    body = node.body
    params = body.params[-len(node.outs) :] if node.outs else ()
    moving = [isinstance(a, Value) and a in active for a in node.init]
    while True:
        inside = active_values(body.nodes, [*(p for p, m in zip(params, moving, strict=True) if m), *active])
        now = [m or r in inside for m, r in zip(moving, body.results[: len(params)], strict=True)]
        if now == moving:
            return moving
        moving = now


def _histories(node: For | While) -> dict[Value, Value]:
    """Return the stacked value that holds each carry at the start of every iteration."""
    results = node.body.results[len(node.outs) :]
    params = set(node.body.params)
    return {r: s for r, s in zip(results, node.stacked, strict=True) if isinstance(r, Value) and r in params}


def _with_histories(source: Builder, position: int) -> For | While:
    """Let the loop at `position` stack its carries at the start of each iteration; what nobody reads is dead code."""
    node = source.block.nodes[position]
    assert isinstance(node, For | While)
    have = _histories(node)
    missing = [p for p in (node.body.params[-len(node.outs) :] if node.outs else ()) if p not in have]
    size: Any
    if isinstance(node, For):
        size = control.trips_of(source, node.trip)
        more: dict[str, Any] = {}
    else:
        count = node.count or Value(control.INDEX)
        size = source.root.size_of(count, "trips")
        more = {"count": count}
    more["size"] = size
    stacked = tuple(Value(p.type.with_shape((size, *p.shape))) for p in missing)
    body = replace(node.body, results=(*node.body.results, *missing))
    changed = replace(node, body=body, stacked=(*node.stacked, *stacked), **more)
    source.block.nodes[position] = changed
    for value in outs_of(changed):
        source.define(value)
    return changed
