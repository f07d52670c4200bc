"""The text of one loop nest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from jitdiff.codegen.cost import reach_of
from jitdiff.codegen.elements import TOKEN, At, tokens
from jitdiff.codegen.items import Group, Root
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.terms import canonical, flattened
from jitdiff.codegen.text import Stmt, fill_text, literal, normal, typed
from jitdiff.ir import Const, Location, Shape, Value, product

_WIDTH = 100
"""Longer expressions are broken up."""

_LONG = 64
"""Length from which an inner loop is worth being one."""


def emit_nest(
    program: Program, group: Group, place_of: Callable[[Root], Place], overwritten: frozenset[Value]
) -> list[Stmt]:
    """Return the statements of a nest.

    Parameters
    ----------
    program : Program
        The program.
    group : Group
        The roots.
    place_of : callable
        Gives where a root writes to.
    overwritten : frozenset of Value
        Values whose place is written to here: their elements are read before anything is stored.
    """
    return _Nest(program, group, place_of, overwritten).emit()


class _Nest:
    def __init__(
        self, program: Program, group: Group, place_of: Callable[[Root], Place], overwritten: frozenset[Value]
    ) -> None:
        self.program = program
        self.roots = group.roots
        self.place_of = place_of
        self.overwritten = overwritten
        self.elements = program.elements(self.roots[0].space)
        self.depth = len(self.elements.variables)
        self.reach = reach_of(program, self.elements, self.roots)
        self.before: list[list[Stmt]] = [[] for _ in range(self.depth + 1)]
        self.after: list[list[Stmt]] = [[] for _ in range(self.depth + 1)]
        self.text: dict[int, str] = {}
        self.named: set[int] = set()
        self.flat = self._is_flat()
        self.views: dict[str, str] = {}

    def emit(self) -> list[Stmt]:
        if 0 in self.elements.extents.values():
            return self._fills()
        self._count()
        scalars = {
            int(r.text[2:-1]): p.element(r.at)
            for r in self.roots
            if r.stores and ((p := self.place_of(r)).spread is not None or not p.type.shape)
        }
        for element in scalars:
            # What only gets another name is not named before.
            alone = TOKEN.fullmatch(self.elements.nodes[element].text)
            if alone is not None and self.uses[int(alone[1])] == 1:
                self.forced.discard(int(alone[1]))
        for element in self.reach.order:
            self._element(element, scalars.get(element))
        for root in self.roots:
            if root.write is None:
                if not (root.stores and int(root.text[2:-1]) in scalars):
                    self._assign(self.depth, self._located(self.place_of(root), root.target), root.text, root)
            else:
                self._write(root)
        return self._loops()

    def _fills(self) -> list[Stmt]:
        """Return what is left of a nest without points."""
        for root in self.roots:
            if root.fill is not None and root.node is not None:
                place = self.place_of(root)
                self._fill(place, fill_text(root.fill, place.type), root.node.loc)
        return self.before[0]

    # Where elements are needed, and how often.

    def _level(self, names: frozenset[str]) -> int:
        return max((self.elements.variables.index(v) + 1 for v in names), default=0)

    def _count(self) -> None:
        reach = self.reach
        texts = [text for root in self.roots for text in root.texts]
        self.strict = reach.strict(texts)
        self.level = {e: self._level(reach.depends[e]) for e in reach.order}
        self.uses = Counter(c for e in reach.order for c in reach.children[e])
        self.uses.update(t for text in texts for t in tokens(text))
        self.needed = dict.fromkeys(reach.order, 0)
        self.forced: set[int] = set()
        for root in self.roots:
            for t in tokens(root.text):
                self.needed[t] = self.depth
            level = self._target_level(root) if root.write and root.write.combine != "{1}" else self.depth
            for term in root.target:
                for t in tokens(term):
                    self.needed[t] = max(self.needed[t], level)
        # A single statement reads all before it stores.
        stores = [r.write for r in self.roots if r.write is not None or r.value.shape]
        alone = len(stores) == 1 and (self.depth == 0 or stores[0] is None or stores[0].combine == "{1}")
        for e in reversed(reach.order):
            node = self.elements.nodes[e]
            level = self.level[e] if e in self.strict else self.needed[e]
            for child in reach.children[e]:
                self.needed[child] = max(self.needed[child], level)
                if child in node.chosen and child not in node.guarded and not reach.is_read(node):
                    # What a choice is between is computed first, so that the choice is an instruction and no branch.
                    self.forced.add(child)
            if node.atom in self.overwritten and reach.is_read(node) and not alone:
                self.forced.add(e)

    def _target_level(self, root: Root) -> int:
        names = frozenset().union(*(self.elements.variables_of(term) for term in root.target))
        return self._level(names.union(*(self.reach.depends[t] for term in root.target for t in tokens(term))))

    # One loop over everything instead of one for each axis.

    def _is_flat(self) -> bool:
        """Tell whether all arrays are gone through in the order of their memory, along rows that are not long."""
        extents = list(self.elements.extents.values())
        if self.depth < 2 or (isinstance(extents[-1], int) and extents[-1] >= _LONG):
            return False
        for e in self.reach.order:
            node = self.elements.nodes[e]
            if self.reach.is_read(node) and not isinstance(node.atom, Const):
                if self.reach.depends[e] and not self._is_whole(node.index, node.atom.shape):
                    return False
            elif self.elements.variables_of(node.text):
                return False
        return all(
            self._is_whole(root.target, root.value.shape) if root.value.shape else root.write is not None
            for root in self.roots
        )

    def _is_whole(self, index: At, shape: Shape) -> bool:
        """Tell whether the loops go over all of an array of this shape, in order."""
        spans = [n for n in shape if n != 1] == list(self.elements.extents.values())
        return spans and tuple(term for term in index if term != "0") == self.elements.variables

    def _located(self, place: Place, index: At) -> str:
        """Return the text of an element of a place."""
        if self.flat and self.elements.variables_of(" ".join(index)):
            return f"{self._view(place)}[{self.elements.variables[0]}]"
        if any("//" in term or "%" in term for term in index) and place.spread is None:
            position = flattened(index, place.type.shape, self.elements.extents)
            if "//" not in position and "%" not in position:
                return f"{self._view(place)}[{position}]"
        return place.element(index)

    def _view(self, place: Place) -> str:
        """Return the name of a place seen as one row."""
        if place.whole not in self.views:
            name = self.views[place.whole] = self.program.view(place)
            size = canonical(place.type.size, {})
            self.before[0].insert(0, Stmt(f"{name} = {place.whole}.reshape({size})"))
        return self.views[place.whole]

    @property
    def _size(self) -> str:
        return canonical(product(tuple(self.elements.extents.values())), {})

    # Elements.

    def _element(self, element: int, scalar: str | None) -> None:
        node = self.elements.nodes[element]
        if isinstance(node.atom, Const):
            self.text[element] = literal(node.atom)
            return
        if self.reach.is_read(node):
            place = self.program.places[node.atom]
            text = self._located(place, tuple(self._filled(term) for term in node.index))
            plain = text.isidentifier()
        else:
            text, plain = self._filled(node.text), False
        self.text[element] = text
        several = self.uses[element] > 1 or self.level[element] < self.needed[element] or element in self.forced
        if scalar is not None or (several and not plain and element in self.strict and not self._is_literal(text)):
            self._name(element, scalar)

    def _is_literal(self, text: str) -> bool:
        return (text.startswith("(") and self._is_literal(text[1:-1])) or text.replace(".", "", 1).isdigit()

    def _name(self, element: int, name: str | None = None) -> None:
        """Compute an element into a local scalar."""
        node = self.elements.nodes[element]
        local = name or self.program.local(node.atom, node.index)
        if self.text[element] != local:
            self._statement(self.before[self.level[element]], local, self.text[element], self._loc(node.atom))
        self.text[element] = local
        self.named.add(element)

    def _filled(self, text: str) -> str:
        """Put the texts of elements in for their tokens, naming some first where that would get too long."""
        inside = list(dict.fromkeys(tokens(text)))
        while sum(len(self.text[t]) + 2 for t in inside) > _WIDTH:
            longest = max(inside, key=lambda t: len(self.text[t]))
            if longest not in self.strict or len(self.text[longest]) < 24 or longest in self.named:
                break
            self._name(longest)
        return TOKEN.sub(lambda m: self._operand(self.text[int(m[1])]), text)

    @staticmethod
    def _operand(text: str) -> str:
        return text if text.isidentifier() else f"({text})"

    def _loc(self, atom: object) -> Location | None:
        node = self.program.definitions.get(atom) if isinstance(atom, Value) else None
        return node.loc if node else None

    # Stores.

    def _statement(self, where: list[Stmt], target: str, text: str, loc: Location | None) -> None:
        where.append(Stmt(normal(f"{target} = {text}"), loc))

    def _assign(self, level: int, target: str, text: str, root: Root) -> None:
        alone = TOKEN.fullmatch(text)
        filled = self.text[int(alone[1])] if alone else self._filled(text)
        self._statement(self.before[level], target, filled, root.node.loc if root.node else None)

    def _write(self, root: Root) -> None:
        assert root.write is not None
        assert root.node is not None
        place, loc = self.place_of(root), root.node.loc
        target = tuple(self._filled(term) for term in root.target)
        level = self._target_level(root)
        fill = None if root.fill is None else fill_text(root.fill, place.type)
        if root.write.combine == "{1}":
            if fill is not None and not self._covers(root, self.depth):
                self._fill(place, fill, loc)
            self._assign(self.depth, self._located(place, target), root.text, root)
            return
        if level == self.depth and place.type.shape:
            total = self._located(place, target)
            if fill is not None:
                self._fill(place, fill, loc)
        elif not place.type.shape:
            total = place.name
            if fill is not None:
                self._statement(self.before[0], total, fill, loc)
        else:
            total = self.program.local(root.value, root.target)
            start = fill if fill is not None and self._covers(root, level) else place.element(target)
            if fill is not None and start != fill:
                self._fill(place, fill, loc)
            self._statement(self.before[level], total, start, loc)
            self._statement(self.after[level], place.element(target), total, loc)
        combined = typed(root.write.combine, place.type.dtype).format(total, f"({root.text})")
        self._assign(self.depth, total, combined, root)

    def _fill(self, place: Place, fill: str, loc: Location | None) -> None:
        if place.type.shape:
            self.before[0].insert(0, Stmt(f"{place.element((':',))} = {fill}", loc))
        else:
            self._statement(self.before[0], place.whole, fill, loc)

    def _covers(self, root: Root, level: int) -> bool:
        """Tell whether each element is the target of exactly one point of the outer `level` loops."""
        variables = self.elements.variables[:level]
        wanted: list[str] = []
        for term, size in zip(root.target, root.value.shape, strict=True):
            if size == 1 and term == "0":
                continue
            if term not in variables or self.elements.extents[term] != size:
                return False
            wanted.append(term)
        return sorted(wanted) == sorted(variables)

    # Loops.

    def _loops(self) -> list[Stmt]:
        loc = next((r.node.loc for r in self.roots if r.node and r.node.loc), None)
        body = self.before[self.depth] + self.after[self.depth]
        if self.flat:
            head = f"for {self.elements.variables[0]} in range({self._size}):"
            return [*self.before[0], Stmt(head, loc, body), *self.after[0]]
        for level in range(self.depth - 1, -1, -1):
            variable = self.elements.variables[level]
            loop = Stmt(f"for {variable} in range({self.elements.extents[variable]}):", loc, body)
            body = [*self.before[level], loop, *self.after[level]]
        return body
