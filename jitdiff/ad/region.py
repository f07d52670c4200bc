"""What the adjoints of branches and of loops have in common: a block that replays and walks, taken apart.

The adjoint of a block first runs it again and then walks backwards. In what that appends, the *primal* nodes depend on
no cotangent, so the forward pass can run them as well. What they compute is either saved by the forward pass or
computed again by the adjoint (`residuals`). The forward pass is rebuilt of the primal nodes, so that inner branches and
loops, which have come to save what their own adjoints need, are there only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jitdiff.ad.masks import Part
from jitdiff.ad.residuals import choose, price_of_saving
from jitdiff.ad.steepness import steepness
from jitdiff.ir import Apply, ArrayType, Atom, Block, Builder, Const, Dim, For, Node, Value, outs_of, reads_of
from jitdiff.ir.builder import building
from jitdiff.ops import Tracer, lift
from jitdiff.ops.ranges import Ranges
from jitdiff.ops.replay import Env, run, value_of
from jitdiff.ops.shape import broadcast_to
from jitdiff.ops.table import Level
from jitdiff.ops.tracer import builder_now
from jitdiff.passes import cse, dce

PullBlock = Callable[[Block, Env, Sequence[Part], Sequence[Value], Sequence[Part], "Around"], list[Part]]


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a region.

    Parameters
    ----------
    builder : Builder
        The builder around the outermost loop being walked: its values are there in every pass, and need no saving.
    loops : mapping
        The indices of the loops being walked, each with a loop of as many trips, outer ones first.
    changing : frozenset of Value
        Carries of those loops that change element by element.
    """

    builder: Builder
    loops: Mapping[Value, For] = field(default_factory=dict)
    changing: frozenset[Value] = frozenset()

    def within(self, index: Value, trip: Atom) -> Around:
        """Return what stands around the body of a counted loop."""
        return replace(self, loops={**self.loops, index: For(trip, (), Block((index,)), ())})

    def carrying(self, carries: Sequence[Value], body: Block) -> Around:
        """Return what stands around the body of a loop that starts from `carries`."""
        parts = {out for node in body.nodes if changes_parts(node) for out in outs_of(node)}
        changing = {c for c, r in zip(carries, body.results, strict=False) if r in parts}
        return replace(self, changing=self.changing | changing)

    def bound(self, trip: Value, here: Builder) -> int | Dim | None:
        """Return a number or a size of the program's parameters that `trip` is at most, if one is known."""
        definitions: dict[Value, Apply] = {}
        builder: Builder | None = here
        while builder is not None:
            definitions.update((o, n) for n in builder.block.nodes if isinstance(n, Apply) for o in n.outs)
            builder = builder.parent
        order = {index: k for k, index in enumerate(self.loops, 1)}
        ranges = Ranges(definitions, self.loops, order)
        sizes = {s for p in here.root.block.params for n in p.shape if isinstance(n, Dim) for s in n.symbols}
        return ranges.largest(ranges.of(trip), sizes)


@dataclass(frozen=True, slots=True)
class Region:
    """A branch or loop that the walk has come to.

    Parameters
    ----------
    source : Builder
        The builder that recorded it.
    position : int
        Its place among the nodes recorded.
    active : set of Value
        What derivatives flow through.
    around : Around
        What stands around it.
    pull_block : callable
        Replays and walks a block.
    """

    source: Builder
    position: int
    active: set[Value]
    around: Around
    pull_block: PullBlock

    def change(self, node: Node) -> None:
        """Put `node` in the place of the region in the forward pass."""
        self.source.block.nodes[self.position] = node
        for out in outs_of(node):
            self.source.define(out)

    def piece(
        self,
        block: Block,
        ends: Sequence[Atom],
        parts: Iterable[Part],
        shared: Sequence[Value] = (),
        given: Sequence[Value] = (),
        trips: int = 1,
        restart: bool = False,
    ) -> Piece:
        """Return a block of the adjoint, taken apart.

        Parameters
        ----------
        block : Block
            Replay and walk: an iteration of `trips`, or a branch.
        ends : sequence of Atom
            What the results of the region's block are in it.
        parts : iterable of Part
            Cotangents from outside that it reads.
        shared : sequence of Value
            Parameters that both the forward pass and the adjoint know, as the index of a loop.
        given : sequence of Value
            Parameters that the adjoint knows only if the forward pass saves them. The others are cotangents.
        restart : bool
            Whether those are all that may be saved.
        """
        whole = cse(replace(block, results=(*block.results, *ends)), builder_now())
        count = len(block.results)
        block = replace(whole, results=whole.results[:count])
        made = {*shared, *given}
        unknown = {x.atom for part in parts for x in part.values()}
        unknown.update(out for node in self.source.block.nodes[self.position :] for out in outs_of(node))

        def is_known(value: Value) -> bool:
            return value in made or (self.source.sees(value) and value not in unknown)

        primal: list[Node] = []
        for node in block.nodes:
            if all(map(is_known, reads_of(node))):
                primal.append(node)
                made.update(outs_of(node))
        alive = dce(block)
        again = [node for node in alive.nodes if made.issuperset(outs_of(node))]
        backwards = [node for node in alive.nodes if not made.issuperset(outs_of(node))]
        needed = {v for node in backwards for v in reads_of(node)} | {r for r in alive.results if isinstance(r, Value)}
        prices: dict[Value, float] = {v: price_of_saving(v.type) for v in given}
        changing = self.around.changing | {v for node in again if changes_parts(node) for v in reads_of(node)}
        for value in (v for node in alive.nodes for v in reads_of(node)):
            if value.shape and is_known(value) and value not in made and not self.around.builder.sees(value):
                # An array of the loop around: that loop can save it, once for all trips of this one.
                prices.setdefault(value, _LENT * price_of_saving(value.type) / trips)
        prices.update({v: _CHANGED * p for v, p in prices.items() if v.shape and v in changing})
        choice = choose(again, prices, needed, restart)
        return Piece(
            ends=whole.results[count:],
            primal=tuple(primal),
            saved=tuple(v for v in choice.saved if v in made),
            rest=tuple(node for node in alive.nodes if node in choice.again or node in backwards),
            results=alive.results,
        )


_CHANGED = 3
"""An array that changes element by element is copied to be saved, copied again, and changed again by the adjoint. And
elements that are saved of it often stand in the array after the loop (`passes.final`), and then cost nothing.
"""

_LENT = 0.75
"""Where saving an array in the loop around costs the same as saving what is read of it here, the former is simpler."""


def changes_parts(node: Node) -> bool:
    """Whether a node changes elements of the arrays that it reads."""
    return not isinstance(node, Apply) or node.op.name in ("index_set", "index_add")


@dataclass(frozen=True, slots=True)
class Piece:
    """A block of an adjoint, taken apart.

    Attributes
    ----------
    ends : tuple of Atom
        What the results of the block of the forward pass are in it.
    primal : tuple of Node
        What depends on no cotangent.
    saved : tuple of Value
        What the forward pass saves.
    rest : tuple of Node
        What the adjoint runs: some primal nodes again, and all that depend on cotangents.
    results : tuple of Atom
        The results of the adjoint.
    """

    ends: tuple[Atom, ...]
    primal: tuple[Node, ...]
    saved: tuple[Value, ...]
    rest: tuple[Node, ...]
    results: tuple[Atom, ...]

    def forward(self, builder: Builder, env: Env, results: Iterable[Atom]) -> list[Atom]:
        """Run the primal nodes in a block of the forward pass, and return what `results` are there."""
        with building(builder):
            run(self.primal, env)
            return [lift(value_of(r, env)) for r in results]

    def adjoint(self, params: Sequence[Value], head: Sequence[Node]) -> Block:
        """Return the block of the adjoint; `head` makes what is saved from what the forward pass gives."""
        return dce(Block(tuple(params), [*head, *self.rest], self.results))


def fixed(parts: Sequence[Part]) -> list[Part]:
    """Return the cotangents of a region's results with masks, if any has one, that its blocks can read."""
    return [part.fixed() for part in parts]


def telling(values: Sequence[Value], parts: Sequence[Part], of_results: Sequence[Part], free: int) -> list[bool]:
    """Return for which of `values` a region tells which elements of their cotangents count.

    That is if all of the cotangents so far, `parts`, do not count anyway, and the region is told of some result. Of the
    last `free` values, which it reads from around, it tells also if they may be steep: it may read a part of them.
    """
    told = any(part.mask is not None for part in of_results)
    first = len(values) - free
    return [
        part.is_chosen and (told or (k >= first and steepness(Tracer(v)) < Level.CHOICE))
        for k, (v, part) in enumerate(zip(values, parts, strict=True))
    ]


def zeros(value: Value) -> Any:
    """Return a cotangent of zeros for `value`."""
    zero = Tracer(Const.of(0, ArrayType(value.type.dtype)))
    return broadcast_to(zero, shape=value.shape) if value.shape else zero
