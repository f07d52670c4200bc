"""Values that take the place of others: what nobody reads afterwards is written over instead of copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jitdiff.codegen.cost import reach_of
from jitdiff.codegen.elements import TOKEN, At, Elements, spaced, tokens
from jitdiff.codegen.items import Item, Plan, Root
from jitdiff.codegen.order import Order, reading
from jitdiff.codegen.program import Program
from jitdiff.codegen.terms import monomials
from jitdiff.ir import Apply, Dim, For, If, Node, Value, While
from jitdiff.ops.ranges import Size


@dataclass(eq=False)
class Overwriting:
    """Finds in one block which values may be written over which.

    Parameters
    ----------
    program : Program
        The program.
    plan : Plan
        The plan of the block, in which the findings are entered.
    order : Order
        Its items; gets an edge from each reader of what is written over to what writes.
    owned : sequence of Value or None
        Values from outside that the first results replace.
    in_place : mapping
        Results of loops and branches that are updated in place, each with the value that they start from.
    """

    program: Program
    plan: Plan
    order: Order
    owned: Sequence[Value | None]
    in_place: Mapping[Value, Value | None]
    made: dict[Value, Node] = field(default_factory=dict)
    refused: set[Value] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.positions = {node: k for k, node in enumerate(self.plan.block.nodes)}

    def run(self) -> None:
        """Enter the findings; ``refused`` gets the results of branches that cannot be where they start from."""
        for node in self.plan.block.nodes:
            if isinstance(node, Apply):
                makers = self.order.makers.get(node.outs[0], [])
                first = makers[0] if len(makers) > 1 else None
                if isinstance(first, Root) and (copied := self._copied(first)) is not None:
                    self._share(node.out, copied, [first])
            elif isinstance(node, If):
                for out in node.outs:
                    old = self.in_place.get(out)
                    if old is not None and not self._share(out, old, []):
                        self.refused.add(out)
            else:
                for atom, out in zip(node.init, node.outs, strict=True):
                    movable = atom in self.program.stored and not {atom, out} & self.program.spread
                    if atom.shape and isinstance(atom, Value) and movable and out in self.in_place:
                        self._share(out, atom, self._initial_copies(out))
        for k, param in enumerate(self.owned):
            last = self.plan.claims.get(("result", 0, k))
            if last is not None and param is not None:
                home = self.plan.home(last)
                if home is param or (home in self.order.makers and self._share(home, param, [])):
                    del self.plan.claims[("result", 0, k)]

    def _initial_copies(self, carried: Value) -> list[Root]:
        """Return what copies the initial value of a carry to its place, if it is copied."""
        node = self.made.get(carried)
        if not isinstance(node, For | While) or carried not in node.outs:
            return []
        return list(self.order.copies.get(("init", self.positions[node], node.outs.index(carried)), ()))

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
        order = self.order
        if not self._replaceable(old) or (old.shape, old.type.dtype) != (value.shape, value.type.dtype):
            return False
        home = self.plan.home(old)
        slot = next((slot for slot, v in self.plan.claims.items() if v is value), None)
        if slot and (self._moves(home) or (home in self.owned and slot[2] != self.owned.index(home))):
            return False
        writers = [w for w in (*self._initial_copies(value), *order.makers[value]) if w not in skipped]
        # What the place held before `old` may be read still, where nothing was written over it.
        held = [old]
        while (earlier := self.plan.occupies.get(held[-1])) is not None:
            held.append(earlier)
        found = [
            (r, w, v)
            for v in held
            for r in order.readers[v]
            if r not in skipped
            for w in writers
            if self._meet(r, w, v)
        ]
        # The branches of an If that is in place were planned to read before they write.
        planned = self.in_place.get(value) is old
        if not all(planned or self._may_stand_with(r, w, v) for r, w, v in found if r is w):
            return False
        before = {w: dict(order.edges[w]) for w in writers}
        found = [(r, w, v) for r, w, v in found if r is not w]
        for reader, writer, v in found:
            order.add(reader, writer, close=self._may_stand_with(reader, writer, v))
        if any(order.reaches(writer, reader) for reader, writer, _ in found):
            order.edges.update(before)
            return False
        for maker in order.makers.get(old, []):
            for writer in writers:
                order.add(maker, writer, close=False)
        for root in skipped:
            order.drop(root)
        self.plan.occupies[value] = old
        return True

    def _moves(self, value: Value) -> bool:
        """Tell whether a value is in another buffer after each iteration of the loop that makes it."""
        node = self.made.get(value)
        return isinstance(node, For | While) and value in node.outs and value not in self.in_place

    def _replaceable(self, old: Value) -> bool:
        if old in self.plan.occupies.values() or old in self.program.spread:
            return False
        results = self.plan.block.results
        if old in self.owned:
            # Results that go to scalars are read at the end; the others have a copy among the items.
            own = self.owned.index(old)
            copied = {i.slot[2] for i in self.order.items if isinstance(i, Root) and i.slot and i.slot[0] == "result"}
            return all(r is not old or (k != own and k in copied) for k, r in enumerate(results))
        node = self.made.get(old)
        grown = isinstance(node, While) and old in node.stacked
        return old in self.order.makers and old not in results and not grown

    def _meet(self, reader: Item, writer: Item, old: Value) -> bool:
        """Tell whether one may read of `old` what the other writes over."""
        if not (isinstance(reader, Root) and isinstance(writer, Root)) or writer.fill is not None:
            return True
        return any(not self._apart(reader, index, writer) for index in reading(self.order.reads[reader], old))

    def _may_stand_with(self, reader: Item, writer: Item, old: Value) -> bool:
        """Tell whether, in one nest, each point reads `old` only where that point then writes, or nobody does."""
        if not (isinstance(reader, Root) and isinstance(writer, Root)) or reader.space != writer.space:
            return False
        if writer.fill is not None:
            return False
        if writer.space == ():
            return True
        injective = self._injective(writer)
        return all(
            (injective and self._same(reader, index, writer)) or self._apart(reader, index, writer)
            for index in reading(self.order.reads[reader], old)
        )

    def _injective(self, root: Root) -> bool:
        """Tell whether all points of the space write to different elements."""
        elements = self.program.elements(root.space)
        reach = reach_of(self.program, elements, [root])
        if any("//" in term or "%" in term for term in root.target):
            return False
        if any(reach.depends[t] for term in root.target for t in tokens(term)):
            return False
        found = [sorted(elements.variables_of(term)) for term in root.target]
        plain = all(
            not names or "*" not in term or not tokens(term) for names, term in zip(found, root.target, strict=True)
        )
        return plain and {names[0] for names in found if len(names) == 1} == set(elements.variables)

    def _same(self, reader: Root, index: At | None, writer: Root) -> bool:
        """Tell whether each point of the space that two roots have reads where it writes."""
        if index is None or index == writer.target:
            return index is not None
        elements = self.program.elements(reader.space)
        pairs = zip(index, writer.target, strict=True)
        sizes = [(self._size(elements, here, "p"), self._size(elements, there, "p")) for here, there in pairs]
        return all(a is not None and a == b for a, b in sizes)

    def _apart(self, reader: Root, index: At | None, writer: Root) -> bool:
        """Tell whether an index that one root reads is never one that the other writes."""
        if index is None:
            return False
        ranges = self.program.ranges
        read, written = self.program.elements(reader.space), self.program.elements(writer.space)
        for here, there in zip(index, writer.target, strict=True):
            a, b = self._size(read, here, "r"), self._size(written, there, "w")
            if a is not None and b is not None and (ranges.at_least(a - b, 1) or ranges.at_least(b - a, 1)):
                return True
        return False

    def _size(self, elements: Elements, term: str, role: str) -> Size | None:
        """Return a coordinate as a polynomial; the points of the reader and of the writer are not the same ones."""
        ranges = self.program.ranges
        total: Size = 0
        for monomial, c in monomials(term):
            part: Size = c
            for name in monomial:
                if (token := TOKEN.fullmatch(name)) is not None and not (
                    atom := elements.nodes[int(token[1])].atom
                ).shape:
                    part = part * ranges.of(atom)
                elif name in elements.extents:
                    part = part * ranges.variable(role + name, elements.extents[name])
                elif name.isidentifier() and token is None:
                    part = part * Dim.symbol(name)
                else:
                    return None
            total = total + part
        return total
