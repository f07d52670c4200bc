"""Pages may enter operations in the table; they leave it as they found it."""

import pytest

from jitdiff.ops import FUNCTIONS, OPS, UFUNCS


@pytest.fixture(autouse=True)
def same_table_after():
    before = [(table, dict(table)) for table in (OPS, UFUNCS, FUNCTIONS)]
    yield
    for table, entries in before:
        table.clear()
        table.update(entries)
