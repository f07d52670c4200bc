"""Plans for a block and all blocks inside it, the inner ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jitdiff.codegen.elements import emission_of
from jitdiff.codegen.items import Plan, Slot
from jitdiff.codegen.program import Program
from jitdiff.codegen.schedule import Scheduler
from jitdiff.codegen.storage import must_store
from jitdiff.ir import Apply, Atom, Block, For, If, Value, While, outs_of
from jitdiff.ops.emission import Writes


def plan_block(
    program: Program, block: Block, owned: Sequence[Value | None] = (), goals: Mapping[int, Value] | None = None
) -> Plan:
    """Return the plan of `block`; those of the blocks inside go into ``program.plans``.

    Parameters
    ----------
    program : Program
        The program.
    block : Block
        The block.
    owned : sequence of Value or None
        Values from outside that may be overwritten, and that its first results replace.
    goals : mapping
        Results of a branch that become values of the block around it, by position.
    """
    must_store(program, block)
    in_place: dict[Value, Value | None] = {}
    for node in block.nodes:
        match node:
            case If():
                in_place.update(_plan_branches(program, node, _starts(program, node)))
            case For(body=body) | While(body=body):
                if isinstance(node, While):
                    program.plans[node.cond] = plan_block(program, node.cond)
                plan = program.plans[body] = plan_block(program, body, carries_of(node))
                moved = slots_of(plan)
                in_place |= {
                    out: None for k, out in enumerate(node.outs) if out.shape and ("result", 0, k) not in moved
                }
            case _:
                pass
    while True:
        scheduler = Scheduler(program, block, owned, in_place, goals)
        plan = scheduler.run()
        if not scheduler.refused:
            return plan
        for node in block.nodes:
            if isinstance(node, If) and not scheduler.refused.isdisjoint(node.outs):
                allowed = {out: in_place.pop(out) for out in node.outs if out in in_place}
                starts = [None if out in scheduler.refused else allowed.get(out) for out in node.outs]
                in_place.update(_plan_branches(program, node, starts))


def _plan_branches(program: Program, node: If, starts: Sequence[Value | None]) -> dict[Value, Value]:
    """Plan the branches; return the results that both of them get by changing in place what they start from."""
    starts = list(starts)
    while True:
        moved: list[set[Slot]] = []
        for branch in (node.then, node.orelse):
            plan = program.plans[branch] = plan_block(program, branch, starts, dict(enumerate(node.outs)))
            moved.append(slots_of(plan))
        copied = [k for k, v in enumerate(starts) if v is not None and any(("result", 0, k) in m for m in moved)]
        if not copied:
            return {out: v for out, v in zip(node.outs, starts, strict=True) if v is not None}
        for k in copied:
            starts[k] = None


def _starts(program: Program, node: If) -> list[Value | None]:
    """Return for each result that is an array the value that a branch leaves as it is or changes in places."""
    found: list[Value | None] = []
    for k, out in enumerate(node.outs):
        candidates = (_start(b.results[k], b) for b in (node.then, node.orelse)) if out.shape else ()
        start = next((v for v in candidates if v is not None and v not in found), None)
        possible = start is not None and start.type == out.type and not {start, out} & program.spread
        found.append(start if possible else None)
        if possible and start is not None:
            program.stored.add(start)
    return found


def _start(atom: Atom, block: Block) -> Value | None:
    """Return the value from outside of a block that becomes `atom` by updates of elements."""
    made = {out: node for node in block.nodes for out in outs_of(node)}
    while isinstance(atom, Value) and atom in made:
        node = made[atom]
        match node:
            case Apply() if isinstance(emission_of(node), Writes) and node.args and node.args[0].type == atom.type:
                atom = node.args[0]
            case For() | While() if atom in node.outs:
                atom = node.init[node.outs.index(atom)]
            case If():
                k = node.outs.index(atom)
                inner = [v for b in (node.then, node.orelse) if (v := _start(b.results[k], b)) is not None]
                if not inner:
                    return None
                atom = inner[0]
            case _:
                return None
    return atom if isinstance(atom, Value) else None


def carries_of(node: For | While) -> tuple[Value, ...]:
    """Return the values that stand for the carries inside the body of a loop."""
    return node.body.params[1:] if isinstance(node, For) else node.body.params


def slots_of(plan: Plan) -> set[Slot]:
    """Return the destinations that a block needs for its results."""
    copies = {root.slot for group in plan.groups for root in group.roots if root.slot and root.slot[0] == "result"}
    return copies | set(plan.claims)
