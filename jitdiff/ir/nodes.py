"""The closed grammar of programs: a Block of Apply, If, For and While over typed values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from jitdiff.ir.dims import Dim
from jitdiff.ir.types import ArrayType, type_of


class Operation(Protocol):
    """What the IR knows of an op: its name and its typing rule."""

    @property
    def name(self) -> str:
        """Name under which the op prints."""

    def infer(self, *types: ArrayType, **attrs: Any) -> tuple[ArrayType, ...]:
        """Return the types of the results."""


@dataclass(frozen=True, slots=True)
class Location:
    """A line of the user's code.

    Parameters
    ----------
    file : str
        Path of the file.
    line : int
        Line number, from 1.
    function : str
        Name of the function the line stands in.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file.rsplit('/', 1)[-1]}:{self.line}"


class Value:
    """An SSA name: defined once, by a node or as a parameter."""

    __slots__ = ("name", "type")

    def __init__(self, type: ArrayType, name: str = "") -> None:
        self.type = type
        self.name = name

    @property
    def shape(self) -> tuple[int | Dim, ...]:
        """Shape of the value."""
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the value."""
        return self.type.dtype

    def __repr__(self) -> str:
        return f"{self.name or '_'}: {self.type}"


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A scalar written into the program; arrays are parameters, never constants.

    ``value`` is a Python or NumPy scalar, or a `Dim`.
    """

    value: Any
    type: ArrayType

    @staticmethod
    def of(value: Any, type: ArrayType | None = None) -> Const:
        """Return the constant `value`, of its own type unless one is given."""
        if type is None:
            type = type_of(value)
        elif not isinstance(value, Dim):
            value = type.dtype.type(value).item()
        return Const(value.item() if isinstance(value, np.generic | np.ndarray) else value, type)

    @property
    def shape(self) -> tuple[int | Dim, ...]:
        """Shape, always ``()``."""
        return ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two constants the same (0.0 and -0.0 differ, NaN equals itself)."""
        return (repr(self.value), self.type)

    def __repr__(self) -> str:
        return str(self.value)


Atom = Value | Const


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """One operation on values."""

    op: Operation
    args: tuple[Atom, ...]
    attrs: Mapping[str, Any]
    outs: tuple[Value, ...]
    loc: Location | None = None

    @property
    def out(self) -> Value:
        """The only result."""
        (out,) = self.outs
        return out


@dataclass(frozen=True, slots=True, eq=False)
class If:
    """A choice; both branches have no parameters and as many results as ``outs``."""

    pred: Atom
    then: Block
    orelse: Block
    outs: tuple[Value, ...]
    loc: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """A counted loop.

    ``body.params`` is the index and one value per carry; ``body.results`` is the next carries, then the
    values of this iteration that ``stacked`` collects along a new leading axis. That is as long as there are trips,
    or longer: rows after the last trip have no meaning. ``size`` is the symbol for that length which this node gives
    its value, if it does. ``restart`` says that the adjoint runs the body anew from the carries alone, and that no pass
    moves work out of it.
    """

    trip: Atom
    init: tuple[Atom, ...]
    body: Block
    outs: tuple[Value, ...]
    stacked: tuple[Value, ...] = ()
    loc: Location | None = None
    size: Dim | None = None
    restart: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class While:
    """A loop whose trip count is found by running it.

    ``cond.params`` and ``body.params`` are the carries. ``stacked`` collects values of each iteration as in `For`;
    its leading size is the symbol ``size``, whose value is ``count``, the number of iterations made (an i64 scalar;
    None if nobody asks). ``restart`` is as in `For`.
    """

    cond: Block
    body: Block
    init: tuple[Atom, ...]
    outs: tuple[Value, ...]
    stacked: tuple[Value, ...] = ()
    count: Value | None = None
    loc: Location | None = None
    size: Dim | None = None
    restart: bool = False


Node = Apply | If | For | While


@dataclass(slots=True, eq=False)
class Block:
    """A list of nodes in order of execution, with parameters and results.

    A block inside a node reads the values around it directly; only the outermost is closed.
    ``captured`` are the arrays that tracing met outside the program: the last parameters stand for them.
    """

    params: tuple[Value, ...]
    nodes: list[Node] = field(default_factory=list)
    results: tuple[Atom, ...] = ()
    name: str = ""
    captured: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        from jitdiff.ir.printer import show

        return show(self)


def outs_of(node: Node) -> tuple[Value, ...]:
    """Return every value that a node defines in the block it stands in."""
    match node:
        case Apply(outs=outs) | If(outs=outs):
            return outs
        case For(outs=outs, stacked=stacked):
            return outs + stacked
        case While(outs=outs, stacked=stacked, count=count):
            return outs + stacked + ((count,) if count is not None else ())


def args_of(node: Node) -> tuple[Atom, ...]:
    """Return the atoms a node reads directly, not those read inside its blocks."""
    match node:
        case Apply(args=args):
            return args
        case If(pred=pred):
            return (pred,)
        case For(trip=trip, init=init):
            return (trip, *init)
        case While(init=init):
            return init


def blocks_of(node: Node) -> tuple[Block, ...]:
    """Return the blocks inside a node."""
    match node:
        case Apply():
            return ()
        case If(then=then, orelse=orelse):
            return (then, orelse)
        case For(body=body):
            return (body,)
        case While(cond=cond, body=body):
            return (cond, body)


def with_blocks(node: Node, blocks: tuple[Block, ...]) -> Node:
    """Return the node with other blocks inside."""
    match node:
        case Apply():
            return node
        case If():
            return replace(node, then=blocks[0], orelse=blocks[1])
        case For():
            return replace(node, body=blocks[0])
        case While():
            return replace(node, cond=blocks[0], body=blocks[1])


def free_values(*blocks: Block) -> tuple[Value, ...]:
    """Return the values that blocks read from outside, in order of first use."""
    used: dict[Value, None] = {}
    made: set[Value] = set()

    def visit(block: Block) -> None:
        made.update(block.params)
        for node in block.nodes:
            for atom in args_of(node):
                if isinstance(atom, Value):
                    used.setdefault(atom)
            for inner in blocks_of(node):
                visit(inner)
            made.update(outs_of(node))
        for atom in block.results:
            if isinstance(atom, Value):
                used.setdefault(atom)

    for block in blocks:
        visit(block)
    return tuple(v for v in used if v not in made)


def symbol_made(node: Node) -> frozenset[str]:
    """Return the name of the size that a loop gives its value, if it is a symbol."""
    size = node.size if isinstance(node, For | While) else None
    return frozenset() if size is None else size.symbols


def symbols_read(node: Node) -> frozenset[str]:
    """Return the names of the symbolic sizes that a node needs the values of, those made inside it left out."""
    found: set[str] = set()
    for atom in (*args_of(node), *outs_of(node)):
        found.update(_symbols(atom.type.shape))
        found.update(_symbols(atom.value) if isinstance(atom, Const) else ())
    if isinstance(node, Apply):
        found.update(_symbols(tuple(node.attrs.values())))
    for block in blocks_of(node):
        inner: set[str] = set()
        for each in block.nodes:
            inner.update(symbols_read(each))
        for each in block.nodes:
            inner.difference_update(symbol_made(each))
        for atom in block.results:
            inner.update(_symbols(atom.value) if isinstance(atom, Const) else ())
        found.update(inner)
    return frozenset(found - symbol_made(node))


def _symbols(x: Any) -> Iterator[str]:
    if isinstance(x, Dim):
        yield from x.symbols
    elif isinstance(x, tuple):
        for each in x:
            yield from _symbols(each)


def reads_of(node: Node) -> Iterator[Value]:
    """Yield the values of the surrounding block that a node reads, in its blocks too (repeats possible)."""
    for atom in args_of(node):
        if isinstance(atom, Value):
            yield atom
    yield from free_values(*blocks_of(node))
