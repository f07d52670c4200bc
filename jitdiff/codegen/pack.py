"""Very many array arguments as one argument: a function of hundreds takes Numba more than in proportion."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field

from jitdiff.codegen.text import dtype_text, shape_text
from jitdiff.codegen.views import View
from jitdiff.ir import ArrayType, Dim
from jitdiff.ir.emitted import AXES, DTYPES

PACKED_FROM = 33
"""Arrays, results that the caller gives places for among them, from which on they come as one."""


@dataclass(eq=False)
class Pack:
    """The array arguments of an entry function.

    Parameters
    ----------
    name, table_name : str
        Names of the argument, and of what says of which types the arrays must be.

    Attributes
    ----------
    given : dict
        For each array what takes it out of the argument.
    symbols : dict
        For each symbolic size an array that has it, and along which axis.
    table : list of int
        What `check_arrays` takes.
    """

    name: str
    table_name: str
    given: dict[str, View] = field(default_factory=dict)
    symbols: dict[str, tuple[int, int]] = field(default_factory=dict)
    table: list[int] = field(default_factory=list)

    def add(self, arrays: Iterable[tuple[str, ArrayType]]) -> None:
        """Enter arrays, by their names in the text."""
        for name, kind in arrays:
            k = len(self.given)
            self.given[name] = View(f"taken({self.name}, {k}, {dtype_text(kind.dtype)}, ", shape_text(kind.shape))
            self.table += [DTYPES.index(kind.dtype), kind.ndim]
            self.table += [self._size(n, k, axis) for axis, n in enumerate(kind.shape)]

    def _size(self, n: int | Dim, k: int, axis: int) -> int:
        """Return a size, or a number below zero: any, or the same as a size before."""
        if isinstance(n, int):
            return n
        if len(n.terms) > 1 or not str(n).isidentifier():
            # Of the results, whose places the caller makes by the same sizes.
            return -1
        if str(n) in self.symbols:
            where = self.symbols[str(n)]
            return -2 - AXES * where[0] - where[1]
        self.symbols[str(n)] = (k, axis)
        return -1

    @property
    def constant(self) -> list[str]:
        """Lines that define the table."""
        numbers = textwrap.wrap(", ".join(map(str, self.table)), 110)
        return [f"{self.table_name} = np.array(", "    [", *(f"        {line}" for line in numbers), "    ]", ")"]
