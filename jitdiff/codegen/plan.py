"""Plans for a block and all blocks inside it, the inner ones first."""

from __future__ import annotations

from collections.abc import Mapping

from jitdiff.codegen.items import Plan, Slot
from jitdiff.codegen.program import Program
from jitdiff.codegen.schedule import Scheduler
from jitdiff.codegen.storage import must_store
from jitdiff.ir import Block, For, If, Value, While


def plan_block(
    program: Program, block: Block, owned: tuple[Value, ...] = (), goals: Mapping[int, Value] | None = None
) -> Plan:
    """Return the plan of `block`; those of the blocks inside go into ``program.plans``.

    Parameters
    ----------
    program : Program
        The program.
    block : Block
        The block.
    owned : tuple of Value
        Its parameters that may be overwritten, which its first results replace.
    goals : mapping
        Results of a branch that become values of the block around it, by position.
    """
    must_store(program, block)
    in_place: set[Value] = set()
    for node in block.nodes:
        match node:
            case If(then=then, orelse=orelse):
                for branch in (then, orelse):
                    program.plans[branch] = plan_block(program, branch, goals=dict(enumerate(node.outs)))
            case For(body=body) | While(body=body):
                if isinstance(node, While):
                    program.plans[node.cond] = plan_block(program, node.cond)
                plan = program.plans[body] = plan_block(program, body, carries_of(node))
                moved = slots_of(plan)
                in_place.update(out for k, out in enumerate(node.outs) if out.shape and ("result", 0, k) not in moved)
            case _:
                pass
    return Scheduler(program, block, owned, frozenset(in_place), goals).run()


def carries_of(node: For | While) -> tuple[Value, ...]:
    """Return the values that stand for the carries inside the body of a loop."""
    return node.body.params[1:] if isinstance(node, For) else node.body.params


def slots_of(plan: Plan) -> set[Slot]:
    """Return the destinations that a block needs for its results."""
    copies = {root.slot for group in plan.groups for root in group.roots if root.slot and root.slot[0] == "result"}
    return copies | set(plan.claims)
