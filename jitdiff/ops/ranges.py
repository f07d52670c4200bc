"""What is known of integer scalars: sums over loop indices and sizes, so that an index proves to need no check.

A scalar is a polynomial over *symbols*: sizes, loop indices, and values of which no more is known than bounds. That
``low <= index`` is shown by replacing symbols with their bounds, those of inner loops first, until a number is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from jitdiff.ir import Apply, Atom, Block, Const, Dim, For, Value, While, blocks_of, outs_of

Size = int | Dim

_LARGEST = 2**31
"""Largest factor in a polynomial that is believed: larger numbers may wrap around where the program runs."""

_VARIABLES = 2**40
"""Order of variables that are no values: replaced before all values, the last one first."""

_DEPTH = 12
"""How many symbols are replaced before a proof is given up."""


@dataclass(eq=False, slots=True)
class _Symbol:
    """A symbol with the bounds that it never leaves, and its place in the program."""

    order: float
    low: list[Size] = field(default_factory=list)
    high: list[Size] = field(default_factory=list)


@dataclass(eq=False)
class Ranges:
    """Polynomials and bounds of integer scalars.

    Parameters
    ----------
    definitions : mapping
        The operation that computes each value.
    loops : mapping
        The loop that each value is a parameter of, or counts the trips of.
    order : mapping
        Position of each value in the program, those inside a loop after those around it.

    Attributes
    ----------
    values : dict
        The value that each symbol stands for, by its name.
    """

    definitions: Mapping[Value, Apply]
    loops: Mapping[Value, For | While]
    order: Mapping[Value, int]
    values: dict[str, Value] = field(default_factory=dict)
    _known: dict[Value, Size] = field(default_factory=dict)
    _symbols: dict[str, _Symbol] = field(default_factory=dict)
    _variables: dict[str, Dim] = field(default_factory=dict)
    _trips: dict[str, Atom] = field(default_factory=dict)

    @staticmethod
    def of_block(block: Block) -> Ranges:
        """Return what is known of the scalars of a program."""
        definitions: dict[Value, Apply] = {}
        loops: dict[Value, For | While] = {}
        order: dict[Value, int] = {}

        def visit(each: Block) -> None:
            for value in (*each.params, *(out for node in each.nodes for out in outs_of(node))):
                order[value] = len(order)
            for node in each.nodes:
                if isinstance(node, Apply):
                    definitions.update(dict.fromkeys(node.outs, node))
                if isinstance(node, For | While):
                    loops.update(dict.fromkeys(node.body.params, node))
                if isinstance(node, While) and node.count is not None:
                    loops[node.count] = node
                for inner in blocks_of(node):
                    visit(inner)

        visit(block)
        return Ranges(definitions, loops, order)

    def __post_init__(self) -> None:
        for loop in dict.fromkeys(self.loops.values()):
            if isinstance(loop, For) and isinstance(loop.trip, Value) and isinstance(loop.size, Dim):
                self._trips.setdefault(str(loop.size), loop.trip)

    def inside(self, atom: Atom, size: Size) -> bool:
        """Tell whether ``0 <= atom < size`` is certain."""
        return self.within(self.of(atom), size)

    def within(self, index: Size, size: Size) -> bool:
        """Tell whether ``0 <= index < size`` is certain."""
        return self.at_least(index, 0) and self.at_least(size - 1, index)

    def from_end(self, index: Size, size: Size) -> bool:
        """Tell whether ``-size <= index < 0`` is certain."""
        return self.at_least(-1, index) and self.at_least(size + index, 0)

    def at_least(self, a: Size, b: Size) -> bool:
        """Tell whether ``a >= b`` is certain."""
        return self._is_natural(a - b, _DEPTH)

    def largest(self, size: Size, known: Collection[str]) -> Size | None:
        """Return a bound above a size, over the symbols in `known` only, if there is one."""
        trips = self._trips.get(str(size))
        found = list(self._above(size if trips is None else self.of(trips), known, _DEPTH))
        numbers = [s for s in found if isinstance(s, int)]
        if numbers:
            return max(min(numbers), 0)
        return next((s for s in found if self.at_least(s, 0)), None)

    def variable(self, name: str, extent: Size) -> Size:
        """Return the variable of a loop nest that takes `extent` values from 0."""
        key = f"__{name}_{extent}"
        if key not in self._symbols:
            self._symbols[key] = _Symbol(_VARIABLES + len(self._variables), [0], [extent - 1])
            self._variables[key] = Dim({(key,): 1})
        return self._variables[key]

    # Polynomials.

    def of(self, atom: Atom) -> Size:
        """Return a scalar as a polynomial."""
        if isinstance(atom, Const):
            value = atom.value
            return value if isinstance(value, Dim) else int(value) if atom.type.dtype.kind in "iub" else 0
        if atom not in self._known:
            self._known[atom] = self._symbol(atom)
            self._known[atom] = self._polynomial(atom)
        return self._known[atom]

    def _symbol(self, value: Value) -> Size:
        name = f"__{len(self._symbols)}"
        self._symbols[name] = _Symbol(self.order.get(value, 0))
        self.values[name] = value
        return Dim.symbol(name)

    def _polynomial(self, value: Value) -> Size:
        own = self._known[value]
        if value.shape or value.type.dtype != np.int64:
            return own
        symbol = self._symbols[str(own)]
        node = self.definitions.get(value)
        if node is not None:
            found = self._computed(node, symbol)
            return own if found is None or _is_large(found) else found
        loop = self.loops.get(value)
        if isinstance(loop, For) and loop.body.params[0] is value:
            symbol.low.append(0)
            symbol.high.append(self.of(loop.trip) - 1)
        elif isinstance(loop, While):
            if loop.count is value and loop.size is not None:
                return loop.size
            self._counter(loop, value, symbol)
        return own

    def _computed(self, node: Apply, symbol: _Symbol) -> Size | None:
        """Return the polynomial of what an operation computes, or enter bounds and return None."""
        operands = [self.of(a) for a in node.args]
        match node.op.name, operands:
            case "astype", [a] if node.args[0].type.dtype.kind == "b":
                symbol.low.append(0)
                symbol.high.append(1)
            case "astype" | "identity" | "positive", [a] if node.args[0].type.dtype == np.int64:
                return a
            case "add", [a, b]:
                return a + b
            case "subtract", [a, b]:
                return a - b
            case "negative", [a]:
                return -a
            case "multiply", [a, b]:
                return a * b
            case "minimum", [a, b]:
                if self.at_least(b, a):
                    return a
                if self.at_least(a, b):
                    return b
                symbol.high += [a, b]
                symbol.low += self._numbers_below(a, b)
            case "maximum", [a, b]:
                if self.at_least(a, b):
                    return a
                if self.at_least(b, a):
                    return b
                symbol.low += [a, b]
            case "remainder", [a, b] if self.at_least(b, 1):
                symbol.low.append(0)
                symbol.high.append(b - 1)
            case "floor_divide", [a, int() as b] if b > 0 and self.at_least(a, 0):
                symbol.low.append(0)
                most = self.largest(a, ())
                symbol.high.append(most // b if isinstance(most, int) else a)
        return None

    def _numbers_below(self, *sizes: Size) -> list[Size]:
        return [0] if all(self.at_least(s, 0) for s in sizes) else []

    def _counter(self, node: While, value: Value, symbol: _Symbol) -> None:
        """Bound a carry that only ever grows, and one that the condition of the loop keeps below something."""
        params = node.body.params
        if value not in params:
            return
        k = params.index(value)
        step = self.of(node.body.results[k]) - self.of(value)
        if self._is_natural(step, _DEPTH):
            symbol.low.append(self.of(node.init[k]))
        verdict = node.cond.results[0]
        test = self.definitions.get(verdict) if isinstance(verdict, Value) else None
        if test is None or test.op.name not in ("less", "less_equal"):
            return
        tested, bound = test.args
        outside = isinstance(bound, Const) or bound not in node.cond.params
        if tested is node.cond.params[k] and outside and bound.type.dtype.kind in "iu":
            symbol.high.append(self.of(bound) - (test.op.name == "less"))

    # Proofs.

    def _is_natural(self, size: Size, depth: int) -> bool:
        if isinstance(size, int):
            return size >= 0
        if depth == 0:
            return False
        if all(c > 0 and self._symbols.keys().isdisjoint(m) for m, c in size.terms):
            return True
        return any(self._is_natural(s, depth - 1) for s in self._replaced(size, below=True))

    def _bounds(self, name: str) -> _Symbol | None:
        """Return what is known of a symbol: a scalar, or a size that is the number of trips of a loop."""
        if name not in self._symbols and name in self._trips:
            trip = self._trips[name]
            assert isinstance(trip, Value)
            count = self.of(trip)
            exact = [count] if self.at_least(count, 0) else []
            # The size is replaced before the trip that it is compared with.
            self._symbols[name] = _Symbol(self.order.get(trip, 0) + 0.5, [count, 0], exact)
        return self._symbols.get(name)

    def _above(self, size: Size, known: Collection[str], depth: int) -> Iterator[Size]:
        if isinstance(size, int) or size.symbols.issubset(known):
            yield size
        elif depth:
            for s in self._replaced(size, below=False):
                yield from self._above(s, known, depth - 1)

    def _replaced(self, size: Dim, *, below: bool) -> Iterator[Size]:
        """Yield what bounds a polynomial from one side: that with its innermost symbol replaced by a bound."""
        bounded = [s for s in size.symbols if self._bounds(s) is not None]
        if not bounded:
            return
        name = max(bounded, key=lambda s: self._symbols[s].order)
        factor: Size = 0
        rest: Size = 0
        for monomial, c in size.terms:
            if name not in monomial:
                rest = rest + Dim({monomial: c})
            elif monomial.count(name) > 1:
                return
            else:
                factor = factor + Dim({tuple(s for s in monomial if s != name): c})
        up = self._is_natural(factor, 3)
        if not up and not self._is_natural(-factor, 3):
            return
        symbol = self._symbols[name]
        for bound in symbol.low if up is below else symbol.high:
            yield rest + factor * bound


def _is_large(size: Size) -> bool:
    factors = (c for _, c in size.terms) if isinstance(size, Dim) else (size,)
    return any(abs(c) >= _LARGEST for c in factors)
