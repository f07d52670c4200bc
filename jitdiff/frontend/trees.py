"""Trees of arguments and results: any nesting of dict, list, tuple, namedtuple, dataclass and None.

A dataclass is a tree of its fields from the first time one is seen; nothing needs to be registered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import optree
from optree import PyTreeSpec

from jitdiff.threads import Lock

NAMESPACE = "jitdiff"
"""The optree namespace in which dataclasses are registered."""

_plain: set[type] = set()
"""Leaf types already found to be leaves."""

_registered: set[type] = set()
_lock = Lock()


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


def register_dataclass(cls: type) -> bool:
    """Register a dataclass as a tree of its fields; say whether `cls` is one."""
    if not dataclasses.is_dataclass(cls):
        return False
    fields = tuple(f.name for f in dataclasses.fields(cls))

    def children(value: Any) -> Any:
        more = [n for n in getattr(value, "__dict__", ()) if n not in fields]
        fixed = {n: getattr(value, n) for n in more if type(getattr(value, n)) in _FIXED}
        names = (*fields, *(n for n in more if n not in fixed))
        return [getattr(value, name) for name in names], (names, tuple(fixed.items())), names

    def build(meta: Any, values: Iterable[Any]) -> Any:
        names, fixed = meta
        # Not by the constructor, whose checks and conversions are for numbers.
        made: Any = object.__new__(cls)
        for name, value in (*zip(names, values, strict=True), *fixed):
            object.__setattr__(made, name, value)
        return made

    with _lock:
        if cls not in _registered:
            # A child that is forked between these lines enters the class again, which optree refuses.
            with suppress(ValueError):
                enter(cls, children, build)
            _registered.add(cls)
    return True


_FIXED = frozenset({str, int, bool, type(None)})
"""Types of attributes, beside the fields of a dataclass, that belong to its structure."""


def enter(cls: Any, children: Callable[[Any], Any], build: Callable[[Any, Iterable[Any]], Any]) -> None:
    """Enter a class among those of trees: by its children and what else there is to know, and how to build it of these.

    ``children(value)`` gives the children, what the structure knows besides, and the name of each child;
    ``build(knows, children)`` gives a value.
    """
    optree.register_pytree_node(cls, children, build, path_entry_type=optree.GetAttrEntry, namespace=NAMESPACE)
