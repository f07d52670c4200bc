"""Which nest computes what: items in order of dependence, those of one iteration space together.

A dependence is *close* if both its ends may stand in one nest: the later reads of the earlier only what the same point
of the space has computed.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

from jitdiff.codegen.cost import bulky_values, reach_of, values_to_store
from jitdiff.codegen.elements import TOKEN, NotSpread, emission_of, site_of, spaced, tokens
from jitdiff.codegen.items import Group, Item, Plan, Region, Root, Slot, Whole
from jitdiff.codegen.program import Program
from jitdiff.codegen.spread import is_short
from jitdiff.codegen.storage import base_of
from jitdiff.ir import Apply, Atom, Block, For, If, Shape, Value, While, args_of, blocks_of, free_values, outs_of
from jitdiff.ops.emission import Call, Index, Write, Writes

Read = tuple[Value, tuple[str, ...] | None]
"""A value that an item reads, and at which index of its space (None: at others, or all of it)."""


class Scheduler:
    """Plans one block.

    Parameters
    ----------
    program : Program
        The program.
    block : Block
        The block.
    owned : sequence of Value
        The parameters that the first results replace: carries of a loop, which may be overwritten.
    in_place : frozenset of Value
        Results of inner loops that are updated in place.
    goals : mapping
        Results of a branch that become values of the block around it, by position.
    """

    def __init__(
        self,
        program: Program,
        block: Block,
        owned: Sequence[Value] = (),
        in_place: frozenset[Value] = frozenset(),
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
            self.reads = {item: self._reads(item) for item in self.items}
            self._depend()
            self._share_places()
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
            if not wrong:
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

    def _bases(self, value: Value) -> Iterator[Value]:
        if value in self.program.stored:
            yield value
        elif value in self.program.definitions:
            for arg in self.program.definitions[value].args:
                if isinstance(arg, Value):
                    yield from self._bases(arg)

    def _depend(self) -> None:
        self.makers: dict[Value, list[Item]] = defaultdict(list)
        self.edges: dict[Item, dict[Item, bool]] = {item: {} for item in self.items}
        for item in self.items:
            match item:
                case Root(value=Value() as value, slot=None):
                    for before in self.makers[value]:
                        if not item.stores:
                            self._edge(before, item, close=False)
                    self.makers[value].append(item)
                case Whole(node=node) | Region(node=node):
                    for out in outs_of(node):
                        self.makers[out].append(item)
        self.readers: dict[Value, list[Item]] = defaultdict(list)
        for item in self.items:
            for value, index in self.reads[item]:
                if item not in self.readers[value]:
                    self.readers[value].append(item)
                for maker in self.makers.get(value, ()):
                    other = value in self.program.spread and isinstance(maker, Root) and maker.at != index
                    if maker is not item and not (other and index is not None):
                        self._edge(maker, item, close=isinstance(maker, Root) and maker.stores and index == maker.at)
            if isinstance(item, Root) and item.slot and item.slot[0] == "init":
                region = next(r for r in self.items if isinstance(r, Region) and r.order == item.order)
                self._edge(item, region, close=False)

    def _edge(self, before: Item, after: Item, *, close: bool) -> None:
        edges = self.edges[after]
        edges[before] = edges.get(before, True) and close

    # Values that take the place of others.

    def _share_places(self) -> None:
        """Let values be written over others that nobody reads afterwards."""
        for node in self.block.nodes:
            if isinstance(node, Apply):
                makers = self.makers.get(node.outs[0], [])
                first = makers[0] if len(makers) > 1 else None
                if isinstance(first, Root) and (copied := self._copied(first)) is not None:
                    self._share(node.out, copied, [first])
            elif isinstance(node, For | While):
                for atom, out in zip(node.init, node.outs, strict=True):
                    movable = atom in self.program.stored and not {atom, out} & self.program.spread
                    if atom.shape and isinstance(atom, Value) and movable and out in self.in_place:
                        self._share(out, atom, self._initial_copies(out))
        for k, param in enumerate(self.owned):
            last = self.plan.claims.get(("result", 0, k))
            if last is not None:
                home = self.plan.home(last)
                if home is param or (home in self.makers and self._share(home, param, [])):
                    del self.plan.claims[("result", 0, k)]

    def _initial_copies(self, carried: Value) -> list[Root]:
        """Return what copies the initial value of a carry to its place, if it is copied."""
        node = self.made[carried]
        if not isinstance(node, For | While) or carried not in node.outs:
            return []
        slot = ("init", self.block.nodes.index(node), node.outs.index(carried))
        return [i for i in self.items if isinstance(i, Root) and i.slot == slot]

    def _copied(self, root: Root) -> Value | None:
        """Return the stored value that a write copies as it is, if that is all that it does."""
        if root.fill is not None or root.write is None or root.write.combine != "{1}" or root.target != root.at:
            return None
        whole = root.value.shape == root.write.space and root.space == spaced(root.value.shape, self.program.loops)[0]
        token = TOKEN.fullmatch(root.text)
        if not whole or token is None:
            return None
        node = self.program.elements(root.space).nodes[int(token[1])]
        atom = node.atom
        stored = isinstance(atom, Value) and atom in self.program.stored and node.index == root.at
        return atom if stored and isinstance(atom, Value) and atom.shape == root.value.shape else None

    def _share(self, value: Value, old: Value, skipped: Sequence[Root]) -> bool:
        """Let `value` take the place of `old` if every reader of `old` can come before whatever writes `value`.

        What is `skipped`, the copies of one to the other, is dropped.
        """
        if not self._replaceable(old) or (old.shape, old.type.dtype) != (value.shape, value.type.dtype):
            return False
        home = self.plan.home(old)
        slot = next((slot for slot, v in self.plan.claims.items() if v is value), None)
        if slot and home in self.owned and slot[2] != self.owned.index(home):
            return False
        writers = [w for w in (*self._initial_writers(value), *self.makers[value]) if w not in skipped]
        readers = [r for r in self.readers[old] if r not in skipped]
        pairs = [(r, w) for r in readers for w in writers if self._meet(r, w, old)]
        if not all(self._may_stand_with(r, w, old) for r, w in pairs if r is w):
            return False
        before = {w: dict(self.edges[w]) for w in writers}
        pairs = [(r, w) for r, w in pairs if r is not w]
        for reader, writer in pairs:
            self._edge(reader, writer, close=self._may_stand_with(reader, writer, old))
        if any(self._reaches(writer, reader) for reader, writer in pairs):
            self.edges.update(before)
            return False
        for maker in self.makers.get(old, []):
            for writer in writers:
                self._edge(maker, writer, close=False)
        for root in skipped:
            self._drop(root)
        self.plan.occupies[value] = old
        return True

    def _initial_writers(self, value: Value) -> list[Root]:
        return self._initial_copies(value) if value in self.made else []

    def _replaceable(self, old: Value) -> bool:
        if old in self.plan.occupies.values() or old in self.program.spread:
            return False
        if old in self.owned:
            return self.block.results[self.owned.index(old)] is not old
        node = self.made.get(old)
        grown = isinstance(node, While) and old in node.stacked
        return old in self.makers and old not in self.block.results and not grown

    def _meet(self, reader: Item, writer: Item, old: Value) -> bool:
        """Tell whether one may read of `old` what the other writes over."""
        if not (isinstance(reader, Root) and isinstance(writer, Root)) or writer.fill is not None:
            return True
        read = [index for value, index in self.reads[reader] if value is old and index is not None]
        fixed = all(term.isdigit() for index in (*read, writer.target) for term in index)
        return not fixed or writer.target in read

    def _may_stand_with(self, reader: Item, writer: Item, old: Value) -> bool:
        """Tell whether, in one nest, each point reads `old` only where that point then writes."""
        if not (isinstance(reader, Root) and isinstance(writer, Root)) or reader.space != writer.space:
            return False
        if writer.fill is not None:
            return False
        if writer.space == ():
            return True
        same = all(index == writer.target for value, index in self.reads[reader] if value is old)
        return same and self._injective(writer)

    def _injective(self, root: Root) -> bool:
        """Tell whether all points of the space write to different elements."""
        elements = self.program.elements(root.space)
        found = [sorted(elements.variables_of(term)) for term in root.target]
        alone = [names[0] for names in found if len(names) == 1]
        plain = not any(tokens(term) or "//" in term or "%" in term for term in root.target)
        return plain and set(alone) == set(elements.variables)

    def _reaches(self, start: Item, goal: Item) -> bool:
        """Tell whether `goal` depends on `start`."""
        stack, seen = [goal], {goal}
        while stack:
            for before in self.edges[stack.pop()]:
                if before is start:
                    return True
                if before not in seen:
                    seen.add(before)
                    stack.append(before)
        return False

    def _drop(self, root: Root) -> None:
        self.items.remove(root)
        edges = self.edges.pop(root)
        for later in self.edges.values():
            if later.pop(root, None) is not None:
                later.update({k: False for k in edges if k not in later})
        for makers in (*self.makers.values(), *self.readers.values()):
            if root in makers:
                makers.remove(root)

    # Nests.

    def _group(self) -> None:
        """Put each item into the first group that it fits, in an order in which everything comes before its readers."""
        groups: list[Group] = []
        spaces: dict[Shape, list[int]] = defaultdict(list)
        where: dict[Item, int] = {}
        for item in self._sorted():
            least = 0
            for before, close in self.edges[item].items():
                same = close and isinstance(item, Root) and groups[where[before]].space == item.space
                least = max(least, where[before] + (0 if same else 1))
            space = item.space if isinstance(item, Root) else None
            fits = [g for g in spaces[space] if g >= least] if space is not None else []
            if fits:
                where[item] = fits[0]
                groups[fits[0]].items.append(item)
            else:
                where[item] = len(groups)
                if space is not None:
                    spaces[space].append(len(groups))
                groups.append(Group(space, [item]))
        self.plan.groups = groups

    def _sorted(self) -> Iterator[Item]:
        position = {item: k for k, item in enumerate(self.items)}
        waiting = {item: len(self.edges[item]) for item in self.items}
        later: dict[Item, list[Item]] = defaultdict(list)
        for item, edges in self.edges.items():
            for before in edges:
                later[before].append(item)
        ready = [position[item] for item, n in waiting.items() if n == 0]
        found = 0
        heapq.heapify(ready)
        while ready:
            item = self.items[heapq.heappop(ready)]
            found += 1
            yield item
            for after in later[item]:
                waiting[after] -= 1
                if waiting[after] == 0:
                    heapq.heappush(ready, position[after])
        assert found == len(self.items), "items depend on each other"
