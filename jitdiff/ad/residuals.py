"""What a piece of a program saves for its adjoint, and what the adjoint computes again.

The piece is a graph: values, and the operations between them. Some values are *given*: the forward pass has them and
the adjoint has not (the carries of an iteration). The adjoint *needs* some values. Parting the given ones from the
needed ones means saving values: all that lies between a saved value and a needed one is computed again, from saved
values and from what both passes know (the index of the loop, constants, what stands around the loop). Saving a value
costs its bytes, computing a value again its work, so the cheapest choice is a minimum cut of this network:

* an edge through each value, with the price of its bytes: cut, the value is saved;
* an edge from the source to each operation, with the price of its work: cut, the operation is done again;
* edges that cannot be cut from operands to operations, from operations to results, from the source to what is given,
  and from what is needed to the sink.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jitdiff.ad.cut import INFINITE, Network
from jitdiff.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    For,
    If,
    Node,
    Value,
    While,
    blocks_of,
    outs_of,
    reads_of,
    symbol_made,
)
from jitdiff.ops import Op
from jitdiff.ops.emission import Call, Element

BYTE = 32
"""Price of writing a byte in the forward pass and reading it in the adjoint. Prices are whole numbers."""

_SIMPLE = 8
"""Price of an addition or multiplication: 32 of them cost as much as saving a float64."""

_COSTLY = 512
"""Price of a function call such as exp: twice that of saving a float64."""

_UNKNOWN = 256
"""What a size or a number of trips is taken to be that only the running program knows."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is saved, and what is computed again.

    Attributes
    ----------
    saved : tuple of Value
        In the order in which they are made.
    again : frozenset of Node
        The nodes that the adjoint runs again.
    """

    saved: tuple[Value, ...]
    again: frozenset[Node]


def choose(
    nodes: Sequence[Node], given: Mapping[Value, float], needed: Collection[Value], restart: bool = False
) -> Choice:
    """Return the cheapest choice of what to save.

    Parameters
    ----------
    nodes : sequence of Node
        The piece of the program, in order.
    given : mapping
        Values that only the forward pass has, each with the price of saving it.
    needed : collection of Value
        What the adjoint reads, given or made by `nodes`.
    restart : bool
        Whether only given values may be saved.
    """
    network = Network()
    values = list(given)
    inside: set[str] = set()
    for value, price in given.items():
        network.edge("given", (value, "made"), INFINITE)
        network.edge((value, "made"), (value, "known"), price)
    for node in nodes:
        inside |= symbol_made(node)
        network.edge("given", node, price_of(node))
        for read in set(reads_of(node)):
            network.edge((read, "known"), node, INFINITE)
        for out in outs_of(node):
            values.append(out)
            network.edge(node, (out, "made"), INFINITE)
            lasting = not restart and inside.isdisjoint(s for n in out.shape if isinstance(n, Dim) for s in n.symbols)
            network.edge((out, "made"), (out, "known"), price_of_saving(out.type) if lasting else INFINITE)
    for value in needed:
        network.edge((value, "known"), "needed", INFINITE)
    forward = network.source_side("given", "needed")
    return Choice(
        tuple(v for v in values if (v, "made") in forward and (v, "known") not in forward),
        frozenset(node for node in nodes if node not in forward),
    )


def price_of_saving(type: ArrayType) -> int:
    """Return the price of saving a value of this type."""
    return BYTE * type.dtype.itemsize * _number(type.size)


def _number(size: int | Dim) -> int:
    if isinstance(size, Dim):
        size = size.substitute(dict.fromkeys(size.symbols, _UNKNOWN))
    return max(int(size), 1)


def price_of(node: Node) -> int:
    """Return the price of running a node again."""
    match node:
        case Apply():
            return _price_of_operation(node)
        case If(then=then, orelse=orelse):
            return max(_price_of_all(then.nodes), _price_of_all(orelse.nodes))
        case For() | While():
            return trips_of(node) * sum(_price_of_all(block.nodes) for block in blocks_of(node))


def _price_of_all(nodes: Sequence[Node]) -> int:
    return sum(map(price_of, nodes))


def trips_of(node: For | While) -> int:
    """Return how many trips a loop makes at most, as far as that is known."""
    if isinstance(node, For) and isinstance(node.trip, Const):
        return _number(node.trip.value)
    return _number(node.stacked[0].shape[0]) if node.stacked else _UNKNOWN


def _price_of_operation(node: Apply) -> int:
    emission = node.op.emission if isinstance(node.op, Op) else None
    size = sum(_number(out.type.size) for out in node.outs)
    match emission:
        case Element(moves=True):
            return 1
        case Element(costly=costly):
            return (_COSTLY if costly else _SIMPLE) * size
        case Call():
            # The work of a product or a factorisation is that of its operands at least.
            return _COSTLY * max(size, sum(_number(a.type.size) for a in node.args))
        case _:
            return _SIMPLE * max(size, sum(_number(a.type.size) for a in node.args))
