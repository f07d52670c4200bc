"""Elements that a loop updates over and over, kept in a scalar while the loop runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from jitdiff.ir import Apply, Atom, Block, For, Node, Value, args_of, blocks_of, free_values, outs_of, with_blocks
from jitdiff.ops import OPS
from jitdiff.ops.ranges import Ranges, Size

A = TypeVar("A", bound=Atom)

_UPDATES = ("index_set", "index_add")


def promote(block: Block) -> Block:
    """Let loops carry the one element of an array that they update, rather than the array.

    Notes
    -----
    ``for k in range(j): a[i, j] -= a[i, k] * a[k, j]`` becomes a sum in a scalar, which is written to ``a[i, j]`` after
    the loop. All other elements that the loop reads must prove to be others, and the index to lie within the array.
    """
    return _Promotion(Ranges.of_block(block)).block(block)


@dataclass(eq=False)
class _Promotion:
    ranges: Ranges

    def block(self, block: Block) -> Block:
        """Return a block after the pass, its inner loops first."""
        nodes: list[Node] = []
        for old in block.nodes:
            node = with_blocks(old, tuple(map(self.block, blocks_of(old))))
            if isinstance(node, For):
                nodes += self._loop(node)
            else:
                nodes.append(node)
        return replace(block, nodes=nodes)

    def _loop(self, node: For) -> Iterator[Node]:
        after: list[Node] = []
        for k, out in enumerate(node.outs):
            if not out.shape:
                continue
            element = self._element(node, k)
            if element is not None:
                before, node, last = element.carried(node, k)
                after += last
            else:
                before, node = self._fixed_reads(node, k)
            yield from before
        yield node
        yield from after

    def _chain(self, node: For, k: int) -> list[Apply]:
        """Return the updates that turn carry `k` into the next one, if nothing else makes it; the first one first."""
        atom, param = node.body.results[k], node.body.params[k + 1]
        made = {out: n for n in node.body.nodes for out in outs_of(n)}
        chain: list[Apply] = []
        while isinstance(atom, Value) and atom is not param:
            update = made.get(atom)
            if not isinstance(update, Apply) or update.op.name not in _UPDATES or not self._is_one(update, 2):
                return []
            chain.append(update)
            atom = update.args[0]
        return chain[::-1] if atom is param and isinstance(node.init[k], Value) else []

    @staticmethod
    def _is_one(node: Apply, first: int) -> bool:
        """Tell whether an update or a gather, whose indices are the operands from `first` on, is of one element."""
        scalars = all(a.shape == () for a in node.args[1:])
        return scalars and len(node.args) - first == node.args[0].type.ndim

    def _fixed_reads(self, node: For, k: int) -> tuple[list[Node], For]:
        """Read elements at places that do not vary, and that prove to be none of those updated, before the loop."""
        chain = self._chain(node, k)
        before: list[Node] = []
        nodes: list[Node] = []
        versions = {node.body.params[k + 1], *(u.out for u in chain)}
        inside = {*node.body.params, *(out for n in node.body.nodes for out in outs_of(n))}
        for each in node.body.nodes:
            if isinstance(each, Apply) and each.op.name == "gather" and each.args[0] in versions and chain:
                place, sizes = each.args[1:], each.args[0].shape
                fixed = (
                    self._is_one(each, 1) and inside.isdisjoint(place) and all(map(self.ranges.inside, place, sizes))
                )
                if fixed and all(self._apart(u.args[2:], place) for u in chain):
                    before.append(replace(each, args=(node.init[k], *place)))
                    continue
            nodes.append(each)
        return before, replace(node, body=replace(node.body, nodes=nodes)) if before else node

    def _element(self, node: For, k: int) -> _Element | None:
        """Return the element of carry `k` that a loop updates, if that is all that it does to it."""
        body, start, chain = node.body, node.init[k], self._chain(node, k)
        if not chain:
            return None
        place = chain[0].args[2:]
        inside = {*body.params, *(out for n in body.nodes for out in outs_of(n))}
        if not inside.isdisjoint(place) or not all(map(self.ranges.inside, place, start.shape)):
            return None
        selection = chain[0].attrs["selection"]
        if any(u.attrs["selection"] != selection or not self._same(u.args[2:], place) for u in chain):
            return None
        element = _Element(_value(start), place, chain)
        versions = [body.params[k + 1], *(u.out for u in chain)]
        for each in body.nodes:
            if each in chain:
                continue
            read = [v for v in versions if v in args_of(each) or v in free_values(*blocks_of(each))]
            if not read:
                continue
            if not isinstance(each, Apply) or each.op.name != "gather" or each.attrs["selection"] != selection:
                return None
            if self._same(each.args[1:], place):
                element.current.append(each)
            elif self._apart(each.args[1:], place):
                element.others.append(each)
            else:
                return None
        kept = [r for j, r in enumerate(body.results) if j != k]
        return None if any(v in kept for v in versions) else element

    def _same(self, one: Sequence[Atom], other: Sequence[Atom]) -> bool:
        return all(self.ranges.of(a) == self.ranges.of(b) for a, b in zip(one, other, strict=True))

    def _apart(self, one: Sequence[Atom], other: Sequence[Atom]) -> bool:
        """Tell whether two indices are never those of one element: as they are, without counting from the end."""
        pairs = [(self.ranges.of(a), self.ranges.of(b)) for a, b in zip(one, other, strict=True)]
        return any(self.ranges.at_least(a, 0) and self._differ(a, b) for a, b in pairs)

    def _differ(self, a: Size, b: Size) -> bool:
        return self.ranges.at_least(a - b, 1) or self.ranges.at_least(b - a, 1)


@dataclass(eq=False)
class _Element:
    """An element that a loop updates.

    Parameters
    ----------
    array : Value
        The array before the loop.
    place : sequence of Atom
        Where it stands.
    chain : list of Apply
        The updates.
    current, others : list of Apply
        What reads the element, and what reads others.
    """

    array: Value
    place: Sequence[Atom]
    chain: list[Apply]
    current: list[Apply] = field(default_factory=list)
    others: list[Apply] = field(default_factory=list)

    def carried(self, node: For, k: int) -> tuple[list[Node], For, list[Node]]:
        """Return the loop with the element as carry `k`, what comes before it and after it."""
        selection = self.chain[0].attrs["selection"]
        gather, loc = OPS["gather"], node.loc
        scalar = self.array.type.with_shape(())
        start, param, last = Value(scalar), Value(scalar), Value(scalar)
        now = {node.body.params[k + 1]: param}
        nodes: list[Node] = []
        for each in node.body.nodes:
            if each in self.chain and isinstance(each, Apply):
                out = now[each.out] = Value(scalar)
                old = now[_value(each.args[0])]
                added = each.op.name == "index_add"
                args = (old, each.args[1]) if added else each.args[1:2]
                nodes.append(Apply(OPS["add" if added else "identity"], args, {}, (out,), each.loc))
            elif each in self.current and isinstance(each, Apply):
                nodes.append(Apply(OPS["identity"], (now[_value(each.args[0])],), {}, each.outs, each.loc))
            elif each in self.others and isinstance(each, Apply):
                nodes.append(replace(each, args=(self.array, *each.args[1:])))
            else:
                nodes.append(each)
        result = node.body.results[k]
        params = _with(node.body.params, k + 1, param)
        body = replace(node.body, params=params, nodes=nodes, results=_with(node.body.results, k, now[_value(result)]))
        loop = replace(node, init=_with(node.init, k, start), body=body, outs=_with(node.outs, k, last))
        before: list[Node] = [Apply(gather, (self.array, *self.place), {"selection": selection}, (start,), loc)]
        attrs = {"selection": selection, "distinct": True}
        after: list[Node] = [Apply(OPS["index_set"], (self.array, last, *self.place), attrs, node.outs[k : k + 1], loc)]
        return before, loop, after


def _with(atoms: tuple[A, ...], k: int, atom: A) -> tuple[A, ...]:
    return (*atoms[:k], atom, *atoms[k + 1 :])


def _value(atom: Atom) -> Value:
    assert isinstance(atom, Value)
    return atom
