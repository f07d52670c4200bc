"""Calls of functions with rules of their own: which arguments are differentiated, and how they and results nest."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.eager.arguments import flatten
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.operands import captured, kept
from jitdiff.eager.tensor import Tensor
from jitdiff.errors import JitdiffError
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

    def kept(self) -> Call:
        """Return the call with arrays as they are now, for a rule that runs later: the caller may change his."""
        other = copy.copy(self)
        other.given = list(map(kept_leaf, self.given))
        return other

    def given_with(self, handles: Sequence[Any]) -> tuple[Any, ...]:
        """Return the arguments as they were given, with these in place of the handles."""
        leaves = list(self.given)
        for k, x in zip(self.places, handles, strict=True):
            leaves[k] = x
        return tuple(self.spec.unflatten(leaves))

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


def reads_from_around(kind: type[JitdiffError], name: str, what: object, where: str | None) -> JitdiffError:
    """Return the error for a function with a rule of its own that reads a differentiated value from around it."""
    return kind(
        f"{name} has a rule for its derivative by its arguments, and reads a {what} from around it that is "
        "differentiated too",
        where=where,
        hint="make it an argument, or read jd.stop_gradient of it",
    )


class Result:
    """The leaves of a result and their nesting."""

    def __init__(self, tree: Any) -> None:
        self.leaves, self.spec = flatten(tree)

    def nested(self, leaves: Sequence[Any]) -> Any:
        """Return `leaves` nested as the result is."""
        return self.spec.unflatten(leaves)
