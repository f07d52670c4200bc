"""What is worth storing: values that would be computed more often than they have elements."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from jitdiff.codegen.elements import Elements, Reach, emission_of, tokens
from jitdiff.codegen.items import Group, Root
from jitdiff.codegen.program import Program
from jitdiff.ir import Apply, Atom, Block, Const, Value, args_of
from jitdiff.ops.emission import Element

_CALL = 16
"""Cost of a function call, an addition being 1."""

_STORE = 12
"""Cost from which an element is stored rather than computed again."""

_BULKY = 400
"""Cost from which a value with several readers is stored at once, so that what each nest computes stays small."""


def bulky_values(program: Program, block: Block) -> set[Value]:
    """Return the values of a block whose expressions get so long that every reader had better find them stored."""
    readers = Counter(a for node in block.nodes for a in set(args_of(node)))
    costs: dict[Atom, int] = {}
    found: set[Value] = set()
    for node in block.nodes:
        if not isinstance(node, Apply) or not program.is_element(node) or node.out in program.stored:
            continue
        own = _own_cost(program, node.out)
        cost = own + sum(costs.get(a, 1) for a in node.args if not _is_smaller(a, node.out))
        if cost > _BULKY and readers[node.out] > 1 and own:
            found.add(node.out)
            cost = 1
        costs[node.out] = cost
    return found


def values_to_store(program: Program, groups: Sequence[Group]) -> set[Value]:
    """Return values that had better be stored: costly ones needed in several nests, or repeated within one.

    Where one such value is computed from another, storing the first may settle the second, so the readers of a value
    are decided upon before it.
    """
    uses = _Uses(program)
    for number, group in enumerate(groups):
        if group.roots:
            uses.add(number, group.roots)
    chosen: set[Value] = set()
    # The first two nests that need a value: whether there are more does not matter.
    nests: dict[Value, list[int]] = {}
    for value in sorted(uses.costs, key=program.order.__getitem__, reverse=True):
        needed = set(uses.direct[value])
        settled = False
        for reader in uses.readers[value]:
            # A stored value is computed in the first nest that needs it.
            needed.update(nests[reader][:1] if reader in chosen else nests[reader])
            settled = settled or reader in chosen
        nests[value] = sorted(needed)[:2]
        again = value in uses.repeated and not settled
        if uses.costs[value] >= _STORE and (len(nests[value]) > 1 or again):
            chosen.add(value)
    return chosen


class _Uses:
    """Where inlined values are computed, and at what cost."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.direct: dict[Value, set[int]] = defaultdict(set)
        self.readers: dict[Value, set[Value]] = defaultdict(set)
        self.repeated: set[Value] = set()
        self.costs: dict[Value, int] = {}

    def add(self, number: int, roots: Sequence[Root]) -> None:
        """Enter what a nest computes."""
        program = self.program
        elements = program.elements(roots[0].space)
        reach = reach_of(program, elements, roots)
        roots_read = {t for root in roots for text in root.texts for t in tokens(text)}
        seen: set[Value] = set()
        cost: dict[int, int] = {}
        for e in reach.order:
            node = elements.nodes[e]
            value = node.atom
            cost[e] = 0 if isinstance(value, Const) else 1
            if not isinstance(value, Value) or reach.is_read(node):
                continue
            own = _own_cost(program, value)
            below = {c: elements.nodes[c].atom for c in reach.children[e]}
            # What belongs to a smaller value spread over this one would better be stored as that.
            cost[e] = min(1000, own + sum(cost[c] for c, a in below.items() if not _is_smaller(a, value)))
            inlined = value not in program.stored and value.shape
            if inlined and not reach.depends[e] and value not in program.spread:
                # One element is cheap however often it is computed.
                continue
            for a in below.values():
                if isinstance(a, Value) and a not in program.stored and a.shape:
                    if inlined:
                        self.readers[a].add(value)
                    else:
                        self.direct[a].add(number)
            if not inlined:
                continue
            if e in roots_read:
                self.direct[value].add(number)
            depth = max((elements.variables.index(v) for v in reach.depends[e]), default=-1)
            if (value in seen and reach.depends[e]) or len(reach.depends[e]) <= depth:
                self.repeated.add(value)
            seen.add(value)
            self.costs[value] = max(self.costs.get(value, 0), cost[e] if own else 0)


def reach_of(program: Program, elements: Elements, roots: Sequence[Root]) -> Reach:
    """Return the elements that the roots of a nest need; what they store is computed, what others store is read."""
    own = {(root.value, root.at) for root in roots if root.stores}
    stored = program.stored
    reach = Reach(
        elements, lambda node: node.atom in stored and (node.atom, node.index) not in own, program.definitions
    )
    for root in roots:
        reach.add(root.texts)
    return reach


def _own_cost(program: Program, value: Value) -> int:
    emission = emission_of(program.definitions[value])
    if not isinstance(emission, Element):
        return 1
    return 0 if emission.moves else _CALL if emission.costly else 1


def _is_smaller(a: Atom, b: Atom) -> bool:
    """Tell whether `a` has fewer elements than `b`, as far as that is known."""
    if a.type.shape == b.type.shape:
        return False
    m, n = a.type.size, b.type.size
    return m != n and not (isinstance(m, int) and isinstance(n, int) and m > n)
