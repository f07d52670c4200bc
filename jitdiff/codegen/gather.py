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
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jitdiff.codegen.align import aligned
from jitdiff.codegen.expressions import array_of, fixed_distance, normal_form, parsed, replaced
from jitdiff.codegen.independent import Line, Nest, zeroed
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.terms import canonical, monomials
from jitdiff.codegen.text import Stmt, fill_text, literal, names_in, normal
from jitdiff.ir import ArrayType, Const, Dim, Location, Shape, product

_PLACES = 3
"""Neighbours from which on additions are gathered."""

_SHARE = 0.5
"""Part of the array that the box must be, for the sums go over all of it."""

_WIDTH = 100
"""Longer sums are broken up."""

_NUMBER = "_number"
"""Stands for the number of a cell."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a neighbour gets: the line that adds it, a factor, and how far it is from the cell along each axis."""

    line: Line
    factor: float
    offset: tuple[int, ...]


@dataclass(eq=False, slots=True)
class Sweep:
    """A nest that adds to neighbours.

    Parameters
    ----------
    nest : Nest
        The nest.
    source : ast.expr
        The number of a cell.
    shares : list of Share
        What its neighbours get of it.
    cell : list of ast.expr
        Index of the cell, in terms of the loop variables as they are in the nest.
    target : Place
        The array that is added to.
    free : list of str
        Loop variables that may be used in it.
    taken : str
        The array that the numbers are elements of, if all else that the nest does is that these become zero.
    """

    nest: Nest
    source: ast.expr
    shares: list[Share]
    cell: list[ast.expr]
    target: Place
    free: list[str]
    taken: str = ""

    @property
    def loc(self) -> Location | None:
        """Line of the user's."""
        return self.shares[0].line.stmt.loc

    @property
    def pads(self) -> tuple[int | Dim, int | Dim]:
        """How many elements the furthest neighbours are ahead of a cell and behind it."""
        shape = self.target.type.shape
        along = list(zip(*(share.offset for share in self.shares), strict=True))
        ahead, behind = ([max(0, *(sign * n for n in offsets)) for offsets in along] for sign in (1, -1))
        return steps(ahead, shape), steps(behind, shape)

    @property
    def box(self) -> tuple[str, ...]:
        """The first cell, and the number of cells along each axis."""
        first = {variable: parsed("0") for variable in self.nest.bounds}
        terms = (replaced(replaced(term, self.nest.turned), first) for term in self.cell)
        return (*map(normal_form, terms), *self.nest.bounds.values())

    @property
    def variables(self) -> list[str]:
        """A loop variable for each axis of the box."""
        return self.free[: len(self.cell)]

    @property
    def at(self) -> tuple[str, ...]:
        """Index of the cell in terms of these."""
        return tuple(canonical(f"{first} + {v}", {}) for first, v in zip(self.box, self.variables, strict=False))


@dataclass(eq=False)
class Gathering:
    """Gathers in the text of a program.

    Parameters
    ----------
    program : Program
        The program.
    arrays : mapping
        The arrays of the text by name.
    results : collection of str
        Those that are returned.
    """

    program: Program
    arrays: Mapping[str, Place]
    results: Container[str] = ()
    _numbers: dict[object, Place] = field(default_factory=dict)
    _before: list[Stmt] = field(default_factory=list)

    def before(self) -> list[Stmt]:
        """Return what has to stand before the outermost statement in which nests were gathered, and begin with another.

        It is where the elements outside of the boxes become zero.
        """
        stmts, self._before, self._numbers = self._before, [], {}
        return stmts

    def sweep(self, nest: Nest, around: Container[str]) -> Sweep | None:
        """Return what a nest adds to neighbours, None if that is not to several of the cells of a box.

        The variables of the loops `around` it are not used for another.
        """
        sums = [line for line in nest.levels[-1] if nest.is_sum(line)]
        for name in dict.fromkeys(line.name for line in sums):
            lines = [line for line in sums if line.name == name]
            if len(lines) >= _PLACES and not aligned(nest, lines) and (found := _shares(nest, lines)):
                source, cell, shares = found
                place = nest.place(shares[0].line)
                if len(shares) >= _PLACES and self._is_box(nest, name, place) and self._is_uniform(nest, name):
                    free = [v for v in self.program.loops if v not in around]
                    return Sweep(nest, source, shares, cell, self.arrays[name], free)
        return None

    def _is_box(self, nest: Nest, name: str, place: Sequence[ast.expr]) -> bool:
        """Tell whether the loops go through most of an array, an axis each, from the same elements at any time."""
        array = self.arrays.get(name)
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

    def _is_uniform(self, nest: Nest, name: str) -> bool:
        """Tell whether all arrays of a nest have the dtype of this one, a floating one."""
        names = {
            array_of(n)
            for line in nest.lines
            for n in ast.walk(ast.parse(line.stmt.text))
            if isinstance(n, ast.Subscript)
        }
        arrays = [self.arrays.get(nest.around.aliases.get(name, name)) for name in names]
        dtype = self.arrays[name].type.dtype
        return dtype.kind == "f" and all(array is not None and array.type.dtype == dtype for array in arrays)

    def emptying(self, sweep: Sweep) -> Sweep | None:
        """Return a sweep in terms of the box whose numbers it takes and empties, None if it does more than that."""
        nest, given = sweep.nest, {share.line for share in sweep.shares}
        others = [line for line in nest.lines if not line.is_scalar and line not in given]
        if len(others) != 1 or others[0].name not in self.arrays:
            return None
        (store,) = others
        cell, array = nest.index(store), self.arrays[store.name]
        if (
            zeroed(store.stmt) is None
            or array.type != sweep.target.type
            or not self._is_box(nest, store.name, nest.place(store))
        ):
            return None
        lines = [share.line for share in sweep.shares]
        multiples = _multiples(nest, lines, store.target)
        shares = _from_cell(nest, multiples, cell) if len(multiples) == len(lines) else None
        if shares is None:
            return None
        return replace(sweep, source=store.target, cell=cell, shares=shares, taken=store.name)

    def numbers(self, sweep: Sweep) -> Place:
        """Return an array for the numbers of a box, zero around it; nests one after the other share it."""
        key = (sweep.target.type, *map(str, sweep.pads), *sweep.box)
        if key not in self._numbers:
            self._numbers[key] = self.padded(sweep)
        return self._numbers[key]

    def padded(self, sweep: Sweep) -> Place:
        """Return an array for the numbers of a box, zero around it."""
        type = sweep.target.type
        numbers = self.program.buffer("", ArrayType(type.dtype, (product(type.shape) + sum(sweep.pads),)))
        variable = self.program.loops[0]
        zero = Stmt(f"{numbers.name}[{variable}] = {fill_text('0', type)}")
        self._before.append(Stmt(f"for {variable} in range({canonical(numbers.type.shape[0], {})}):", None, [zero]))
        return numbers

    def taken(self, sweep: Sweep, numbers: Place) -> list[Line]:
        """Return the lines of the innermost loop, with one that stores the numbers in place of those that add them."""
        given = {share.line for share in sweep.shares}
        kept = [line for line in sweep.nest.levels[-1] if line not in given]
        where = position(map(ast.unparse, sweep.cell), sweep.target.type.shape, sweep.pads[0])
        return [*kept, Line.of(Stmt(f"{numbers.name}[{where}] = {ast.unparse(sweep.source)}", sweep.loc))]

    def added(self, sweep: Sweep, numbers: Place) -> list[Stmt]:
        """Return the loop that adds up what each element of the array gets."""
        target, variable = sweep.target, sweep.free[0]
        size = canonical(product(target.type.shape), {})
        row = target.name
        view: list[Stmt] = []
        if target.type.ndim > 1:
            row = self.program.view(target)
            view.append(Stmt(f"{row} = {target.name}.reshape({size})", sweep.loc))
        total, before = self.total(sweep, numbers, variable)
        body = [*before, Stmt(normal(f"{row}[{variable}] = {row}[{variable}] + ({total})"), sweep.loc)]
        return [*view, Stmt(f"for {variable} in range({size}):", sweep.loc, body)]

    def total(
        self, sweep: Sweep, numbers: Place, place: str, shares: Sequence[Share] | None = None
    ) -> tuple[str, list[Stmt]]:
        """Return what the element at a place of the array seen as a row gets, and what that needs before it."""
        type = sweep.target.type
        elements: dict[float, list[str]] = {}
        for share in sweep.shares if shares is None else shares:
            where = canonical(f"{place} + {sweep.pads[0]} - ({steps(share.offset, type.shape)})", {})
            elements.setdefault(share.factor, []).append(f"{numbers.name}[{where}]")
        stmts: list[Stmt] = []
        parts = []
        for factor, added in elements.items():
            total = added[0]
            for element in added[1:]:
                if len(total) > _WIDTH:
                    name = self.program.names.fresh("", "t")
                    stmts.append(Stmt(f"{name} = {total}", sweep.loc))
                    total = name
                total = f"{total} + {element}"
            weight = literal(Const.of(factor, ArrayType(type.dtype)))
            parts.append(total if factor == 1 else f"-({total})" if factor == -1 else f"{weight} * ({total})")
        return " + ".join(parts), stmts


def steps(offset: Sequence[int], shape: Shape) -> int | Dim:
    """Return how far an offset leads in memory."""
    return sum((n * product(shape[k + 1 :]) for k, n in enumerate(offset)), start=0)


def position(index: Iterable[str], shape: Shape, ahead: int | Dim = 0) -> str:
    """Return the place of an element in an array seen as a row, so many elements ahead."""
    terms = [f"({i}) * ({product(shape[k + 1 :])})" for k, i in enumerate(index)]
    return canonical(" + ".join([*terms, f"({ahead})"]), {})


def _shares(nest: Nest, lines: Sequence[Line]) -> tuple[ast.expr, list[ast.expr], list[Share]] | None:
    """Return the number of a cell of which most lines add a multiple, the cell, and what they add; None without one."""
    best: tuple[ast.expr, list[tuple[Line, float]]] | None = None
    least = (0, 0)
    for source in _sources(nest, lines):
        multiples = _multiples(nest, lines, source)
        rank = (len(multiples), -len({factor for _, factor in multiples} - {1.0}))
        if rank > least:
            best, least = (source, multiples), rank
    if best is None:
        return None
    source, multiples = best
    cell = nest.index(multiples[0][0])
    shares = _from_cell(nest, multiples, cell)
    return (source, cell, shares) if shares else None


def _from_cell(nest: Nest, multiples: Sequence[tuple[Line, float]], cell: Sequence[ast.expr]) -> list[Share] | None:
    """Return what is added as shares of a cell, None if a place is at no fixed distance of it."""
    shares = []
    for line, factor in multiples:
        pairs = zip(nest.index(line), cell, strict=True)
        offset = [n for a, b in pairs if (n := fixed_distance(ast.unparse(a), ast.unparse(b))) is not None]
        if len(offset) < len(cell):
            return None
        shares.append(Share(line, factor, tuple(offset)))
    return shares


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


def _multiples(nest: Nest, lines: Sequence[Line], source: ast.expr) -> list[tuple[Line, float]]:
    """Return the lines that add fixed multiples of the number of the cell, which is `source`, with the factors."""
    named: dict[str, ast.expr] = {}
    for name, value in nest.scalars.items():
        named[name] = ast.Name(_NUMBER) if _is_name(source, name) else replaced(value, named)
    computed = "" if isinstance(source, ast.Name) else ast.unparse(replaced(source, named))
    multiples = []
    for line in lines:
        factor = _factor(_numbered(replaced(line.value, named), computed))
        if factor and math.isfinite(factor):
            multiples.append((line, -factor if line.subtracts else factor))
    return multiples


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
    if not computed:
        return node
    visited: ast.expr = _Numbered(computed).visit(node)
    return visited


class _Numbered(ast.NodeTransformer):
    def __init__(self, computed: str) -> None:
        self.computed, self.kind = computed, type(parsed(computed))

    def visit(self, node: ast.AST) -> Any:
        if type(node) is self.kind and ast.unparse(node) == self.computed:
            return ast.Name(_NUMBER)
        return super().visit(node)


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
