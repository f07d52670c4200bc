"""Trees of arguments and results: any nesting of dict, list, tuple, namedtuple, dataclass and None.

A dataclass is a tree of its fields from the first time one is seen; nothing needs to be registered.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from typing import Any

import optree
from optree import PyTreeSpec

NAMESPACE = "jitdiff"
"""The optree namespace in which dataclasses are registered."""

_plain: set[type] = set()
"""Leaf types already found to be leaves."""

_registered: set[type] = set()
_lock = threading.Lock()


def flatten(tree: Any) -> tuple[list[Any], PyTreeSpec]:
    """Return the leaves of a tree and its structure.

    Examples
    --------
    >>> leaves, spec = flatten({"w": [1.0, 2.0], "b": None})
    >>> leaves
    [1.0, 2.0]
    >>> unflatten(spec, ["x", "y"])
    {'w': ['x', 'y'], 'b': None}
    """
    leaves, spec = optree.tree_flatten(tree, namespace=NAMESPACE)
    for leaf in leaves:
        if type(leaf) not in _plain:
            if register_dataclass(type(leaf)):
                return flatten(tree)
            _plain.add(type(leaf))
    return leaves, spec


def unflatten(spec: PyTreeSpec, leaves: Iterable[Any]) -> Any:
    """Return the tree of structure `spec` with these leaves."""
    return optree.tree_unflatten(spec, leaves)


def tree_map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Return the tree of ``function(leaf, *leaves)``; the trees in `rest` have the structure of `tree`."""
    leaves, spec = flatten(tree)
    others = [flatten(other)[0] for other in rest]
    return unflatten(spec, [function(*row) for row in zip(leaves, *others, strict=True)])


def leaf_names(spec: PyTreeSpec, root: str = "") -> list[str]:
    """Return a name for each leaf: the path to it, joined by underscores, after `root`.

    Examples
    --------
    >>> leaf_names(flatten({"w": [1.0, 2.0], "b": 3.0})[1], "params")
    ['params_b', 'params_w_0', 'params_w_1']
    """
    return ["_".join([*([root] if root else []), *map(_part, accessor)]) for accessor in spec.accessors()]


def _part(entry: Any) -> str:
    return str(getattr(entry, "field", entry.entry))


class Instance:
    """An object whose attributes are the children of a tree: the ``self`` of a compiled method.

    Inside a trace it becomes a copy of the object that holds traced attributes.
    """

    __slots__ = ("target",)

    def __init__(self, target: Any) -> None:
        self.target = target


def register_dataclass(cls: type) -> bool:
    """Register a dataclass as a tree of its fields; say whether `cls` is one."""
    if not dataclasses.is_dataclass(cls):
        return False
    names = tuple(f.name for f in dataclasses.fields(cls))

    def build(_: Any, fields: Iterable[Any]) -> Any:
        # Not by the constructor, whose checks and conversions are for numbers.
        value: Any = object.__new__(cls)
        for name, field in zip(names, fields, strict=True):
            object.__setattr__(value, name, field)
        return value

    with _lock:
        if cls not in _registered:
            _registered.add(cls)
            _enter(cls, lambda value: ([getattr(value, name) for name in names], None, names), build)
    return True


def _enter(cls: Any, children: Callable[[Any], Any], build: Callable[[Any, Iterable[Any]], Any]) -> None:
    optree.register_pytree_node(cls, children, build, path_entry_type=optree.GetAttrEntry, namespace=NAMESPACE)


def _instance_children(value: Instance) -> Any:
    names = tuple(vars(value.target))
    return list(vars(value.target).values()), (type(value.target), names), names


def _instance_build(kind: Any, fields: Iterable[Any]) -> Any:
    cls, names = kind
    value: Any = object.__new__(cls)
    vars(value).update(zip(names, fields, strict=True))
    return value


_enter(Instance, _instance_children, _instance_build)
