"""How many bytes a call will need, found without running it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitdiff import ad, passes
from jitdiff.ir import Apply, ArrayType, Atom, Block, Const, Dim, For, Value, While, blocks_of


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a call needs.

    Attributes
    ----------
    workspace : int
        What the function works in, allocated once for each thread; histories of a known length are part of it.
    results : int
        The arrays and scalars that are returned.
    grown : int
        Histories of loops whose number of trips the arguments give, allocated in each call.
    saved : int
        Of all these, what loops save for their adjoints (or for results that are stacked).
    per_trip : dict
        What is not known before: the bytes that each trip adds, by the line of the loop. A history doubles its length
        when it is full, so up to twice that may be held.
    """

    workspace: int
    results: int
    grown: int
    saved: int
    per_trip: dict[str, int]

    @property
    def total(self) -> int:
        """All that is known."""
        return self.workspace + self.results + self.grown

    def __str__(self) -> str:
        known = f"{self.total} bytes: workspace {self.workspace}, results {self.results}"
        parts = [known + (f", grown {self.grown}" if self.grown else ""), f"saved for adjoints {self.saved}"]
        return "; ".join([*parts, *(f"{n} for each trip of the loop at {line}" for line, n in self.per_trip.items())])


def memory_of(block: Block, workspace: int, arguments: Sequence[Any], sizes: dict[str, int]) -> Memory:
    """Return what a program needs.

    Parameters
    ----------
    block : Block
        The program, after the passes.
    workspace : int
        Bytes of its workspace.
    arguments : sequence
        The value of each parameter.
    sizes : dict
        The numbers of its symbolic sizes.
    """
    fixed = grown = 0
    per_trip: dict[str, int] = {}
    for node in _loops(block):
        for stacked in node.stacked:
            row, rows = _bytes(stacked.type.with_shape(stacked.shape[1:]), sizes), _number(stacked.shape[0], sizes)
            trips = None if isinstance(node, While) else _value(block, node.trip, arguments)
            if row is not None and rows is not None:
                fixed += row * rows
            elif row is not None and trips is not None:
                grown += row * trips
            else:
                line = str(node.loc or "?")
                per_trip[line] = per_trip.get(line, 0) + (row or 0)
    results = sum(_bytes(r.type, sizes) or 0 for r in block.results)
    return Memory(workspace, results, grown, fixed + grown, per_trip)


def _loops(block: Block) -> Iterator[For | While]:
    for node in block.nodes:
        if isinstance(node, For | While):
            yield node
        for inner in blocks_of(node):
            yield from _loops(inner)


def _number(size: int | Dim, sizes: dict[str, int]) -> int | None:
    if isinstance(size, int):
        return size
    return int(size.substitute(sizes)) if size.symbols <= sizes.keys() else None


def _bytes(type: ArrayType, sizes: dict[str, int]) -> int | None:
    count = _number(type.size, sizes)
    return None if count is None else count * type.dtype.itemsize


def _value(block: Block, atom: Atom, arguments: Sequence[Any]) -> int | None:
    """Return the value of an integer scalar, if scalar operations give it from the arguments."""
    if isinstance(atom, Const):
        return atom.value if isinstance(atom.value, int) else None
    makers = passes.dce(Block(block.params, block.nodes, (atom,)))
    simple = all(isinstance(n, Apply) and all(o.shape == () for o in n.outs) for n in makers.nodes)
    if not simple or not _is_made(makers, atom):
        return None
    return max(int(np.asarray(ad.evaluate(makers, arguments)[0])), 0)


def _is_made(block: Block, value: Value) -> bool:
    return value in block.params or any(value in n.outs for n in block.nodes if isinstance(n, Apply))
