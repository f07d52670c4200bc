"""What the text can say better than the program: sums of arrays that are zero but in a few places, outer products.

Adjoints of reads (``x[i]``) come as whole arrays of zeros with a cotangent in its place, added up. Adding each
cotangent where it belongs costs no pass over the array, and in a loop lets the sum stay where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from jitdiff.codegen.program import blocks_within
from jitdiff.ir import Apply, Atom, Block, Node, Value, args_of, blocks_of, outs_of, with_blocks
from jitdiff.ops.table import OPS

_PLACED = ("place", "scatter")
_UPDATES = ("index_set", "index_add", "add")


def lower(block: Block) -> Block:
    """Return the same program, sums of placed values written as additions at places, outer products as products.

    Examples
    --------
    A gradient ``g0`` of ``x[0]`` plus one of ``x[3]`` becomes ``place(g0, ...)`` and then ``index_add`` at 3.
    """
    uses: Counter[Atom] = Counter()
    for inner in blocks_within(block):
        uses.update(a for node in inner.nodes for a in args_of(node))
        uses.update(inner.results)
    return _lowered(block, uses, ())


def _lowered(block: Block, uses: Counter[Atom], carries: tuple[Value, ...]) -> Block:
    nodes = [_outer(with_blocks(n, tuple(_lowered(b, uses, b.params) for b in blocks_of(n)))) for n in block.nodes]
    sums = _Sums({out: n for n in nodes if isinstance(n, Apply) for out in outs_of(n)}, uses, carries)
    found: list[Node] = []
    for node in reversed(nodes):
        if isinstance(node, Apply) and node.outs[0] in sums.gone:
            continue
        found += sums.rewrite(node)[::-1] if isinstance(node, Apply) and sums.is_sum(node) else [node]
    return replace(block, nodes=found[::-1])


def _outer(node: Node) -> Node:
    """Return the product of a column and a row as the pointwise product that it is."""
    if isinstance(node, Apply) and node.op.name == "matmul" and node.out.type.ndim == 2:
        a, b = (arg.shape for arg in node.args)
        if len(a) == len(b) == 2 and a[1] == 1:
            return replace(node, op=OPS["multiply"])
    return node


@dataclass(eq=False)
class _Sums:
    """The sums of one block."""

    made: dict[Value, Apply]
    uses: Counter[Atom]
    carries: tuple[Value, ...]
    gone: set[Value] = field(default_factory=set)
    plain: set[Value] = field(default_factory=set)

    def is_sum(self, node: Apply) -> bool:
        """Tell whether a node adds two arrays of one shape."""
        return node.op.name == "add" and bool(node.out.shape) and all(a.shape == node.out.shape for a in node.args)

    def rewrite(self, node: Apply) -> list[Node]:
        """Return what a sum becomes that is not part of a larger one."""
        if node.out in self.plain:
            return [node]
        terms, inner = self._terms(node)
        carried = any(self._carried(t) for t in terms)
        placed = [p for t in terms if (p := self._placed(t)) is not None and (carried or p.args[0].type.size == 1)]
        if not placed:
            # Then no part of it has any either.
            self.plain.update(inner)
            return [node]
        rest = [t for t in terms if all(t is not p.out for p in placed)]
        merged: dict[object, list[Apply]] = {}
        for p in placed:
            key = p.attrs["ranges"] if p.op.name == "place" else (p.attrs["selection"], p.args[1:])
            merged.setdefault(key, []).append(p)
        if not rest and len(merged) == 1 and len(placed) < 2:
            return [node]
        self.gone.update(inner)
        for p in placed:
            self.uses[p.out] -= 1
            if not self.uses[p.out]:
                self.gone.add(p.out)
        nodes: list[Node] = []

        def append(name: str, args: tuple[Atom, ...], like: Value, **attrs: object) -> Value:
            out = Value(like.type)
            nodes.append(Apply(OPS[name], args, attrs, (out,), node.loc))
            return out

        groups = [(same[0], self._total([p.args[0] for p in same], append)) for same in merged.values()]
        if rest:
            total = self._total(rest, append)
        else:
            first, g = groups.pop(0)
            total = append(first.op.name, (g, *first.args[1:]), first.out, **first.attrs)
        for first, g in groups:
            selection = first.attrs["ranges"] if first.op.name == "place" else first.attrs["selection"]
            total = append("index_add", (total, g, *first.args[1:]), node.out, selection=selection)
        last = nodes.pop()
        assert isinstance(last, Apply)
        return [*nodes, replace(last, outs=node.outs)]

    def _terms(self, node: Apply) -> tuple[list[Atom], list[Value]]:
        """Return what a sum adds up, and the partial sums that nothing else reads."""
        terms: list[Atom] = []
        inner: list[Value] = []
        stack = [*node.args[::-1]]
        while stack:
            atom = stack.pop()
            part = self.made.get(atom) if isinstance(atom, Value) and self.uses[atom] == 1 else None
            if part is not None and self.is_sum(part):
                inner.append(part.out)
                stack += part.args[::-1]
            else:
                terms.append(atom)
        return terms, inner

    def _carried(self, atom: Atom) -> bool:
        """Tell whether an array is a carry of the loop around, or one after changes of elements and additions."""
        while isinstance(atom, Value) and atom not in self.carries:
            made = self.made.get(atom)
            if made is None or made.op.name not in _UPDATES:
                return False
            atom = made.args[0]
        return atom in self.carries

    def _placed(self, atom: Atom) -> Apply | None:
        node = self.made.get(atom) if isinstance(atom, Value) else None
        return node if node is not None and node.op.name in _PLACED and not node.attrs.get("fill") else None

    def _total(self, terms: list[Atom], append: Callable[..., Value]) -> Atom:
        total = terms[0]
        for term in terms[1:]:
            assert isinstance(term, Value)
            total = append("add", (total, term), term)
        return total
