"""Additions to the neighbours of each cell become sums over neighbours.

The adjoint of a stencil takes a number from each cell of a box and adds multiples of it to the cells around. Here the
numbers go into an array that is zero outside of the box, and each element of the array that is added to then takes its
share of those around it: one loop over memory, in which every element is written once.

Neighbours are told by their distance in memory. Where that leads past the end of a row, it leads to a cell outside of
the box: a cell of the box has all its neighbours within the array, and no two elements have one place in memory.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jitdiff.codegen.align import aligned
from jitdiff.codegen.expressions import array_of, fixed_distance, normal_form, parsed, replaced
from jitdiff.codegen.independent import Line, Nest
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.terms import canonical, monomials
from jitdiff.codegen.text import Stmt, fill_text, literal, names_in, normal
from jitdiff.ir import ArrayType, Const, Dim, Location, product

_PLACES = 3
"""Neighbours from which on additions are gathered."""

_SHARE = 0.5
"""Part of the array that the box must be, for the sums go over all of it."""

_WIDTH = 100
"""Longer sums are broken up."""

_NUMBER = "_number"
"""Stands for the number of a cell."""


@dataclass(eq=False, slots=True)
class Gathered:
    """What becomes of a nest.

    Parameters
    ----------
    lines : list of Line
        Those of its innermost loop, with one that stores the numbers in place of those that add them.
    sums : list of Stmt
        What adds them up, to come after it.
    """

    lines: list[Line]
    sums: list[Stmt]


@dataclass(frozen=True, slots=True)
class _Share:
    """What a neighbour gets: the line that adds it, a factor, and how far it is from the first along each axis."""

    line: Line
    factor: float
    offset: tuple[int, ...] = ()


@dataclass(eq=False)
class Gathering:
    """Gathers in the text of a program.

    Parameters
    ----------
    program : Program
        The program.
    arrays : mapping
        The arrays of the text by name.
    """

    program: Program
    arrays: Mapping[str, Place]
    _numbers: dict[object, Place] = field(default_factory=dict)
    _before: list[Stmt] = field(default_factory=list)

    def before(self) -> list[Stmt]:
        """Return what has to stand before the outermost statement in which nests were gathered, and begin with another.

        It is where the elements outside of the boxes become zero.
        """
        stmts, self._before, self._numbers = self._before, [], {}
        return stmts

    def gathered(self, nest: Nest, around: Container[str]) -> Gathered | None:
        """Return what becomes of a nest, None if it does not add to several neighbours of the cells of a box.

        The variables of the loops `around` it are not used for another.
        """
        sums = [line for line in nest.levels[-1] if nest.is_sum(line)]
        for name in dict.fromkeys(line.name for line in sums):
            lines = [line for line in sums if line.name == name]
            if len(lines) >= _PLACES and not aligned(nest, lines) and (found := _shares(nest, lines)):
                source, shares = found
                box = len(shares) >= _PLACES and self._is_box(nest, shares[0].line)
                if box and self._is_uniform(nest, self.arrays[name].type):
                    return self._written(nest, source, shares, next(v for v in self.program.loops if v not in around))
        return None

    def _is_box(self, nest: Nest, line: Line) -> bool:
        """Tell whether the loops go through most of an array, an axis each, from the same elements at any time."""
        array, place = self.arrays.get(line.name), nest.place(line)
        if array is None or array.type.ndim != len(place) or len(place) != len(nest.bounds):
            return False
        share = 1.0
        for term, (variable, bound), size in zip(place, nest.bounds.items(), array.type.shape, strict=True):
            index, beyond = dict(monomials(ast.unparse(term))), fixed_distance(str(size), bound)
            names = {name for factors in index for name in factors}.union(names_in(bound)[0])
            if index.get((variable,)) != 1 or not names <= {variable, *self.program.symbols} or beyond is None:
                return False
            share *= 1 - beyond / size if isinstance(size, int) and size else 1
        return share >= _SHARE

    def _is_uniform(self, nest: Nest, type: ArrayType) -> bool:
        """Tell whether all arrays of a nest have the dtype of this one, a floating one."""
        names = {
            array_of(n)
            for line in nest.lines
            for n in ast.walk(ast.parse(line.stmt.text))
            if isinstance(n, ast.Subscript)
        }
        arrays = [self.arrays.get(nest.around.aliases.get(name, name)) for name in names]
        return type.dtype.kind == "f" and all(array is not None and array.type.dtype == type.dtype for array in arrays)

    def _written(self, nest: Nest, source: ast.expr, shares: Sequence[_Share], variable: str) -> Gathered:
        first = shares[0].line
        array, loc = self.arrays[first.name], first.stmt.loc
        shape = array.type.shape
        strides = [product(shape[k + 1 :]) for k in range(len(shape))]

        def steps(offset: Sequence[int]) -> int | Dim:
            return sum((n * stride for n, stride in zip(offset, strides, strict=True)), start=0)

        reach = [
            [max(0, *(sign * n for n in along)) for along in zip(*(s.offset for s in shares), strict=True)]
            for sign in (1, -1)
        ]
        ahead, behind = map(steps, reach)
        index = nest.index(first)
        position = " + ".join(f"({ast.unparse(i)}) * ({n})" for i, n in zip(index, strides, strict=True))
        numbers = self._padded(array.type, (ahead, behind), nest, index)
        store = f"{numbers.name}[{canonical(f'{position} + {ahead}', {})}] = {ast.unparse(source)}"
        given = {share.line for share in shares}
        kept = [line for line in nest.levels[-1] if line not in given]
        size = canonical(product(shape), {})
        elements: dict[float, list[str]] = {}
        for share in shares:
            where = canonical(f"{variable} + {ahead} - ({steps(share.offset)})", {})
            elements.setdefault(share.factor, []).append(f"{numbers.name}[{where}]")
        row = array.name
        view: list[Stmt] = []
        if len(shape) > 1:
            row = self.program.view(array)
            view.append(Stmt(f"{row} = {array.name}.reshape({size})", loc))
        body = self._total(f"{row}[{variable}]", elements, array.type, loc)
        return Gathered(
            [*kept, Line.of(Stmt(store, loc))], [*view, Stmt(f"for {variable} in range({size}):", loc, body)]
        )

    def _padded(
        self, type: ArrayType, pads: tuple[int | Dim, int | Dim], nest: Nest, index: Sequence[ast.expr]
    ) -> Place:
        """Return an array for the numbers of a box, zero around it; nests one after the other share it."""
        axes = {variable: parsed(f"axis{k}") for k, variable in enumerate(nest.bounds)}
        box = tuple(normal_form(replaced(term, axes)) for term in index)
        key = (type, *map(str, pads), *nest.bounds.values(), *box)
        if key not in self._numbers:
            numbers = self.program.buffer("", ArrayType(type.dtype, (product(type.shape) + pads[0] + pads[1],)))
            variable = self.program.loops[0]
            zero = Stmt(f"{numbers.name}[{variable}] = {fill_text('0', type)}")
            self._before.append(Stmt(f"for {variable} in range({canonical(numbers.type.shape[0], {})}):", None, [zero]))
            self._numbers[key] = numbers
        return self._numbers[key]

    def _total(
        self, target: str, elements: Mapping[float, list[str]], type: ArrayType, loc: Location | None
    ) -> list[Stmt]:
        """Return the statements that add multiples of elements to one."""
        stmts: list[Stmt] = []
        parts = []
        for factor, added in elements.items():
            total = added[0]
            for element in added[1:]:
                if len(total) > _WIDTH:
                    name = self.program.names.fresh("", "t")
                    stmts.append(Stmt(f"{name} = {total}", loc))
                    total = name
                total = f"{total} + {element}"
            weight = literal(Const.of(factor, ArrayType(type.dtype)))
            parts.append(total if factor == 1 else f"-({total})" if factor == -1 else f"{weight} * ({total})")
        return [*stmts, Stmt(normal(f"{target} = {target} + ({' + '.join(parts)})"), loc)]


def _shares(nest: Nest, lines: Sequence[Line]) -> tuple[ast.expr, list[_Share]] | None:
    """Return the number of a cell of which most lines add a multiple, and what they add; None if it is no stencil."""
    best: tuple[ast.expr, list[_Share]] | None = None
    least = (0, 0)
    for source in _sources(nest, lines):
        shares = _multiples(nest, lines, source)
        rank = (len(shares), -len({share.factor for share in shares} - {1.0}))
        if rank > least:
            best, least = (source, shares), rank
    if best is None:
        return None
    source, shares = best
    first = [ast.unparse(term) for term in nest.place(shares[0].line)]
    found = []
    for share in shares:
        place = map(ast.unparse, nest.place(share.line))
        offset = [n for a, b in zip(place, first, strict=True) if (n := fixed_distance(a, b)) is not None]
        if len(offset) < len(first):
            return None
        found.append(_Share(share.line, share.factor, tuple(offset)))
    return source, found


def _sources(nest: Nest, lines: Sequence[Line]) -> Iterator[ast.expr]:
    """Yield what the number of a cell may be: a local scalar, an element that is read, or a product or sum with it."""
    needed = nest.needed(lines)
    for line in nest.levels[-1]:
        if line in needed and line.is_scalar:
            yield line.target
    for kind in (ast.Subscript, ast.BinOp):
        for line in lines:
            yield from (node for node in _outside_of_indices(line.value) if isinstance(node, kind))


def _outside_of_indices(node: ast.expr) -> Iterator[ast.expr]:
    yield node
    if not isinstance(node, ast.Subscript):
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                yield from _outside_of_indices(part)


def _multiples(nest: Nest, lines: Sequence[Line], source: ast.expr) -> list[_Share]:
    """Return the lines that add fixed multiples of the number of the cell, which is `source`."""
    named: dict[str, ast.expr] = {}
    for name, value in nest.scalars.items():
        named[name] = ast.Name(_NUMBER) if _is_name(source, name) else replaced(value, named)
    computed = "" if isinstance(source, ast.Name) else ast.unparse(replaced(source, named))
    shares = []
    for line in lines:
        factor = _factor(_numbered(replaced(line.value, named), computed))
        if factor and math.isfinite(factor):
            shares.append(_Share(line, -factor if line.subtracts else factor))
    return shares


def _factor(node: ast.expr) -> float | None:
    """Return an expression over the number of a cell, None if it is no multiple of it, or not a finite one."""
    match node:
        case ast.Name(id=name):
            return 1.0 if name == _NUMBER else None
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            a, b = _factor(left), _factor(right)
            return None if a is None or b is None else a + b if isinstance(op, ast.Add) else a - b
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            a, b = _factor(left), _constant(right)
            if a is None:
                a, b = _factor(right), _constant(left)
            return None if a is None or b is None else a * b
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            a, b = _factor(left), _constant(right)
            return a / b if a is not None and b else None
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            a = _factor(operand)
            return None if a is None else -a
    return None


def _constant(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value) if math.isfinite(value) else None
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            a = _constant(operand)
            return None if a is None else -a
        case ast.Call(args=[operand]):
            return _constant(operand)
    return None


def _numbered(node: ast.expr, computed: str) -> ast.expr:
    """Return an expression with the number of the cell in place of what it is computed by."""
    visited: ast.expr = _Numbered(computed).visit(node)
    return visited


class _Numbered(ast.NodeTransformer):
    def __init__(self, computed: str) -> None:
        self.computed = computed

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Subscript | ast.BinOp) and ast.unparse(node) == self.computed:
            return ast.Name(_NUMBER)
        return super().visit(node)


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
