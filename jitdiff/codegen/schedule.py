"""Which nest computes what: items in order of dependence, those of one iteration space together.

A dependence is *close* if both its ends may stand in one nest: the later reads of the earlier only what the same point
of the space has computed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType

from jitdiff.codegen.cost import bulky_values, reach_of, values_to_store
from jitdiff.codegen.elements import NotSpread, emission_of, site_of, spaced
from jitdiff.codegen.items import Group, Item, Plan, Region, Root, Slot, Whole
from jitdiff.codegen.order import Order, Read
from jitdiff.codegen.overwrite import Overwriting
from jitdiff.codegen.program import Program
from jitdiff.codegen.spread import is_short
from jitdiff.codegen.storage import base_of
from jitdiff.ir import (
    Apply,
    Atom,
    Block,
    Const,
    Dim,
    For,
    If,
    Shape,
    Value,
    While,
    args_of,
    blocks_of,
    free_values,
    outs_of,
    symbol_made,
    symbols_read,
)
from jitdiff.ops.emission import Call, Index, Write, Writes

MOST_TOGETHER = 40
"""Items of one nest: a loop over more arrays than that is no faster for being one."""


class Scheduler:
    """Plans one block.

    Parameters
    ----------
    program : Program
        The program.
    block : Block
        The block.
    owned : sequence of Value or None
        What the first results replace and may be written over: the carries of a loop, what a branch changes.
    in_place : mapping
        Results of inner loops and branches that are updated in place, those of branches with what they start from.
    goals : mapping
        Results of a branch that become values of the block around it, by position.
    """

    def __init__(
        self,
        program: Program,
        block: Block,
        owned: Sequence[Value | None] = (),
        in_place: Mapping[Value, Value | None] = MappingProxyType({}),
        goals: Mapping[int, Value] | None = None,
    ) -> None:
        self.program = program
        self.block = block
        self.owned = tuple(owned)
        self.in_place = in_place
        self.goals = goals or {}
        self.made = {out: node for node in block.nodes for out in outs_of(node)}

    def run(self) -> Plan:
        """Return the plan."""
        self.program.stored |= bulky_values(self.program, self.block)
        while True:
            self.plan = Plan(self.block)
            self.items = list(self._items())
            reads = {item: self._reads(item) for item in self.items}
            self.order = Order(self.items, reads, self.program.spread)
            self._order_sizes()
            overwriting = Overwriting(self.program, self.plan, self.order, self.owned, self.in_place, self.made)
            overwriting.run()
            self.refused = overwriting.refused
            self._group()
            repeated = values_to_store(self.program, self.plan.groups)
            if not repeated:
                return self.plan
            self.program.stored |= repeated

    # What there is to do.

    def _items(self) -> Iterator[Item]:
        for order, node in enumerate(self.block.nodes):
            if isinstance(node, For | While):
                for k, atom in enumerate(node.init):
                    if atom.shape:
                        yield from self._store(order, atom, ("init", order, k), node.outs[k])
            if not isinstance(node, Apply):
                yield Region(order, node)
                continue
            emission = emission_of(node)
            if self.program.is_element(node):
                if node.out in self.program.stored:
                    yield from self._store(order, node.out)
            elif isinstance(emission, Writes):
                yield from self._writes(order, node, emission)
            else:
                yield Whole(order, node)
        yield from self._result_copies(len(self.block.nodes))

    def _store(self, order: int, atom: Atom, slot: Slot | None = None, goal: Value | None = None) -> Iterator[Root]:
        node = self.program.definitions.get(atom) if isinstance(atom, Value) else None
        goal = goal or (atom if slot is None and isinstance(atom, Value) else None)

        def root(space: Shape, at: Index) -> Root:
            elements = self.program.elements(space)
            element = elements.at(atom, at)
            index = elements.nodes[element].index
            return Root(order, atom, space, index, index, f"_e{element}_", node, slot=slot)

        yield from self._written_out(atom.shape, root, goal in self.program.spread)

    def _writes(self, order: int, node: Apply, emission: Writes) -> Iterator[Root]:
        fill, writes = emission.plan(site_of(node))
        for k, write in enumerate(writes):

            def root(space: Shape, at: Index, write: Write = write, first: bool = k == 0) -> Root:
                target, text = self.program.elements(space).write(node, write, at)
                start = fill if first else None
                return Root(order, node.out, space, tuple(map(str, at)), target, text, node, write, start)

            yield from self._written_out(write.space, root, False)

    def _written_out(self, shape: Shape, root: Callable[[Shape, Index], Root], always: bool) -> Iterator[Root]:
        """Yield a root, or one for each point if it goes to scalars or reads some at varying indices."""
        if not always:
            space, at = spaced(shape, self.program.loops)
            whole = root(space, at)
            wrong = self._misread(whole)
            if not wrong or 0 in shape:
                yield whole
                return
            if not is_short(shape):
                raise NotSpread(wrong[0])
        first = True
        for point in product(*(range(int(n)) for n in shape)):
            each = root((), point)
            if wrong := self._misread(each):
                raise NotSpread(wrong[0])
            if not first:
                each.fill = None
            first = False
            yield each

    def _misread(self, root: Root) -> list[Value]:
        """Return the values kept in scalars that a root reads where there is no scalar."""
        if not self.program.spread:
            return []
        return [
            value
            for value, index in self._reads(root)
            if value in self.program.spread and index is not None and not all(term.isdigit() for term in index)
        ]

    def _result_copies(self, order: int) -> Iterator[Root]:
        for k, atom in enumerate(self.block.results):
            kept = k < len(self.owned) and (atom is self.owned[k] or self.owned[k] in self.program.spread)
            if not atom.shape or kept or self.goals.get(k) in self.program.spread:
                continue
            slot = ("result", 0, k)
            if isinstance(atom, Value) and self._claimable(atom) and atom not in self.plan.claims.values():
                self.plan.claims[slot] = atom
            else:
                yield from self._store(order, atom, slot)

    def _claimable(self, value: Value) -> bool:
        """Tell whether `value` can be computed straight into a place chosen outside of the block."""
        node = self.made.get(value) if value not in self.program.spread else None
        if isinstance(node, For | While):
            return value in self.in_place or (isinstance(node, For) and value in node.stacked)
        return isinstance(node, Apply | If)

    # What depends on what.

    def _reads(self, item: Item) -> list[Read]:
        program = self.program
        match item:
            case Root():
                elements = program.elements(item.space)
                reach = reach_of(program, elements, [item])
                found = [elements.nodes[e] for e in reach.order]
                return [(n.atom, n.index) for n in found if isinstance(n.atom, Value) and reach.is_read(n)]
            case Whole(node=node):
                emission = emission_of(node)
                assert isinstance(emission, Call)
                bases = [base_of(program, a, emission.transposable) for a in node.args]
                for b in bases:
                    if isinstance(b, Value) and b in program.spread and b.shape:
                        raise NotSpread(b)
                return [(b, None) for b in bases if isinstance(b, Value)]
            case Region(node=node):
                # The initial values that are arrays are read by the copies of them.
                free = [*(a for a in args_of(node) if a.shape == ()), *free_values(*blocks_of(node))]
                return [(b, None) for a in free if isinstance(a, Value) for b in self._bases(a)]

    def _order_sizes(self) -> None:
        """Let what needs the number of trips of a loop as a size come after the loop."""
        for region in self.items:
            made = symbol_made(region.node) if isinstance(region, Region) else frozenset()
            for item in self.items if made else ():
                if item.order > region.order and not made.isdisjoint(self._sizes(item)):
                    self.order.add(region, item, close=False)

    def _sizes(self, item: Item) -> frozenset[str]:
        """Return the symbolic sizes that an item needs the values of."""
        if not isinstance(item, Root):
            return symbols_read(item.node)
        elements = self.program.elements(item.space)
        atoms = [elements.nodes[e].atom for e in reach_of(self.program, elements, [item]).order]
        nodes = [node for a in atoms if isinstance(a, Value) and (node := self.program.definitions.get(a)) is not None]
        sizes = [*item.space, *(a.value for a in atoms if isinstance(a, Const))]
        return frozenset().union(
            *(size.symbols for size in sizes if isinstance(size, Dim)), *(symbols_read(node) for node in nodes)
        )

    def _bases(self, value: Value) -> Iterator[Value]:
        if value in self.program.stored:
            yield value
        elif value in self.program.definitions:
            for arg in self.program.definitions[value].args:
                if isinstance(arg, Value):
                    yield from self._bases(arg)

    # Nests.

    def _group(self) -> None:
        """Put each item into the first group that it fits, in an order in which everything comes before its readers."""
        groups: list[Group] = []
        spaces: dict[Shape, list[int]] = defaultdict(list)
        where: dict[Item, int] = {}
        for item in self.order.sorted():
            least = 0
            for before, close in self.order.edges[item].items():
                same = close and isinstance(item, Root) and groups[where[before]].space == item.space
                least = max(least, where[before] + (0 if same else 1))
            space = item.space if isinstance(item, Root) else None
            open_ = spaces[space] if space is not None else []
            at = bisect_left(open_, least)
            if at < len(open_):
                where[item] = open_[at]
                groups[open_[at]].items.append(item)
                if space and len(groups[open_[at]].items) >= MOST_TOGETHER:
                    del open_[at]
            else:
                where[item] = len(groups)
                if space is not None:
                    spaces[space].append(len(groups))
                groups.append(Group(space, [item]))
        self.plan.groups = groups
