"""What must come before what: items with the edges between them, which values make and read which."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jitdiff.codegen.items import Item, Region, Root, Slot, Whole
from jitdiff.ir import Value, outs_of

Read = tuple[Value, tuple[str, ...] | None]
"""A value that an item reads, and at which index of its space (None: at others, or all of it)."""


@dataclass(eq=False)
class Order:
    """Items and what they depend on.

    Parameters
    ----------
    items : list of Item
        In the order of the program.
    reads : mapping
        What each item reads.
    spread : frozenset of Value
        Small arrays that are kept in scalars.

    Attributes
    ----------
    edges : dict
        For each item those before it, and whether both may stand in one nest.
    copies : dict
        The items that copy something to each place outside.
    makers, readers : dict
        Items that write and read each value.
    """

    items: list[Item]
    reads: Mapping[Item, list[Read]]
    spread: frozenset[Value]
    edges: dict[Item, dict[Item, bool]] = field(default_factory=dict)
    copies: dict[Slot, list[Root]] = field(default_factory=lambda: defaultdict(list))
    makers: dict[Value, list[Item]] = field(default_factory=lambda: defaultdict(list))
    readers: dict[Value, list[Item]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.edges = {item: {} for item in self.items}
        for item in self.items:
            match item:
                case Root(value=Value() as value, slot=None):
                    makers = self.makers[value]
                    if makers and not item.stores:
                        # Each write comes after the one before, so after all.
                        self.add(makers[-1], item, close=False)
                    makers.append(item)
                case Whole(node=node) | Region(node=node):
                    for out in outs_of(node):
                        self.makers[out].append(item)
        regions = {item.order: item for item in self.items if isinstance(item, Region)}
        for item in self.items:
            for value, index in self.reads[item]:
                readers = self.readers[value]
                if not readers or readers[-1] is not item:
                    readers.append(item)
                for maker in self.makers.get(value, ()):
                    other = value in self.spread and isinstance(maker, Root) and maker.at != index
                    if maker is not item and not (other and index is not None):
                        self.add(maker, item, close=isinstance(maker, Root) and maker.stores and index == maker.at)
            if isinstance(item, Root) and item.slot:
                self.copies[item.slot].append(item)
            if isinstance(item, Root) and item.slot and item.slot[0] == "init":
                self.add(item, regions[item.order], close=False)

    def add(self, before: Item, after: Item, *, close: bool) -> None:
        """Let `after` come after `before`, in the same nest only if every edge between them is close."""
        edges = self.edges[after]
        edges[before] = edges.get(before, True) and close

    def reaches(self, start: Item, goal: Item) -> bool:
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

    def drop(self, root: Root) -> None:
        """Remove an item; what came before it stays before what came after."""
        self.items.remove(root)
        if root.slot:
            self.copies[root.slot].remove(root)
        edges = self.edges.pop(root)
        for later in self.edges.values():
            if later.pop(root, None) is not None:
                later.update({k: False for k in edges if k not in later})
        for items in (*self.makers.values(), *self.readers.values()):
            if root in items:
                items.remove(root)

    def sorted(self) -> Iterator[Item]:
        """Yield the items, each after those before it, otherwise in the order of the program."""
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


def reading(reads: Sequence[Read], value: Value) -> list[tuple[str, ...] | None]:
    """Return the indices at which a value is read."""
    return [index for read, index in reads if read is value]
