"""Find the containers and objects in a value, which can be changed in place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from jitdiff.frontend.objects import attributes, is_object


def mutable(value: Any) -> list[Any]:
    """Return the lists, dicts and objects of the user's classes in a value, each once."""
    found: dict[int, Any] = {}
    _collect(value, found)
    return list(found.values())


def _collect(value: Any, found: dict[int, Any]) -> None:
    if isinstance(value, dict):
        parts: Iterable[Any] = dict.values(value)
    elif isinstance(value, list | deque):
        parts = list.__iter__(value) if isinstance(value, list) else value
    elif isinstance(value, tuple):
        parts = value
    elif is_object(type(value)):
        parts = attributes(value).values()
    else:
        return
    if id(value) in found:
        return
    if not isinstance(value, tuple):
        found[id(value)] = value
    for part in parts:
        _collect(part, found)
