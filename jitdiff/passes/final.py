"""Saved elements that stand elsewhere too: the adjoint reads them there.

A factorisation computes each element once and for all. What its adjoint needs of the iterations then stands in the
array that the loop leaves, and no iteration has to save it. And what two inner loops read of one array is saved by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from jitdiff.ir import Apply, Atom, Block, Const, Dim, For, If, Node, Value, args_of, blocks_of, outs_of, with_blocks
from jitdiff.ir.types import ArrayType
from jitdiff.ops import OPS
from jitdiff.ops.control import INDEX
from jitdiff.ops.ranges import Ranges, Size

_CHEAP = ("negative", "add", "subtract", "multiply", "divide")


def final(block: Block) -> Block:
    """Replace reads of what loops saved of an array by reads of the array after the loop, where it is the same.

    Notes
    -----
    An element saved is the same after the loop if no update that runs later than its read, in this iteration of the
    loops around or in a later one, is of that element. Indices are compared as sums over loop indices.

    Where two loops in one save elements of the same array, and one of them saves all from the first on in their order,
    the other need not save what is among these.
    """
    return _Final(Ranges.of_block(block), _Readers.of_block(block)).block(block)


@dataclass(eq=False, slots=True)
class _Step:
    """Where an operation stands in a loop nest: its place in the order of the text, and the loops around it."""

    order: int
    loops: tuple[For, ...]


@dataclass(eq=False)
class _Saved:
    """What a nest stacks: the element of `array` at `index`, then what `ops` make of it, the last first."""

    loops: tuple[For, ...]
    index: Sequence[Size]
    array: Value
    ops: Sequence[Apply]


@dataclass(eq=False)
class _Final:
    ranges: Ranges
    readers: _Readers
    replaced: dict[Value, _Saved] = field(default_factory=dict)
    rows: dict[Value, tuple[_Saved, tuple[Atom, ...]]] = field(default_factory=dict)

    def block(self, block: Block) -> Block:
        """Return a block after the pass."""
        for node in block.nodes:
            if isinstance(node, For) and node.stacked:
                self._nest(block, node)
        nodes: list[Node] = []
        for node in block.nodes:
            if isinstance(node, Apply):
                nodes += self._read(node)
            else:
                nodes.append(with_blocks(node, tuple(map(self.block, blocks_of(node)))))
        return replace(block, nodes=nodes)

    def _nest(self, block: Block, loop: For) -> None:
        """Find what a nest saves that stands in its results."""
        nest = _Nest(loop, self.ranges)
        for k, stack in enumerate(loop.stacked, len(loop.outs)):
            found = next(nest.saved(k), None)
            if found is not None and self.readers.only_elements(stack, len(found.loops)):
                self.replaced[stack] = found
        left = {k: s for k, s in enumerate(loop.stacked, len(loop.outs)) if s not in self.replaced}
        read: set[Value] = set()
        for k, stack in list(left.items()):
            found = nest.twice(k, [j for j in left if j != k])
            if found is not None and stack not in read and self.readers.only_elements(stack, len(found.loops)):
                self.replaced[stack] = found
                read.add(found.array)
                del left[k]

    def _read(self, node: Apply) -> list[Node]:
        """Return what replaces a gather from a stack, or from a row of one."""
        source = node.args[0] if node.op.name == "gather" else None
        if not isinstance(source, Value) or not (source in self.replaced or source in self.rows):
            return [node]
        saved, before = self.rows[source] if source in self.rows else (self.replaced[source], ())
        index = (*before, *node.args[1:])
        if len(index) < len(saved.loops):
            self.rows[node.out] = (saved, index)
            return [node]
        nodes: list[Node] = []
        symbols = {str(self.ranges.of(f.body.params[0])): a for f, a in zip(saved.loops, index, strict=True)}
        place = [self._computed(size, symbols, nodes, node) for size in saved.index]
        attrs = {"selection": tuple(range(len(place)))}
        value = Value(node.out.type)
        nodes.append(Apply(OPS["gather"], (saved.array, *place), attrs, (value,), node.loc))
        for op in reversed(saved.ops):
            args = tuple(a if isinstance(a, Const) else value for a in op.args)
            value = Value(node.out.type)
            nodes.append(replace(op, args=args, outs=(value,), loc=node.loc))
        last = nodes.pop()
        assert isinstance(last, Apply)
        return [*nodes, replace(last, outs=node.outs)]

    def _computed(self, size: Size, symbols: dict[str, Atom], nodes: list[Node], like: Apply) -> Atom:
        """Return the value of a polynomial, having appended what computes it."""
        if isinstance(size, int):
            return Const.of(size, INDEX)

        def append(name: str, a: Atom, b: Atom) -> Atom:
            out = Value(INDEX)
            nodes.append(Apply(OPS[name], (a, b), {}, (out,), like.loc))
            return out

        total: Atom | None = None
        for monomial, c in size.terms:
            term: Atom | None = None
            for name in monomial:
                factor = symbols.get(name) or self.ranges.values.get(name) or Const(Dim.symbol(name), INDEX)
                term = factor if term is None else append("multiply", term, factor)
            term = (
                Const.of(c, INDEX) if term is None else term if c == 1 else append("multiply", Const.of(c, INDEX), term)
            )
            total = term if total is None else append("add", total, term)
        assert total is not None
        return total


class _Nest:
    """A loop with all loops and branches in it."""

    def __init__(self, loop: For, ranges: Ranges) -> None:
        self.loop = loop
        self.ranges = ranges
        self.made: dict[Value, Node] = {}
        self.steps: dict[Node, _Step] = {}
        self.inside: set[Value] = set()
        self._enter(loop, ())
        self.fresh = 0

    def _enter(self, node: Node, loops: tuple[For, ...]) -> None:
        loops = (*loops, node) if isinstance(node, For) else loops
        for block in blocks_of(node):
            self.inside.update(block.params)
            for each in block.nodes:
                self.steps[each] = _Step(len(self.steps), loops)
                self.made.update(dict.fromkeys(outs_of(each), each))
                self.inside.update(outs_of(each))
                self._enter(each, loops)

    def saved(self, k: int) -> Iterator[_Saved]:
        """Yield what result `k` of the body stacks, where it is an element that keeps its value to the end."""
        loops, ops, atom = self._stacked(k)
        for node in loops[-1].body.nodes:
            if atom.shape or not isinstance(node, Apply) or atom not in (*node.outs, *node.args[1:2]):
                continue
            if node.op.name == "gather" and node.outs[0] is atom:
                array, place = node.args[0], node.args[1:]
            elif node.op.name == "index_set" and node.args[1] is atom:
                array, place = node.outs[0], node.args[2:]
            else:
                continue
            for j, out in enumerate(self.loop.outs):
                if out.shape and out.type == array.type and (index := self._lasting(j, array, node, place)) is not None:
                    yield _Saved(loops, index, out, ops)

    def twice(self, k: int, others: Sequence[int]) -> _Saved | None:
        """Return where what result `k` of the body stacks stands in the stack of one of the `others`, if it does."""
        loops, ops, atom = self._stacked(k)
        read = self._read_in(loops[-1], atom)
        if read is None:
            return None
        array, place = read.args[0], read.args[1:]
        for j in others:
            loops_j, ops_j, atom_j = self._stacked(j)
            read_j = self._read_in(loops_j[-1], atom_j)
            if ops_j or loops_j[:-1] != loops[:-1] or read_j is None or read_j.args[0] is not array:
                continue
            pairs = list(zip(place, read_j.args[1:], strict=True))
            own = loops_j[-1].body.params[0]
            moving = [a for a, b in pairs if b is own]
            fixed = [(self.ranges.of(a), self.ranges.of(b)) for a, b in pairs if b is not own]
            if len(moving) != 1 or any(a != b for a, b in fixed):
                continue
            index = [*(self.ranges.of(f.body.params[0]) for f in loops[:-1]), self.ranges.of(moving[0])]
            if self._is_of(index, loops) and self.ranges.inside(moving[0], self.ranges.of(loops_j[-1].trip)):
                return _Saved(loops, index, self.loop.stacked[j - len(self.loop.outs)], ops)
        return None

    def _read_in(self, loop: For, atom: Atom) -> Apply | None:
        """Return what reads an element in a loop, from an array that does not change there."""
        node = self.made.get(atom) if isinstance(atom, Value) else None
        if not isinstance(node, Apply) or node.op.name != "gather" or not self._is_element(node):
            return None
        changing = {*loop.body.params, *(out for n in loop.body.nodes for out in outs_of(n))}
        return node if node in loop.body.nodes and node.args[0] not in changing else None

    def _is_element(self, node: Apply) -> bool:
        return self._index(node.args[1:], node.args[0].type) is not None

    def _stacked(self, k: int) -> tuple[tuple[For, ...], list[Apply], Atom]:
        """Return the loops around what result `k` of the body stacks, what is made of it there, and from what."""
        loops: tuple[For, ...] = (self.loop,)
        atom = self.loop.body.results[k]
        while isinstance(atom, Value) and isinstance(inner := self.made.get(atom), For) and atom in inner.stacked:
            atom = inner.body.results[len(inner.outs) + inner.stacked.index(atom)]
            loops = (*loops, inner)
        ops: list[Apply] = []
        while (op := self._made_of_one(atom)) is not None:
            ops.append(op)
            (atom,) = (a for a in op.args if not isinstance(a, Const))
        return loops, ops, atom

    def _made_of_one(self, atom: Atom) -> Apply | None:
        """Return the operation that makes a scalar of another and constants, if it is cheap."""
        node = self.made.get(atom) if isinstance(atom, Value) else None
        if not isinstance(node, Apply) or node.op.name not in _CHEAP or node.out.shape:
            return None
        others = [a for a in node.args if not isinstance(a, Const)]
        return node if len(others) == 1 and others[0].type.dtype == node.out.type.dtype else None

    def _lasting(self, k: int, array: Atom, node: Apply, place: Sequence[Atom]) -> list[Size] | None:
        """Return the index at which `node` reads or writes carry `k`, if no later update is of that element."""
        updates: list[Apply] = []
        versions: set[Atom] = {self.loop.body.params[k + 1]}
        if self._back(self.loop.body, self.loop.body.results[k], updates, versions) is not self.loop.body.params[k + 1]:
            return None
        index = self._index(place, array.type)
        if array not in versions or index is None or not self._is_of(index, self.steps[node].loops):
            return None
        for update in updates:
            other = self._index(update.args[2:], array.type)
            if other is None or not self._is_of(other, self.steps[update].loops):
                return None
            if not self._apart(index, self.steps[node], other, self.steps[update]):
                return None
        return index

    def _back(self, block: Block, atom: Atom, updates: list[Apply], versions: set[Atom]) -> Atom | None:
        """Return the value from outside of a block that becomes `atom` by updates of elements, collecting these."""
        made = {out: n for n in block.nodes for out in outs_of(n)}
        while isinstance(atom, Value) and atom in made:
            node = made[atom]
            versions.add(atom)
            match node:
                case Apply() if node.op.name in ("index_set", "index_add"):
                    updates.append(node)
                    atom = node.args[0]
                case For() if atom in node.outs:
                    j = node.outs.index(atom)
                    param = node.body.params[j + 1]
                    if self._back(node.body, node.body.results[j], updates, versions) is not param:
                        return None
                    versions.add(param)
                    atom = node.init[j]
                case If():
                    j = node.outs.index(atom)
                    starts = [self._back(b, b.results[j], updates, versions) for b in (node.then, node.orelse)]
                    if starts[0] is None or starts[0] is not starts[1]:
                        return None
                    atom = starts[0]
                case _:
                    return None
        versions.add(atom)
        return atom

    def _index(self, place: Sequence[Atom], type: ArrayType) -> list[Size] | None:
        """Return the index of one element, if it lies within the array and counts from its start."""
        if len(place) != type.ndim or any(a.shape for a in place):
            return None
        return list(map(self.ranges.of, place)) if all(map(self.ranges.inside, place, type.shape)) else None

    def _is_of(self, index: Sequence[Size], loops: Sequence[For]) -> bool:
        """Tell whether an index, and the trips of the loops around it, depend on the indices of those loops only."""
        own = {f.body.params[0] for f in loops}
        sizes = [*index, *(self.ranges.of(f.trip) for f in loops)]
        found = [self.ranges.values.get(s) for n in sizes if isinstance(n, Dim) for s in n.symbols]
        return all(v is None or v in own or v not in self.inside for v in found)

    def _apart(self, index: Sequence[Size], read: _Step, other: Sequence[Size], update: _Step) -> bool:
        """Tell whether no update that comes later is of the element at `index`."""
        common = 0
        for a, b in zip(read.loops, update.loops, strict=False):
            if a is not b:
                break
            common += 1
        if update.order > read.order and not self._differ(index, other, update.loops, common):
            return False
        return all(self._differ(index, other, update.loops, level, later=True) for level in range(common))

    def _differ(
        self, index: Sequence[Size], other: Sequence[Size], loops: Sequence[For], level: int, *, later: bool = False
    ) -> bool:
        """Tell whether two indices differ: the indices of the outer `level` loops are those of the read, that of the
        next one is `later`, the others are any.
        """
        ranges = self.ranges
        values: dict[str, Size] = {}
        for depth, loop in enumerate(loops[level:], level):
            own = ranges.of(loop.body.params[0])
            trip = _substituted(ranges.of(loop.trip), values)
            self.fresh += 1
            name = f"later{self.fresh}"
            if later and depth == level:
                values[str(own)] = own + 1 + ranges.variable(name, trip - 1 - own)
            else:
                values[str(own)] = ranges.variable(name, trip)
        for a, b in zip(index, other, strict=True):
            there = _substituted(b, values)
            if ranges.at_least(a - there, 1) or ranges.at_least(there - a, 1):
                return True
        return False


def _substituted(size: Size, values: dict[str, Size]) -> Size:
    if isinstance(size, int):
        return size
    return size.substitute({s: values.get(s, Dim.symbol(s)) for s in size.symbols})


@dataclass(eq=False, slots=True)
class _Readers:
    """The nodes that read each value, and the values that blocks give as results."""

    nodes: dict[Value, list[Node]] = field(default_factory=lambda: defaultdict(list))
    results: set[Atom] = field(default_factory=set)

    @staticmethod
    def of_block(block: Block) -> _Readers:
        """Return the readers of all values of a program."""
        found = _Readers()

        def visit(each: Block) -> None:
            for node in each.nodes:
                for atom in args_of(node):
                    if isinstance(atom, Value):
                        found.nodes[atom].append(node)
                for inner in blocks_of(node):
                    visit(inner)
            found.results.update(each.results)

        visit(block)
        return found

    def only_elements(self, stack: Value, depth: int) -> bool:
        """Tell whether all that is read of a stack is single elements, one index after the other."""
        if stack in self.results:
            return False
        for node in self.nodes.get(stack, ()):
            if not isinstance(node, Apply) or node.op.name != "gather" or stack in node.args[1:]:
                return False
            taken = len(node.args) - 1
            leading = (*range(taken), *((0, 1, n) for n in stack.shape[taken:]))
            if node.attrs["selection"] != leading or any(a.shape for a in node.args[1:]):
                return False
            if taken < depth and not self.only_elements(node.out, depth - taken):
                return False
        return True
