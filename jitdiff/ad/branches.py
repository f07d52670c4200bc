"""The adjoint of a branch: a branch on the same condition, whose arms replay and walk those of the forward pass.

What the arm taken needs of the forward pass may come out of it as further results, zeros if the other arm is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jitdiff.ad.masks import Part, mask_of
from jitdiff.ad.region import Piece, Region, fixed, telling, zeros
from jitdiff.ad.walk import Cotangents
from jitdiff.ir import Apply, ArrayType, Atom, Block, Builder, If, Node, Value, free_values
from jitdiff.ir.builder import building
from jitdiff.ops import OPS, Tracer, lift
from jitdiff.ops.replay import Env, value_of
from jitdiff.ops.tracer import builder_now
from jitdiff.passes import dce


def pull_if(region: Region, node: If, cotangents: Cotangents) -> None:
    """Append the adjoint of a branch, and let the branch give what it needs."""
    gs = fixed([cotangents.take_part(out) for out in node.outs])
    free = [v for v in free_values(node.then, node.orelse) if v in region.active]
    if not free or all(part.g is None for part in gs):
        return
    sums = fixed([cotangents.part(v) for v in free])
    tells = telling(free, sums, gs, len(free))
    arms = [_Arm(region, block, gs, free, sums, tells) for block in (node.then, node.orelse)]
    node, outs = _giving(region, node, arms)
    blocks = [arm.reading(given) for arm, given in zip(arms, outs, strict=True)]
    here = builder_now()
    grads = tuple(Value(v.type) for v in free)
    marks = tuple(Value(v.type.with_dtype(bool)) for v, t in zip(free, tells, strict=True) if t)
    here.append(If(node.pred, blocks[0], blocks[1], (*grads, *marks), here.loc))
    told = iter(marks)
    for v, g, t, *chosen in zip(free, grads, tells, *(arm.chosen for arm in arms), strict=True):
        mask = mask_of(Tracer(next(told))) if t else None
        cotangents.put(v, Tracer(g), mask if any(chosen) else None)


class _Arm:
    """One arm replayed and walked.

    Attributes
    ----------
    piece : Piece
        The block, taken apart.
    chosen : list of bool
        Which of the cotangents may have elements that do not count.
    """

    def __init__(
        self,
        region: Region,
        block: Block,
        gs: Sequence[Part],
        free: Sequence[Value],
        sums: Sequence[Part],
        tells: Sequence[bool],
    ) -> None:
        here = builder_now()
        builder = Builder((), parent=here)
        builder.loc = here.loc
        env: Env = {}
        with building(builder):
            found = region.pull_block(block, env, gs, free, sums, region.around)
            ends = [lift(value_of(r, env)) for r in block.results]
            grads = [lift(zeros(v) if part.g is None else part.g) for v, part in zip(free, found, strict=True)]
            marks = [lift(part.mark(v.shape)) for v, part, t in zip(free, found, tells, strict=True) if t]
        self.chosen = [part.is_chosen for part in found]
        self.piece: Piece = region.piece(builder.finish([*grads, *marks]), ends, [*gs, *sums])

    def reading(self, given: Sequence[Value]) -> Block:
        """Return the arm of the adjoint, which reads what is saved from further results of the branch."""
        identity = OPS["identity"]
        head: list[Node] = [Apply(identity, (g,), {}, (v,)) for g, v in zip(given, self.piece.saved, strict=True)]
        return self.piece.adjoint((), head)


def _giving(region: Region, node: If, arms: Sequence[_Arm]) -> tuple[If, list[list[Value]]]:
    """Let a branch of the forward pass give what is to be saved; values of either arm share a result.

    Returns
    -------
    tuple
        The branch, and for each arm the results that hold what it saves.
    """
    types: list[ArrayType] = []
    places: list[list[int]] = []
    for arm in arms:
        places.append([])
        for value in arm.piece.saved:
            wanted = ArrayType(value.dtype, value.shape)
            fitting = [k for k, t in enumerate(types) if t == wanted and k not in places[-1]]
            places[-1].append(fitting[0] if fitting else len(types))
            types += [] if fitting else [wanted]
    if not types:
        return node, [[], []]
    outs = tuple(map(Value, types))
    blocks = []
    for arm, places_of_arm in zip(arms, places, strict=True):
        builder = Builder((), parent=region.source)
        builder.loc = node.loc
        found = arm.piece.forward(builder, {}, [*arm.piece.ends, *arm.piece.saved])
        saved: dict[int, Atom] = dict(zip(places_of_arm, found[len(arm.piece.ends) :], strict=True))
        with building(builder):
            more = [saved[k] if k in saved else lift(zeros(out)) for k, out in enumerate(outs)]
            blocks.append(dce(builder.finish([*found[: len(arm.piece.ends)], *more])))
    changed = replace(node, then=blocks[0], orelse=blocks[1], outs=(*node.outs, *outs))
    region.change(changed)
    return changed, [[outs[k] for k in of_arm] for of_arm in places]
