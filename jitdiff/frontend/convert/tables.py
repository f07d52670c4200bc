"""Lists and tuples of numbers: read at traced positions they are tables, arrays of constants beside the program."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ops import Tracer, lift
from jitdiff.ops.elementwise import astype
from jitdiff.ops.tracer import builder_now

_PYTHON = frozenset({bool, int, float})
_KINDS = frozenset("biuf")


class Table(Tracer):
    """A list of Python's numbers, perhaps nested, as an array whose elements are Python's numbers again."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if not found.shape:
            return astype(found, dtype=found.dtype, weak=found.dtype.kind != "b")
        return Table(found.atom) if found.ndim < self.ndim else found


def table_of(items: Any) -> Tracer | None:
    """Return a list or tuple of numbers as an array of the program, None if it holds something else.

    Equal tables are one array, so that each use does not add a parameter to the program.
    """
    kinds = _kinds(items)
    if not kinds or len(kinds & _PYTHON) not in (0, len(kinds)) or (bool in kinds and len(kinds) > 1):
        return None
    try:
        array = np.asarray(items)
    except ValueError:
        # Rows of several lengths.
        return None
    if array.dtype.kind not in _KINDS or not array.size:
        return None
    known = builder_now().root.notes.setdefault("tables", {})
    array = known.setdefault((array.shape, array.dtype, array.tobytes()), array)
    return (Table if kinds <= _PYTHON else Tracer)(lift(array))


def is_table(items: Any) -> bool:
    """Whether a list or tuple holds nothing but numbers that Python knows.

    Examples
    --------
    >>> is_table([1, 0.5]), is_table([1, "a"]), is_table([])
    (True, False, False)
    """
    return isinstance(items, list | tuple) and bool(items) and all(type(x) in _PYTHON - {bool} for x in items)


def _kinds(items: Any) -> set[type]:
    """Return the types of what is in nested lists; the types of handles and objects are among them."""
    found: set[type] = set()
    for x in items:
        found |= _kinds(x) if type(x) in (list, tuple) else {type(x)}
    return found if all(k in _PYTHON or issubclass(k, np.number | np.bool_) for k in found) else set()
