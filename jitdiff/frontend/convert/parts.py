"""Values of variables as trees of numbers and arrays, where objects of the user's classes are trees of attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from optree import PyTreeSpec

from jitdiff.frontend import trees
from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.state import Undefined, is_number, same
from jitdiff.frontend.objects import attributes, instance, is_object


class _Object:
    """A node for an object: its children are its attributes."""

    __slots__ = ("children", "cls", "names")

    def __init__(self, cls: type, names: tuple[str, ...], children: list[Any]) -> None:
        self.cls = cls
        self.names = names
        self.children = children


class _Fixed:
    """A node without children for an attribute that is neither a number nor an array."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fixed) and same(self.value, other.value)

    def __hash__(self) -> int:
        return hash(type(self.value))


class _Shared(Exception):
    """An object is at several places of a tree, or in itself: made again it would be several."""


def flatten(value: Any) -> tuple[list[Any], PyTreeSpec]:
    """Return the leaves of a value and its structure, with which `jitdiff.frontend.trees.unflatten` makes it again."""
    value = _listed(value)
    leaves, spec = trees.flatten(value)
    others = [x for x in leaves if not is_number(x)]
    opens = len(others) < len(leaves) or any(map(_is_node, others))
    if not others or not opens or any(isinstance(x, Undefined) for x in others):
        return leaves, spec
    try:
        return trees.flatten(_opened(value, set()))
    except (_Shared, RecursionError):
        return leaves, spec


def _listed(value: Any) -> Any:
    """Return a value with the lists in it as those that converted code makes, so that all are of one kind."""
    kind = type(value)
    if kind is list or (kind is List and not value.is_stacked):
        return List(map(_listed, list.__iter__(value)))
    if kind is tuple:
        return tuple(map(_listed, value))
    return {key: _listed(x) for key, x in value.items()} if kind is dict else value


def _is_node(x: Any) -> bool:
    return not is_number(x) and is_object(type(x)) and not isinstance(x, dict | list)


def _opened(value: Any, seen: set[int]) -> Any:
    leaves, spec = trees.flatten(value)
    return trees.unflatten(spec, [_node(x, seen) for x in leaves])


def _node(x: Any, seen: set[int]) -> Any:
    if is_number(x):
        return x
    if not _is_node(x):
        return _Fixed(x)
    if id(x) in seen:
        raise _Shared
    seen.add(id(x))
    held = attributes(x)
    return _Object(type(x), tuple(held), [_opened(part, seen) for part in held.values()])


def _object_again(meta: Any, children: Iterable[Any]) -> Any:
    cls, names = meta
    return instance(cls, dict(zip(names, children, strict=True)))


trees.enter(_Object, lambda node: (node.children, (node.cls, node.names), node.names), _object_again)
trees.enter(_Fixed, lambda node: ([], node, ()), lambda node, _: node.value)
