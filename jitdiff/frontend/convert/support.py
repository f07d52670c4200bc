"""The names that converted code reaches its run-time support by."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from jitdiff.frontend.convert.arrays import made_here as made
from jitdiff.frontend.convert.blocks import comprehension, for_, if_, while_
from jitdiff.frontend.convert.changes import born, made_variables, note_variables
from jitdiff.frontend.convert.handlers import caught
from jitdiff.frontend.convert.kinds import class_of, kinds
from jitdiff.frontend.convert.operators import (
    and_,
    and_value,
    assert_,
    augment,
    augment_masked,
    checked,
    compare,
    decided,
    delitem,
    getitem,
    ifexp,
    list_,
    not_,
    or_,
    or_value,
    raised,
    returned,
    setitem,
)
from jitdiff.frontend.convert.state import read
from jitdiff.frontend.convert.text import joined, told

slice = builtins.slice

attribute: Callable[..., Any]
"""Set by `protocols`, as are the next."""

augment_attribute: Callable[..., Any]
augment_item: Callable[..., Any]
augmented: Callable[..., Any]
binary: Callable[..., Any]
contains: Callable[..., Any]
del_attribute: Callable[..., Any]
del_item: Callable[..., Any]
item: Callable[..., Any]
iterated: Callable[..., Any]
managed: Callable[..., Any]
set_attribute: Callable[..., Any]
set_item: Callable[..., Any]
unary: Callable[..., Any]


call: Callable[..., Any]
"""``call(function, *args, **kwargs)`` calls a function in a trace; set by `calls`, which imports what imports this."""

call_on_values: Callable[..., Any]
"""The same where tapes follow values."""


__all__ = [
    "and_",
    "and_value",
    "assert_",
    "attribute",
    "augment",
    "augment_attribute",
    "augment_item",
    "augment_masked",
    "augmented",
    "binary",
    "born",
    "call",
    "call_on_values",
    "caught",
    "checked",
    "class_of",
    "compare",
    "comprehension",
    "contains",
    "decided",
    "del_attribute",
    "del_item",
    "delitem",
    "for_",
    "getitem",
    "if_",
    "ifexp",
    "item",
    "iterated",
    "joined",
    "kinds",
    "list_",
    "made",
    "made_variables",
    "managed",
    "not_",
    "note_variables",
    "or_",
    "or_value",
    "raised",
    "read",
    "returned",
    "set_attribute",
    "set_item",
    "setitem",
    "slice",
    "told",
    "unary",
    "while_",
]
