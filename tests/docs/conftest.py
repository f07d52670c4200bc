"""Each page meets the table of operations as jitdiff makes it."""

import pytest

from tests.docs.table import kept_table


@pytest.fixture(autouse=True)
def same_table_after():
    with kept_table():
        yield
