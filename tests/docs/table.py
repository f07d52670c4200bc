"""Pages may enter operations in the table; they leave it as they found it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jitdiff.ops import FUNCTIONS, OPS, UFUNCS


@contextmanager
def kept_table() -> Iterator[None]:
    """Take what is entered in the table inside the block out again."""
    tables: tuple[dict[Any, Any], ...] = (OPS, UFUNCS, FUNCTIONS)
    before = [dict(table) for table in tables]
    try:
        yield
    finally:
        for table, entries in zip(tables, before, strict=True):
            table.clear()
            table.update(entries)
