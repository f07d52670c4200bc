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


__all__ = [
    "and_",
    "and_value",
    "assert_",
    "augment",
    "augment_attr",
    "augment_item",
    "born",
    "call",
    "checked",
    "compare",
    "comprehension",
    "for_",
    "getitem",
    "if_",
    "ifexp",
    "list_",
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
