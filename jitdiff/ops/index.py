"""Indexing and its adjoints."""

from __future__ import annotations

from typing import Any


def getitem(x: Any, key: Any) -> Any:
    """Return ``x[key]``."""
    raise NotImplementedError
