"""Drops the programs of a function and of its derivatives, all of them, when what they settled has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from jitdiff.errors import SettledWarning
from jitdiff.frontend import Settled, noting
from jitdiff.ir.location import warn
from jitdiff.threads import Lock

if TYPE_CHECKING:
    from jitdiff.api.compiled import Compiled


class Invalidation:
    """Keeps a function and its derivatives from disagreeing about what they settled when they were traced.

    Parameters
    ----------
    name : str
        Name of the function.

    Attributes
    ----------
    lock : Lock
        Held while one of them is traced.
    version : int
        Counts how often all was dropped.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = Lock()
        self.version = 0
        self._settled = Settled()
        self._members: WeakSet[Compiled[Any, Any]] = WeakSet()

    def add(self, member: Compiled[Any, Any]) -> None:
        """Enter a compiled function."""
        self._members.add(member)

    def check(self) -> bool:
        """Drop all programs if something that they settled has changed, and warn; return whether it has."""
        changes = self._settled.changes()
        if not changes:
            return False
        self.version += 1
        self._settled = Settled()
        for member in list(self._members):
            member._forget()
        more = f" (and {len(changes) - 3} more)" if len(changes) > 3 else ""
        warn(
            f"since {self.name} was traced, {', '.join(changes[:3])}{more}: it and its derivatives are traced again, "
            "all of them. Pass what changes as an argument",
            SettledWarning,
        )
        return True

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Settle what is traced in the block, unless it fails."""
        with noting() as noted:
            yield
        self._settled.add(noted)
