"""What one point of an iteration space computes: a graph of elements, each a scalar expression over others.

An element is a value at an index. Its expression, and its index where that is computed, refer to other elements by
tokens (``_e12_``), so that one element is one node however often it is used, and no text grows before it is placed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from jitdiff.codegen.terms import Extents, canonical, monomials
from jitdiff.codegen.text import dtype_text, fill_text, literal, typed
from jitdiff.errors import UnsupportedError
from jitdiff.ir import Apply, Atom, Const, Dim, Shape, Value
from jitdiff.ir.location import describe
from jitdiff.ops.emission import Element, Emission, Index, Site, Write, Writes, broadcast_index
from jitdiff.ops.ranges import Ranges
from jitdiff.ops.table import Op

TOKEN = re.compile(r"_e(\d+)_")
_CHECK = re.compile(r"check_index\((_e(\d+)_), .*\)")
_NAMES = re.compile(r"[A-Za-z_]\w*")

At = tuple[str, ...]


def tokens(text: str) -> list[int]:
    """Return the elements that a text refers to, as often as it does."""
    return [int(m) for m in TOKEN.findall(text)]


def emission_of(node: Apply) -> Emission:
    """Return how a node appears in text."""
    assert isinstance(node.op, Op)
    if node.op.emission is None:
        raise UnsupportedError(f"{node.op.name} cannot be compiled", where=describe(node.loc))
    return node.op.emission


def site_of(node: Apply) -> Site:
    """Return what the emission of a node is told of it."""
    return Site(tuple(a.type for a in node.args), node.outs[0].type, node.attrs)


def _chosen(text: str) -> frozenset[int]:
    """Return the elements that stand in the branches of conditional expressions."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(node, ast.IfExp):
            found.update(t for branch in (node.body, node.orelse) for t in tokens(ast.unparse(branch)))
    return frozenset(found)


def _is_zero(atom: Atom) -> bool:
    return (
        isinstance(atom, Const) and atom.type.dtype.kind in "iu" and not isinstance(atom.value, Dim) and not atom.value
    )


@dataclass(frozen=True, slots=True)
class _Affine:
    """An integer as a polynomial, to be compared, and as text."""

    size: int | Dim
    text: str

    def plus(self, other: _Affine) -> _Affine:
        return _Affine(self.size + other.size, f"{self.text} + {other.text}")

    def times(self, other: _Affine) -> _Affine:
        return _Affine(self.size * other.size, f"({self.text}) * ({other.text})")


class NotSpread(Exception):
    """A value kept in scalars is read at an index that only the running program knows."""

    def __init__(self, value: Value) -> None:
        super().__init__(value)
        self.value = value


@dataclass(eq=False, slots=True)
class Node:
    """A value at an index.

    Parameters
    ----------
    atom : Value or Const
        The value.
    index : tuple of str
        The index, in normal form.
    text : str
        Expression that computes it, empty if it can only be read.
    guarded : frozenset of int
        Elements in `text` that must not be computed unless a condition in it holds.
    chosen : frozenset of int
        Elements in `text` that a condition chooses between.
    """

    atom: Atom
    index: At
    text: str = ""
    guarded: frozenset[int] = frozenset()
    chosen: frozenset[int] = frozenset()

    @property
    def index_tokens(self) -> list[int]:
        """Elements that the index is computed from."""
        return [t for term in self.index for t in tokens(term)]


@dataclass(eq=False)
class Elements:
    """The elements met in one iteration space.

    Parameters
    ----------
    variables : tuple of str
        Loop variables, outermost first.
    extents : mapping
        Their numbers of values.
    ranges : Ranges
        Bounds of scalars.
    """

    variables: tuple[str, ...]
    extents: Extents
    ranges: Ranges
    nodes: list[Node] = field(default_factory=list)
    _tables: dict[Apply, dict[At, str]] = field(default_factory=dict)
    _ids: dict[object, int] = field(default_factory=dict)
    _defined: set[int] = field(default_factory=set)

    def at(self, atom: Atom, index: Index) -> int:
        """Return the element of `atom` at `index`."""
        where = self.index(index, atom.shape)
        key = (atom.key if isinstance(atom, Const) else atom, where)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self.nodes)
            self.nodes.append(Node(atom, where, literal(atom) if isinstance(atom, Const) else ""))
        return found

    def index(self, index: Index, shape: Shape) -> At:
        """Return the normal form of an index into an array of this shape, without checks that cannot fail."""
        return tuple(self._checked(canonical(t, self.extents), n) for t, n in zip(index, shape, strict=True))

    def _checked(self, term: str, size: int | Dim) -> str:
        match = _CHECK.fullmatch(term)
        if match is None:
            return term
        element = int(match[2])
        atom = self.nodes[element].atom
        known = self._affine(element) if atom.shape else _Affine(self.ranges.of(atom), match[1])
        if known is None:
            return term
        if self.ranges.within(known.size, size):
            return canonical(known.text, self.extents)
        return canonical(f"{known.text} + {size}", self.extents) if self.ranges.from_end(known.size, size) else term

    def _affine(self, element: int) -> _Affine | None:
        """Return an element of an array of positions as a sum over loop variables and sizes, if it is one."""
        node = self.nodes[element]
        if isinstance(node.atom, Const):
            size = self.ranges.of(node.atom)
            return _Affine(size, str(size))
        definition = self.ranges.definitions.get(node.atom)
        if definition is None or node.atom.type.dtype != np.int64:
            return None
        if isinstance(emission := emission_of(definition), Element) and emission.moves:
            match = TOKEN.fullmatch(self.define(element, definition).text)
            return None if match is None else self._affine(int(match[1]))
        if definition.op.name not in ("arange", "add", "subtract", "negative", "multiply"):
            return None
        operands = [
            self._affine(self.at(a, broadcast_index(node.index, a.shape))) if isinstance(a, Const) or a.shape else None
            for a in definition.args
        ]
        match definition.op.name, operands:
            case "arange", [_Affine() as start]:
                position = self._of_variables(node.index[0])
                return None if position is None else position.plus(start)
            case "add", [_Affine() as a, _Affine() as b]:
                return a.plus(b)
            case "subtract", [_Affine() as a, _Affine() as b]:
                return a.plus(b.times(_Affine(-1, "-1")))
            case "negative", [_Affine() as a]:
                return a.times(_Affine(-1, "-1"))
            case "multiply", [_Affine() as a, _Affine() as b]:
                return a.times(b)
        return None

    def _of_variables(self, term: str) -> _Affine | None:
        """Return a coordinate that is a sum over loop variables of this space and sizes."""
        total: int | Dim = 0
        for names, factor in monomials(term):
            part: int | Dim = factor
            for name in names:
                if name in self.extents:
                    part = part * self.ranges.variable(name, self.extents[name])
                elif name in self.sizes:
                    part = part * Dim.symbol(name)
                else:
                    return None
            total = total + part
        return _Affine(total, term)

    @property
    def sizes(self) -> frozenset[str]:
        """Names of the symbolic sizes of this space."""
        return frozenset(s for n in self.extents.values() if isinstance(n, Dim) for s in n.symbols)

    def define(self, element: int, node: Apply) -> Node:
        """Give the element its expression, `node` being what computes its value."""
        have = self.nodes[element]
        if element not in self._defined:
            self._defined.add(element)
            emission, site = emission_of(node), site_of(node)
            if isinstance(emission, Writes):
                have.text = self._written(node, have.index)
                return have
            assert isinstance(emission, Element)
            guarded: set[int] = set()

            def read(operand: int, index: Index) -> str:
                if _is_zero(node.args[operand]):
                    return "0"
                child = self.at(node.args[operand], index)
                if any(not isinstance(t, int | Dim) and str(t) not in have.index for t in index):
                    guarded.add(child)
                return f"_e{child}_"

            text = emission.expression(have.index, read, site)
            have.text = text if emission.moves else typed(text, site.out.dtype)
            if " if " in text:
                have.chosen = _chosen(text)
                have.guarded = frozenset(guarded)
        return have

    def _written(self, node: Apply, index: At) -> str:
        """Return the text of an element of a small array that an op writes, its loops written out."""
        if node not in self._tables:
            fill, writes = emission_of(node).plan(site_of(node))  # type: ignore[union-attr]
            table: dict[At, str] = {}
            if fill is not None:
                start = fill_text(fill, node.out.type)
                table = {tuple(map(str, at)): start for at in product(*(range(int(n)) for n in node.out.shape))}
            for write in writes:
                for at in product(*(range(int(n)) for n in write.space)):
                    target, text = self.write(node, write, at)
                    combine = typed(write.combine, node.out.type.dtype)
                    start = table.get(target, "")
                    neutral = write.combine == "{0} + {1}" and start in ("0.0", "0")
                    table[target] = text if neutral else combine.format(f"({start})", f"({text})")
            self._tables[node] = table
        if index not in self._tables[node]:
            raise NotSpread(node.out)
        return self._tables[node][index]

    def write(self, node: Apply, write: Write, at: Index) -> tuple[At, str]:
        """Return the index that a write goes to and the text of its value."""
        site = site_of(node)

        def read(operand: int, index: Index) -> str:
            return f"_e{self.at(node.args[operand], index)}_"

        target = self.index(write.target(at, read), site.out.shape)
        text = typed(write.value(at, read), site.out.dtype)
        if write.combine != "{1}" and site.types[0].dtype != site.out.dtype:
            # Bools and narrow integers are not to be added up as what they are.
            text = f"{dtype_text(site.out.dtype)}({text})"
        return target, text

    def variables_of(self, text: str) -> frozenset[str]:
        """Return the loop variables that stand in a text."""
        return frozenset(_NAMES.findall(text)).intersection(self.variables)


@dataclass(eq=False)
class Reach:
    """The elements that some texts need, each after those it is computed from.

    Parameters
    ----------
    elements : Elements
        The graph.
    is_read : callable
        ``is_read(node)`` tells whether an element is read from where its value is stored rather than computed.
    definitions : mapping
        The node of the program that computes each value.
    """

    elements: Elements
    is_read: Callable[[Node], bool]
    definitions: Mapping[Value, Apply]
    order: list[int] = field(default_factory=list)
    children: dict[int, list[int]] = field(default_factory=dict)
    depends: dict[int, frozenset[str]] = field(default_factory=dict)

    def add(self, texts: Iterable[str]) -> None:
        """Reach everything that `texts` refer to."""
        for text in texts:
            for root in tokens(text):
                self._visit(root)

    def _visit(self, root: int) -> None:
        stack = [(root, False)]
        while stack:
            element, done = stack.pop()
            if done:
                if element not in self.depends:
                    self._finish(element)
            elif element not in self.children:
                children = self._expand(element)
                self.children[element] = children
                stack.append((element, True))
                stack.extend((child, False) for child in reversed(children))

    def _expand(self, element: int) -> list[int]:
        node = self.elements.nodes[element]
        if isinstance(node.atom, Const):
            return []
        if self.is_read(node):
            return node.index_tokens
        return tokens(self.elements.define(element, self.definitions[node.atom]).text)

    def _finish(self, element: int) -> None:
        node = self.elements.nodes[element]
        text = "" if isinstance(node.atom, Const) else " ".join(node.index) if self.is_read(node) else node.text
        depends = self.elements.variables_of(text)
        self.depends[element] = depends.union(*(self.depends[c] for c in self.children[element]))
        self.order.append(element)

    def strict(self, texts: Iterable[str]) -> set[int]:
        """Return the elements that are computed whatever the conditions on the way to them are."""
        found: set[int] = set()
        stack = [t for text in texts for t in tokens(text)]
        while stack:
            element = stack.pop()
            if element in found:
                continue
            found.add(element)
            node = self.elements.nodes[element]
            guarded = node.guarded if node.text and not self._reads(node) else frozenset()
            stack.extend(c for c in self.children[element] if c not in guarded)
        return found

    def _reads(self, node: Node) -> bool:
        return isinstance(node.atom, Const) or self.is_read(node)


def spaced(shape: Shape, variables: Iterable[str]) -> tuple[Shape, Index]:
    """Return the space of the axes of `shape` that are longer than 1, and the index of its points in the whole.

    Examples
    --------
    >>> spaced((3, 1, 4), "ij")
    ((3, 4), ('i', 0, 'j'))
    """
    names = iter(variables)
    at: Index = tuple(0 if n == 1 else next(names) for n in shape)
    return tuple(n for n in shape if n != 1), at
