"""Reverse mode on the IR: appending the adjoint of nodes to the block being built."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from jitdiff.ad.branches import pull_if
from jitdiff.ad.loops import pull_loop
from jitdiff.ad.masks import Part
from jitdiff.ad.region import Around, Region
from jitdiff.ad.walk import Cotangents, active_values, walk, wanted_among
from jitdiff.ir import Apply, Atom, Block, If, Node, Value, outs_of
from jitdiff.ir.builder import Builder
from jitdiff.ops import Op, Tracer, lift
from jitdiff.ops.replay import Env, run, value_of
from jitdiff.ops.tracer import builder_now

Seeds = Sequence[tuple[Atom, Any]]


def pull(
    source: Builder,
    start: int,
    seeds: Seeds,
    wrt: Sequence[Value],
    stop: int | None = None,
    constants: Collection[Value] = (),
    masking: bool = True,
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
    masking : bool
        Whether zero cotangents of what was not taken win over infinite slopes; of no use in a linear program.

    Returns
    -------
    list
        A tracer for each of `wrt`, or None where nothing depends on it.
    """
    nodes = source.block.nodes
    stop = len(nodes) if stop is None else stop
    active = active_values(nodes[start:stop], [v for v in wrt if v.type.is_float], constants)
    cotangents = Cotangents(wanted_among(active), set(wrt), masking, nodes[start:stop] if masking else ())
    for atom, g in seeds:
        if isinstance(atom, Value):
            cotangents.add(atom, Tracer(lift(g)))
    _walk_range(source, start, stop, cotangents, active, Around(source))
    return [cotangents.get(v) for v in wrt]


def _walk_range(
    source: Builder, start: int, stop: int, cotangents: Cotangents, active: set[Value], around: Around
) -> None:
    here = builder_now()
    position = stop

    def region(node: Node, cts: Cotangents) -> None:
        assert not isinstance(node, Apply)
        found = Region(source, position, active, around, pull_block)
        if isinstance(node, If):
            pull_if(found, node, cts)
        else:
            pull_loop(found, node, cts)

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


def pull_block(
    block: Block,
    env: Env,
    gs: Sequence[Part],
    wrt: Sequence[Value],
    sums: Sequence[Part],
    around: Around,
) -> list[Part]:
    """Replay a block in the current one and append its adjoint: cotangents of its results to those of `wrt`.

    `env` gives the parameters their values, and has those of all values of the block afterwards; a parameter in `wrt`
    means the value it has there. What each of `wrt` gets is added to its cotangent so far, in `sums`.
    """
    here = builder_now()
    start = len(here.block.nodes)
    run(block.nodes, env)
    stop = len(here.block.nodes)

    def target(value: Value) -> Value | None:
        given = env.get(value, value)
        atom = given.atom if isinstance(given, Tracer) else given
        return atom if isinstance(atom, Value) else None

    targets = [target(v) for v in wrt]
    active = active_values(here.block.nodes[start:stop], [t for t in targets if t is not None and t.type.is_float])
    cotangents = Cotangents(wanted_among(active), {*wrt, *targets}, steps=here.block.nodes[start:stop])
    for result, part in zip(block.results, gs, strict=True):
        value = value_of(result, env)
        if part.g is not None and isinstance(value, Tracer) and isinstance(value.atom, Value):
            cotangents.add(value.atom, *part)
    for t, part in zip(targets, sums, strict=True):
        cotangents.add(t, *part)
    _walk_range(here, start, stop, cotangents, active, around)
    found = [Part(None) if t is None else cotangents.part(t) for t in targets]
    return [have if part.g is None else part for part, have in zip(found, sums, strict=True)]
