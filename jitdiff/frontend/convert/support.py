"""The names that converted code reaches its run-time support by."""

from __future__ import annotations

import builtins
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


def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Return ``function(*args, **kwargs)``, with its control flow converted if it is the user's."""
    from jitdiff.frontend.convert import calls

    return calls.call(function, *args, **kwargs)


def call_on_values(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Return ``function(*args, **kwargs)`` where tapes follow values."""
    from jitdiff.frontend.convert import calls

    return calls.call_on_values(function, *args, **kwargs)


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
