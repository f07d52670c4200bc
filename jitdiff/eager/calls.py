"""Calls of functions with rules of their own: which arguments are differentiated, and how they and results nest."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.eager.arguments import flatten
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.inplace import root_of
from jitdiff.eager.operands import captured, kept
from jitdiff.eager.recorder import Changes
from jitdiff.eager.tensor import Tensor
from jitdiff.errors import JitdiffError, TapeError
from jitdiff.ir import type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle, Tracer


class Call:
    """The arguments of one call: which leaves are handles, and how to put others in their place.

    Attributes
    ----------
    given : list
        The leaves as they were given; Variables have become Tensors.
    handles : list
        Those that are handles, as what they hold now.
    """

    def __init__(self, args: Sequence[Any]) -> None:
        leaves, self.spec = flatten(tuple(args))
        self.leaves = [x.read() if isinstance(x, EagerHandle) else x for x in leaves]
        self.places = [k for k, x in enumerate(self.leaves) if isinstance(x, Handle)]
        self.handles = [self.leaves[k] for k in self.places]
        self.given = [x if isinstance(x, Tensor) else y for x, y in zip(leaves, self.leaves, strict=True)]
        self.traced = any(isinstance(x, Tracer) for x in self.handles)

    def operands(self) -> list[Any]:
        """Return the handles, all of one world."""
        handles = [self.given[k] for k in self.places]
        return [captured(x) if self.traced and isinstance(x, EagerHandle) else x for x in handles]

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments as they were given."""
        return tuple(self.spec.unflatten(self.given))

    def check_unchanged(self, name: str, changes: Changes) -> None:
        """Raise if an argument is among what was changed in place: a rule says nothing of that."""
        changed = set(map(id, changes.changes().values()))
        for x in self.given:
            if isinstance(x, Tensor) and id(root_of(x)) in changed:
                raise changes_argument(TapeError, name, x)

    def kept(self) -> Call:
        """Return the call with arrays as they are now, for a rule that runs later: the caller may change his."""
        other = copy.copy(self)
        other.given = list(map(kept_leaf, self.given))
        return other

    def with_operands(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """Return the arguments with these in place of the handles; Variables have become Tensors."""
        leaves = list(self.leaves)
        for k, x in zip(self.places, operands, strict=True):
            leaves[k] = x
        return tuple(self.spec.unflatten(leaves))

    def of_operands(self, cotangents: Sequence[Any]) -> list[Any]:
        """Return those of the cotangents, one for each leaf, that belong to handles."""
        return [cotangents[k] for k in self.places]


def kept_leaf(x: Any) -> Any:
    """Return an array as it is now, anything else as it is."""
    return kept(x) if type(x) is np.ndarray else x


def changes_argument(kind: type[JitdiffError], name: str, x: Handle) -> JitdiffError:
    """Return the error for a function with a rule of its own that changes an array of its caller's."""
    return kind(
        f"{name} has a rule for its derivative, and changes an array of its caller's in place ({type_of(x)}), which "
        "the rule says nothing of",
        where=describe(caller()),
        hint="copy it first, x = x.copy(), and return what it becomes",
    )


class Result:
    """The leaves of a result and their nesting."""

    def __init__(self, tree: Any) -> None:
        self.leaves, self.spec = flatten(tree)

    def nested(self, leaves: Sequence[Any]) -> Any:
        """Return `leaves` nested as the result is."""
        return self.spec.unflatten(leaves)
