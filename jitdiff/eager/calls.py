"""Calls of functions with rules of their own: which arguments are differentiated, and how they and results nest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitdiff.eager.arguments import flatten
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.operands import captured
from jitdiff.ops import Handle, Tracer


class Call:
    """The arguments of one call: which leaves are handles, and how to put others in their place."""

    def __init__(self, args: Sequence[Any]) -> None:
        leaves, self.spec = flatten(tuple(args))
        self.leaves = [x.read() if isinstance(x, EagerHandle) else x for x in leaves]
        self.places = [k for k, x in enumerate(self.leaves) if isinstance(x, Handle)]
        self.handles = [self.leaves[k] for k in self.places]
        self.traced = any(isinstance(x, Tracer) for x in self.handles)

    def operands(self) -> list[Any]:
        """Return the handles, all of one world."""
        return [captured(x) if self.traced and isinstance(x, EagerHandle) else x for x in self.handles]

    def with_operands(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """Return the arguments with these in place of the handles; Variables have become Tensors."""
        leaves = list(self.leaves)
        for k, x in zip(self.places, operands, strict=True):
            leaves[k] = x
        return tuple(self.spec.unflatten(leaves))

    def of_operands(self, cotangents: Sequence[Any]) -> list[Any]:
        """Return those of the cotangents, one for each leaf, that belong to handles."""
        return [cotangents[k] for k in self.places]


class Result:
    """The leaves of a result and their nesting."""

    def __init__(self, tree: Any) -> None:
        self.leaves, self.spec = flatten(tree)

    def nested(self, leaves: Sequence[Any]) -> Any:
        """Return `leaves` nested as the result is."""
        return self.spec.unflatten(leaves)
