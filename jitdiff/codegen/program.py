"""What is known of the whole program while it is turned into text: names, places, definitions, buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from jitdiff.codegen.elements import TOKEN, At, Elements, emission_of
from jitdiff.codegen.items import Plan
from jitdiff.codegen.text import BUILTINS, Stmt, literal
from jitdiff.ir import Apply, ArrayType, Atom, Block, Const, Dim, Shape, Value, blocks_of, outs_of
from jitdiff.ir.printer import Namer
from jitdiff.ops.emission import Element
from jitdiff.ops.ranges import Ranges
from jitdiff.ops.table import OPS

_LOOP_NAMES = "i j k l p q r s".split()
_RESERVED = frozenset("np ws WorkspaceTooSmall NotMine LinAlgError check_index".split())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is kept: a scalar, a scalar for each element, a buffer, or the part of one behind leading indices.

    Examples
    --------
    >>> import numpy as np
    >>> Place("ys", ArrayType(np.dtype(float), (3,)), ("t",)).element(("i",))
    'ys[t, i]'
    """

    name: str
    type: ArrayType
    prefix: At = ()
    spread: Mapping[At, str] | None = None

    def element(self, index: At) -> str:
        """Return the text of an element."""
        if self.spread is not None:
            return self.spread[index]
        where = self.prefix + index
        return f"{self.name}[{', '.join(where)}]" if where else self.name

    @property
    def whole(self) -> str:
        """Text of all of it."""
        return self.element(())


@dataclass(eq=False, slots=True)
class Buffer:
    """An array that the program allocates: in the workspace, or fresh where it is returned or its size is not known.

    Parameters
    ----------
    name : str
        Its name in the text.
    type : ArrayType
        Dtype and shape.
    scope : tuple of Stmt
        The branches and loops around the block that it belongs to, outermost first.
    returned : bool
        Whether it leaves the program.
    """

    name: str
    type: ArrayType
    scope: tuple[Stmt, ...]
    returned: bool = False


def blocks_within(block: Block) -> Iterator[Block]:
    """Yield a block and all blocks inside it."""
    yield block
    for node in block.nodes:
        for inner in blocks_of(node):
            yield from blocks_within(inner)


@dataclass(eq=False)
class Program:
    """The program being emitted.

    Parameters
    ----------
    block : Block
        The outermost block.
    spread : frozenset of Value
        Small arrays that are kept in scalars, and what is computed for them with loops written out.

    Attributes
    ----------
    definitions : dict
        The node that computes each value.
    order : dict
        Position of each value in the program.
    stored : set
        Values that are kept in a place; the others are computed where they are needed.
    places : dict
        Where stored values are kept.
    buffers : list
        Arrays to allocate.
    ties : list
        Names of buffers that loops exchange with each other.
    aliases : dict
        Names of views, each with the name of the buffer.
    symbols : set
        Symbolic sizes that are known from the parameters.
    plans : dict
        Plans of the blocks inside.
    """

    block: Block
    spread: frozenset[Value] = frozenset()
    definitions: dict[Value, Apply] = field(default_factory=dict)
    stored: set[Value] = field(default_factory=set)
    places: dict[Value, Place] = field(default_factory=dict)
    buffers: list[Buffer] = field(default_factory=list)
    ties: list[tuple[str, str]] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    plans: dict[Block, Plan] = field(default_factory=dict)
    spaces: dict[Shape, Elements] = field(default_factory=dict)
    locals: dict[tuple[Atom, At], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values: list[Value] = []
        for inner in blocks_within(self.block):
            values += inner.params
            for node in inner.nodes:
                values += outs_of(node)
                if isinstance(node, Apply):
                    self.definitions.update(dict.fromkeys(node.outs, node))
        self.order = {value: k for k, value in enumerate(values)}
        self.ranges = Ranges.of_block(self.block)
        mentioned = {s for v in values for d in v.shape if isinstance(d, Dim) for s in d.symbols}
        reserved = BUILTINS | _RESERVED | frozenset(OPS) | mentioned
        wishes = {v.name for v in values}
        loops = [n for n in _LOOP_NAMES if n not in reserved | wishes]
        self.loops = loops + [f"i{k}" for k in range(32 - len(loops))]
        self.names = Namer(reserved | frozenset(self.loops))

    def is_element(self, node: Apply) -> bool:
        """Tell whether elements of a result are expressions that can stand where they are needed."""
        return node.outs[0] in self.spread or isinstance(emission_of(node), Element)

    def elements(self, space: Shape) -> Elements:
        """Return the graph of the elements met in an iteration space."""
        found = self.spaces.get(space)
        if found is None:
            variables = tuple(self.loops[: len(space)])
            found = self.spaces[space] = Elements(variables, dict(zip(variables, space, strict=True)), self.ranges)
        return found

    def scalars(self, value: Value) -> Place:
        """Return local scalars for the elements of a small array."""
        name = self.names(value, "a")
        every = [tuple(map(str, at)) for at in product(*(range(int(n)) for n in value.shape))]
        return Place(name, value.type, spread={at: self.names.fresh("_".join((name, *at))) for at in every})

    def scalar(self, value: Value, fallback: str = "t") -> Place:
        """Return a local scalar for a value."""
        return Place(self.names(value, fallback), value.type)

    def buffer(self, wish: str, type: ArrayType, scope: tuple[Stmt, ...] = (), *, returned: bool = False) -> Place:
        """Return a new buffer."""
        name = self.names.fresh(wish, "a")
        self.buffers.append(Buffer(name, type, scope, returned))
        return Place(name, type)

    def view(self, place: Place) -> str:
        """Return a new name for a place seen as one row."""
        name = self.names.fresh(f"{place.name}_flat")
        self.aliases[name] = place.name
        return name

    def local(self, atom: Atom, index: At) -> str:
        """Return the name of the local scalar that holds an element."""
        key = (atom, index)
        if key not in self.locals:
            wish = ""
            if isinstance(atom, Value):
                name = self.places[atom].name if atom in self.places else atom.name
                tail = "".join(c for term in index for c in term if c.isalnum()) if not TOKEN.search(str(index)) else ""
                wish = f"{name}_{tail}" if name and tail and len(tail) < 8 else ""
            self.locals[key] = self.names.fresh(wish)
        return self.locals[key]

    def text_of(self, atom: Atom) -> str:
        """Return the text of a scalar."""
        return literal(atom) if isinstance(atom, Const) else self.places[atom].whole
