"""Updates of elements: those of one place become one, and what is set to what it was plus something is added to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jitdiff.ir import Apply, Atom, Block, Const, Node, Value, args_of, blocks_of, outs_of, with_blocks
from jitdiff.ops import OPS
from jitdiff.ops.ranges import Ranges


def updates(block: Block) -> Block:
    """Merge updates of the same elements of an array, and drop those that put back what they took.

    Notes
    -----
    ``x[i] = x[i] + v`` becomes an addition. The cotangent of such an assignment is set to zero at ``i`` and then gets
    back what it was there: it stays as it is.
    """
    uses: Counter[Atom] = Counter()
    _count(block, uses)
    return _merged(block, uses, Ranges.of_block(block))


def _count(block: Block, uses: Counter[Atom]) -> None:
    for node in block.nodes:
        uses.update(args_of(node))
        for inner in blocks_of(node):
            _count(inner, uses)
    uses.update(block.results)


def _merged(block: Block, uses: Counter[Atom], ranges: Ranges) -> Block:
    nodes = [with_blocks(n, tuple(_merged(b, uses, ranges) for b in blocks_of(n))) for n in block.nodes]
    chains = _Chains({out: n for n in nodes if isinstance(n, Apply) for out in outs_of(n)}, uses, ranges)
    found: list[Node] = []
    for node in reversed(nodes):
        if isinstance(node, Apply) and node.outs[0] in chains.gone:
            continue
        found += chains.rewritten(node)[::-1] if isinstance(node, Apply) else [node]
    return replace(block, nodes=found[::-1])


@dataclass(eq=False)
class _Chains:
    """The chains of updates in one block, each of the result of the one before, which nothing else reads."""

    made: dict[Value, Apply]
    uses: Counter[Atom]
    ranges: Ranges
    gone: set[Value] = field(default_factory=set)

    def rewritten(self, node: Apply) -> list[Node]:
        """Return what replaces a node: the last of a chain of additions, or an assignment."""
        match node.op.name:
            case "index_add":
                return self._additions(node)
            case "index_set" if node.attrs["distinct"]:
                return self._assignment(node)
            case "gather":
                return self._read(node)
        return [node]

    def _assignment(self, node: Apply) -> list[Node]:
        array, value, *indices = node.args
        earlier = self._only(array, "index_set")
        if earlier is not None and self._place(earlier) == self._place(node):
            # What is written over at once need not be written.
            self.gone.add(earlier.out)
            return [replace(node, args=(earlier.args[0], value, *indices))]
        maker = self._maker(value, "add", "subtract")
        if maker is None or value.type.dtype != array.type.dtype:
            return [node]
        x, y = maker.args
        if maker.op.name == "add" and self._is_read(y, node):
            x, y = y, x
        if not self._is_read(x, node) or y.shape != value.shape:
            return [node]
        nodes = _Nodes(node)
        if maker.op.name == "subtract":
            y = nodes.append("negative", (y,))
        nodes.append("index_add", (array, y, *indices), selection=node.attrs["selection"])
        return nodes.ending(node)

    def _additions(self, last: Apply) -> list[Node]:
        chain = [last]
        while (before := self._only(chain[-1].args[0], "index_add")) is not None:
            chain.append(before)
        array = chain[-1].args[0]
        groups: dict[Hashable, list[Apply]] = {}
        for node in reversed(chain):
            groups.setdefault((self._place(node), node.args[1].shape), []).append(node)
        blank = self._only(array, "index_set")
        key = None
        if blank is not None and blank.attrs["distinct"] and _is_zero(blank.args[1]):
            key = next((k for k, same in groups.items() if self._place(same[0]) == self._place(blank)), None)
        if key is None and len(groups) == len(chain):
            return [last]
        self.gone.update(n.out for n in chain[1:])
        nodes = _Nodes(last)
        if blank is not None and key is not None:
            self.gone.add(blank.out)
            terms = [term for node in groups.pop(key) for term in self._terms(node.args[1])]
            array, indices = blank.args[0], blank.args[2:]
            old = next((t for t in terms if self._is_read(t, blank)), None)
            if old is None:
                array = nodes.append("index_set", (array, nodes.total(terms), *indices), **blank.attrs)
            elif rest := [t for t in terms if t is not old]:
                added = (array, nodes.total(rest), *indices)
                array = nodes.append("index_add", added, selection=blank.attrs["selection"])
        for same in groups.values():
            added = (array, nodes.total([n.args[1] for n in same]), *same[0].args[2:])
            array = nodes.append("index_add", added, selection=same[0].attrs["selection"])
        return nodes.ending(last, array)

    def _place(self, node: Apply) -> Hashable:
        """Return what says which elements an update changes, or a gather takes."""
        indices = node.args[1 if node.op.name == "gather" else 2 :]
        return node.attrs["selection"], tuple(a if a.shape else self.ranges.of(a) for a in indices)

    def _read(self, node: Apply) -> list[Node]:
        """Read what has just been written from where it came."""
        update = self._maker(node.args[0], "index_set")
        if update is None or self._place(update) != self._place(node) or not update.attrs["distinct"]:
            return [node]
        value = update.args[1]
        if value.shape != node.out.shape or value.type.dtype != node.out.type.dtype:
            return [node]
        return [Apply(OPS["identity"], (value,), {}, node.outs, node.loc)]

    def _maker(self, atom: Atom, *names: str) -> Apply | None:
        node = self.made.get(atom) if isinstance(atom, Value) else None
        return node if node is not None and node.op.name in names else None

    def _only(self, atom: Atom, name: str) -> Apply | None:
        """Return the node that makes `atom`, if nothing else reads that."""
        return self._maker(atom, name) if self.uses[atom] == 1 else None

    def _terms(self, atom: Atom) -> list[Atom]:
        """Return what a sum adds up, as far as nothing else reads the partial sums."""
        node = self._only(atom, "add")
        if node is None or any(a.shape != atom.shape or a.type.dtype != atom.type.dtype for a in node.args):
            return [atom]
        return [term for a in node.args for term in self._terms(a)]

    def _is_read(self, atom: Atom, update: Apply) -> bool:
        """Tell whether `atom` is what stood where an update writes."""
        node = self._maker(atom, "gather")
        return node is not None and node.args[0] is update.args[0] and self._place(node) == self._place(update)


class _Nodes:
    """Nodes that take the place of another."""

    def __init__(self, old: Apply) -> None:
        self.old = old
        self.nodes: list[Node] = []

    def append(self, name: str, args: Sequence[Atom], **attrs: Any) -> Value:
        """Append an operation and return its result."""
        out = Value(OPS[name].infer(*(a.type for a in args), **attrs)[0])
        self.nodes.append(Apply(OPS[name], tuple(args), attrs, (out,), self.old.loc))
        return out

    def total(self, terms: Sequence[Atom]) -> Atom:
        """Append the sum of `terms`."""
        first, *rest = terms
        for term in rest:
            first = self.append("add", (first, term))
        return first

    def ending(self, node: Apply, result: Atom | None = None) -> list[Node]:
        """Return the nodes, the last of which gives the result of `node`."""
        if result is not None and not (isinstance(result, Value) and self.nodes and result in outs_of(self.nodes[-1])):
            return [*self.nodes, Apply(OPS["identity"], (result,), {}, node.outs, node.loc)]
        last = self.nodes[-1]
        assert isinstance(last, Apply)
        return [*self.nodes[:-1], replace(last, outs=node.outs)]


def _is_zero(atom: Atom) -> bool:
    return isinstance(atom, Const) and atom.value == 0
