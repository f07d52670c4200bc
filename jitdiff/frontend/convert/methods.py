"""Methods of arrays that give Python's own numbers, as converted code calls them: they give followed values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitdiff.frontend.convert.builtins import BUILTINS


def _item(x: Any, *index: Any) -> Any:
    if not index:
        return BUILTINS[float](x)
    return BUILTINS[float](x.ravel()[index[0]] if len(index) == 1 and isinstance(index[0], int) else x[index])


def _tolist(x: Any) -> Any:
    return [_tolist(row) for row in x] if x.shape else BUILTINS[float](x)


METHODS: dict[str, Callable[..., Any]] = {"item": _item, "tolist": _tolist}
"""What runs for methods of followed arrays."""
