"""Where in a cache line buffers begin, so that what loops write begins at one.

The inside of an array with a border begins at an odd element. A vector that lies across two cache lines takes two
accesses, so such an array had better begin a little later.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from jitdiff.codegen.accesses import accesses
from jitdiff.codegen.terms import monomials
from jitdiff.codegen.text import Stmt
from jitdiff.ir import ArrayType, product

LINE = 64
"""Bytes of a cache line."""

_VECTOR = 32
"""Bytes of a vector: rows that are no multiple of it long begin anywhere."""


def shifts(stmts: Sequence[Stmt], types: Mapping[str, ArrayType], aliases: Mapping[str, str]) -> dict[str, int]:
    """Return how many bytes after a boundary each array had better begin.

    Parameters
    ----------
    stmts : sequence of Stmt
        The statements of a function.
    types : mapping
        The arrays of the text, of sizes that are numbers.
    aliases : mapping
        Names of views of an array seen as a row, each with the name of the array.

    Examples
    --------
    >>> import numpy as np
    >>> inner = Stmt("for j in range(6):", None, [Stmt("a[i + 1, j + 1] = 0.0")])
    >>> shifts([Stmt("for i in range(6):", None, [inner])], {"a": ArrayType(np.dtype(float), (8, 8))}, {})
    {'a': 56}
    """
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for each in accesses(stmts):
        name = aliases.get(each.array, each.array)
        if name not in types or not each.stores:
            continue
        shape, size = types[name].shape, types[name].dtype.itemsize
        if name != each.array:
            shape = (product(shape),)
        terms = (f"({ast.unparse(term)}) * {product(shape[k + 1 :])}" for k, term in enumerate(each.index))
        place = {factors: n * size for factors, n in monomials(" + ".join(terms))}
        first = place.pop((), 0)
        if place.pop((each.variable,), 0) == size and all(step % _VECTOR == 0 for step in place.values()):
            votes[name][-first % LINE] += each.trips
    return {name: max(sorted(found), key=found.__getitem__) for name, found in votes.items()}
