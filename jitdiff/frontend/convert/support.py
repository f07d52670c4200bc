"""The names that converted code reaches its run-time support by."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from jitdiff.frontend.convert.blocks import comprehension, for_, if_, while_
from jitdiff.frontend.convert.operators import (
    and_,
    and_value,
    assert_,
    augment,
    augment_attr,
    augment_item,
    born,
    checked,
    compare,
    formatted,
    getitem,
    ifexp,
    list_,
    not_,
    or_,
    or_value,
    returned,
    setattr_,
    setitem,
)
from jitdiff.frontend.convert.state import read

slice = builtins.slice


call: Callable[..., Any]
"""``call(function, *args, **kwargs)`` calls a function in a trace; set by `calls`, which imports what imports this."""

call_on_values: Callable[..., Any]
"""The same where tapes follow values."""


def made(array: Any) -> Any:
    """Return a new array as one that followed values can be put into."""
    from jitdiff.frontend.convert import arrays

    return arrays.made_here(array)


__all__ = [
    "and_",
    "and_value",
    "assert_",
    "augment",
    "augment_attr",
    "augment_item",
    "born",
    "call",
    "call_on_values",
    "checked",
    "compare",
    "comprehension",
    "for_",
    "formatted",
    "getitem",
    "if_",
    "ifexp",
    "list_",
    "made",
    "not_",
    "or_",
    "or_value",
    "read",
    "returned",
    "setattr_",
    "setitem",
    "slice",
    "while_",
]
