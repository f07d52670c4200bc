"""Minimum cuts of networks.

The least that must be removed to part a source from a sink is the most that can flow between them (Ford and Fulkerson,
1956). A maximum flow is found as by Dinic (1970): breadth first, how far each node is from the source; then depth
first, along edges that lead one step further and have room, until no such path is left; and again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable

INFINITE = math.inf


class Network:
    """A directed graph whose edges have capacities.

    Examples
    --------
    >>> network = Network()
    >>> for edge in (("s", "a", 3), ("s", "b", 2), ("a", "t", 1), ("a", "b", 1), ("b", "t", 5)):
    ...     network.edge(*edge)
    >>> sorted(network.source_side("s", "t"))
    ['a', 's']
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._edges: list[list[int]] = []
        self._heads: list[int] = []
        self._room: list[float] = []

    def _number(self, node: Hashable) -> int:
        if node not in self._numbers:
            self._numbers[node] = len(self._edges)
            self._edges.append([])
        return self._numbers[node]

    def edge(self, tail: Hashable, head: Hashable, capacity: float) -> None:
        """Add an edge; what flows along it can flow back."""
        a, b = self._number(tail), self._number(head)
        for start, end, room in ((a, b, capacity), (b, a, 0)):
            self._edges[start].append(len(self._heads))
            self._heads.append(end)
            self._room.append(room)

    def source_side(self, source: Hashable, sink: Hashable) -> set[Hashable]:
        """Return the nodes on the source's side of the minimum cut that is nearest to the source."""
        s, t = self._number(source), self._number(sink)
        while (levels := self._levels(s))[t] >= 0:
            self._saturate(s, t, levels)
        return {node for node, number in self._numbers.items() if levels[number] >= 0}

    def _levels(self, s: int) -> list[int]:
        """Return how many edges with room each node is from `s`, -1 for those out of reach."""
        levels = [-1] * len(self._edges)
        levels[s] = 0
        queue = deque([s])
        while queue:
            node = queue.popleft()
            for e in self._edges[node]:
                head = self._heads[e]
                if levels[head] < 0 and self._room[e] > 0:
                    levels[head] = levels[node] + 1
                    queue.append(head)
        return levels

    def _saturate(self, s: int, t: int, levels: list[int]) -> None:
        """Let flow along shortest paths from `s` to `t` all that can."""
        following = [0] * len(self._edges)
        path: list[int] = []
        node = s
        while True:
            if node == t:
                least = min(self._room[e] for e in path)
                for e in path:
                    self._room[e] -= least
                    self._room[e ^ 1] += least
                path, node = [], s
            edges = self._edges[node]
            while following[node] < len(edges):
                e = edges[following[node]]
                if self._room[e] > 0 and levels[self._heads[e]] == levels[node] + 1:
                    break
                following[node] += 1
            if following[node] < len(edges):
                path.append(e)
                node = self._heads[e]
            elif path:
                # A dead end: the edge that led here leads nowhere.
                node = self._heads[path.pop() ^ 1]
                following[node] += 1
            else:
                return
