"""What is known of integer scalars: between which bounds they lie, so that an index needs no check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jitdiff.ir import Apply, Atom, Const, Dim, Value

Size = int | Dim
Bounds = tuple[Size, Size]


@dataclass(eq=False)
class Ranges:
    """Bounds of integer scalars, both inclusive.

    Parameters
    ----------
    definitions : mapping
        The node that computes each value.
    trips : mapping
        The indices of counted loops, each with the number of trips.
    """

    definitions: Mapping[Value, Apply]
    trips: Mapping[Value, Atom]
    _known: dict[Value, Bounds | None] = field(default_factory=dict)

    def inside(self, atom: Atom, size: Size) -> bool:
        """Tell whether ``0 <= atom < size`` is certain."""
        bounds = self.bounds(atom)
        if bounds is None:
            return False
        low, room = bounds[0], size - 1 - bounds[1]
        return isinstance(low, int) and low >= 0 and isinstance(room, int) and room >= 0

    def bounds(self, atom: Atom) -> Bounds | None:
        """Return the bounds of a scalar, None if they are not known."""
        if isinstance(atom, Const):
            return (atom.value, atom.value) if isinstance(atom.value, int | Dim) else None
        if atom not in self._known:
            self._known[atom] = None
            self._known[atom] = self._find(atom)
        return self._known[atom]

    def _find(self, value: Value) -> Bounds | None:
        trip = self.trips.get(value)
        if trip is not None:
            count = self.bounds(trip)
            return (0, count[1] - 1) if count is not None else None
        node = self.definitions.get(value)
        if node is None or value.shape or value.type.dtype != np.int64:
            return None
        operands = [self.bounds(a) for a in node.args]
        if any(b is None for b in operands):
            return None
        match node.op.name, operands:
            case "astype", [(low, high)]:
                return low, high
            case "add", [(a, b), (c, d)]:
                return a + c, b + d
            case "subtract", [(a, b), (c, d)]:
                return a - d, b - c
            case "negative", [(a, b)]:
                return -b, -a
            case "multiply", [(a, b), (c, d)] if a == b and isinstance(a, int):
                return (a * c, a * d) if a >= 0 else (a * d, a * c)
            case "multiply", [(a, b), (c, d)] if c == d and isinstance(c, int):
                return (a * c, b * c) if c >= 0 else (b * c, a * c)
        return None
