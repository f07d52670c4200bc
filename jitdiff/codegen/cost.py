"""What is worth storing: values that would be computed more often than they have elements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from jitdiff.codegen.elements import Elements, Reach, emission_of
from jitdiff.codegen.items import Group, Root
from jitdiff.codegen.program import Program
from jitdiff.ir import Atom, Const, Value
from jitdiff.ops.emission import Element

_CALL = 16
"""Cost of a function call, an addition being 1."""

_STORE = 12
"""Cost from which an element is stored rather than computed again."""


def values_to_store(program: Program, groups: Sequence[Group]) -> set[Value]:
    """Return values that had better be stored: costly ones needed in several nests, or repeated within one.

    Of values that depend on each other only the last is returned: storing it may settle the others.
    """
    where: dict[Value, set[tuple[int, tuple[str, ...]]]] = defaultdict(set)
    repeated: set[Value] = set()
    inside: dict[Value, set[Value]] = defaultdict(set)
    costs: dict[Value, int] = defaultdict(int)
    for number, group in enumerate(groups):
        roots = group.roots
        if not roots:
            continue
        elements = program.elements(roots[0].space)
        reach = reach_of(program, elements, roots)
        cost: dict[int, int] = {}
        for e in reach.order:
            node = elements.nodes[e]
            cost[e] = 0 if isinstance(node.atom, Const) else 1
            if not isinstance(node.atom, Value) or reach.is_read(node):
                continue
            below = {c: elements.nodes[c].atom for c in reach.children[e]}
            inside[node.atom].update(a for a in below.values() if isinstance(a, Value))
            own = _own_cost(program, node.atom)
            # What belongs to a smaller value spread over this one would better be stored as that.
            cost[e] = min(1000, own + sum(cost[c] for c, a in below.items() if not _is_smaller(a, node.atom)))
            if node.atom in program.stored or not node.atom.shape:
                continue
            costs[node.atom] = max(costs[node.atom], cost[e] if own else 0)
            where[node.atom].add((number, node.index))
            depth = max((elements.variables.index(v) for v in reach.depends[e]), default=-1)
            if len(reach.depends[e]) <= depth:
                repeated.add(node.atom)
    candidates = {v for v, places in where.items() if len(places) > 1 or v in repeated}
    chosen = {v for v in candidates if costs[v] >= _STORE}
    covered: set[Value] = set()
    stack = [below for v in chosen for below in inside[v]]
    while stack:
        v = stack.pop()
        if v not in covered:
            covered.add(v)
            stack.extend(inside[v])
    return chosen - covered


def reach_of(program: Program, elements: Elements, roots: Sequence[Root]) -> Reach:
    """Return the elements that the roots of a nest need; what they store is computed, what others store is read."""
    own = {(root.value, root.at) for root in roots if root.stores}
    reach = Reach(
        elements, lambda node: node.atom in program.stored and (node.atom, node.index) not in own, program.definitions
    )
    for root in roots:
        reach.add(root.texts)
    return reach


def _own_cost(program: Program, value: Value) -> int:
    emission = emission_of(program.definitions[value])
    assert isinstance(emission, Element)
    return 0 if emission.moves else _CALL if emission.costly else 1


def _is_smaller(a: Atom, b: Atom) -> bool:
    """Tell whether `a` has fewer elements than `b`, as far as that is known."""
    m, n = a.type.size, b.type.size
    return m != n and not (isinstance(m, int) and isinstance(n, int) and m > n)
