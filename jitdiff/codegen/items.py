"""The parts of a plan: items, the groups they form, and where values go."""

from __future__ import annotations

from dataclasses import dataclass, field

from jitdiff.codegen.elements import At
from jitdiff.ir import Apply, Atom, Block, For, If, Shape, Value, While
from jitdiff.ops.emission import Write

Slot = tuple[str, int, int]
"""A destination outside: ``("result", 0, k)`` of the block, or ``("init", n, k)`` for carry k of the loop at node n."""


@dataclass(eq=False, slots=True)
class Root:
    """Something done at each point of a space: an element stored, or one of the writes of an op.

    Parameters
    ----------
    order : int
        Position in the program.
    value : Value or Const
        What is stored or written to.
    space : tuple of int or Dim
        Extents of the loops.
    at : tuple of str
        The value's index at a point of the space, in normal form.
    target : tuple of str
        The index that a point writes to, with tokens.
    text : str
        What it writes, with tokens.
    node : Apply, optional
        The node that it comes from.
    write : Write, optional
        Which write, of an op that writes.
    fill : str, optional
        What the result holds before, if this is the first of the writes.
    slot : Slot, optional
        Destination, if this is a copy.
    """

    order: int
    value: Atom
    space: Shape
    at: At
    target: At
    text: str
    node: Apply | None = None
    write: Write | None = None
    fill: str | None = None
    slot: Slot | None = None

    @property
    def texts(self) -> list[str]:
        """All texts with tokens."""
        return [self.text, *self.target]

    @property
    def stores(self) -> bool:
        """Whether it stores the elements of its value, each where it is computed."""
        return self.write is None and self.slot is None


@dataclass(eq=False, slots=True)
class Whole:
    """A statement on whole arrays."""

    order: int
    node: Apply


@dataclass(eq=False, slots=True)
class Region:
    """An If, For or While."""

    order: int
    node: If | For | While


Item = Root | Whole | Region


@dataclass(eq=False, slots=True)
class Group:
    """Items emitted together: the roots of one nest over `space`, or a single other item."""

    space: object
    items: list[Item]

    @property
    def roots(self) -> list[Root]:
        """The roots of a nest."""
        return [item for item in self.items if isinstance(item, Root)]


@dataclass(eq=False, slots=True)
class Plan:
    """How a block is emitted.

    Parameters
    ----------
    block : Block
        The block.
    groups : list of Group
        In order.
    occupies : dict
        Values that are written over another, then dead: each with that other.
    claims : dict
        Destinations, each with the value that is computed right there.
    copies : set
        Destinations that a value is copied to.
    """

    block: Block
    groups: list[Group] = field(default_factory=list)
    occupies: dict[Value, Value] = field(default_factory=dict)
    claims: dict[Slot, Value] = field(default_factory=dict)
    copies: set[Slot] = field(default_factory=set)

    def home(self, value: Value) -> Value:
        """Return the first of the values that share a place with `value`."""
        while value in self.occupies:
            value = self.occupies[value]
        return value
