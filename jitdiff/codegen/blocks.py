"""The text of a block: places for its values, then its groups one after the other."""

from __future__ import annotations

from collections.abc import Mapping

from jitdiff.codegen.elements import emission_of, site_of
from jitdiff.codegen.items import Group, Plan, Region, Root, Slot, Whole
from jitdiff.codegen.nest import emit_nest
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.regions import emit_region
from jitdiff.codegen.storage import view_text
from jitdiff.codegen.text import Stmt, normal
from jitdiff.ir import Apply, For, Value, While, outs_of
from jitdiff.ops.emission import Call


def emit_block(program: Program, plan: Plan, slots: Mapping[Slot, Place], scope: tuple[Stmt, ...]) -> list[Stmt]:
    """Return the statements of a block.

    Parameters
    ----------
    program : Program
        The program; the parameters of the block have their places in it.
    plan : Plan
        Plan of the block.
    slots : mapping
        Where the results that are arrays go.
    scope : tuple of Stmt
        Compound statements around the block, outermost first.
    """
    places = dict(slots)
    _place_values(program, plan, places, scope)
    stmts: list[Stmt] = []
    for group in plan.groups:
        match group.items[0]:
            case Root():
                stmts += _nest(program, plan, group, places)
            case Whole(node=node):
                stmts.append(_call(program, node))
            case Region(node=node):
                stmts += emit_region(program, node, scope, emit_block)
    return stmts


def _place_values(program: Program, plan: Plan, places: dict[Slot, Place], scope: tuple[Stmt, ...]) -> None:
    claimed = {plan.home(value): places[slot] for slot, value in plan.claims.items()}
    for order, node in enumerate(plan.block.nodes):
        for value in outs_of(node):
            if value not in program.stored or (isinstance(node, While) and value in node.stacked):
                continue
            home = plan.home(value)
            if home not in program.places:
                if not home.shape:
                    program.places[home] = program.scalar(home)
                elif home in program.spread:
                    program.places[home] = program.scalars(home)
                else:
                    program.places[home] = claimed.get(home) or program.buffer(home.name, home.type, scope)
            program.places[value] = program.places[home]
        if isinstance(node, For | While):
            for k, out in enumerate(node.outs):
                places["init", order, k] = program.places[out]


def _nest(program: Program, plan: Plan, group: Group, places: Mapping[Slot, Place]) -> list[Stmt]:
    def place_of(root: Root) -> Place:
        if root.slot is not None:
            return places[root.slot]
        assert isinstance(root.value, Value)
        return program.places[root.value]

    written = {root.value for root in group.roots if root.slot is None}
    overwritten = frozenset(plan.occupies[v] for v in written if isinstance(v, Value) and v in plan.occupies)
    return emit_nest(program, group, place_of, overwritten)


def _call(program: Program, node: Apply) -> Stmt:
    emission = emission_of(node)
    assert isinstance(emission, Call)
    args = [view_text(program, a) for a in node.args]
    out = program.places[node.out].whole
    if callable(emission.statement):
        text = emission.statement(args, out, site_of(node))
    else:
        text = emission.statement.format(*args, out=out, **node.attrs)
    return Stmt(normal(text), node.loc)
