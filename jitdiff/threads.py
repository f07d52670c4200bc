"""What threads share, and what a forked child finds of it: locks, and attributes computed once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar, overload
from weakref import WeakSet

T = TypeVar("T")


class Lock:
    """A reentrant lock that is free in a forked child, unless the thread that forked holds it.

    Other threads do not exist in the child, so what they hold would never be released.

    Examples
    --------
    >>> with Lock() as lock, lock:
    ...     pass
    """

    def __init__(self) -> None:
        self._lock: Any = threading.RLock()
        _locks.add(self)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Wait for the lock and take it."""
        self._lock.acquire()

    def release(self) -> None:
        """Give up the lock, taken as often as it was acquired."""
        self._lock.release()

    def free_in_child(self) -> None:
        """Free the lock from a thread that does not exist here."""
        if not self._lock._is_owned():
            self._lock = threading.RLock()


_locks: WeakSet[Lock] = WeakSet()


def _free_locks() -> None:
    for lock in _locks:
        lock.free_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_locks)


class Locked(Protocol):
    """An object with a lock for its `lazy` attributes."""

    @property
    def _lock(self) -> Lock: ...


class lazy(Generic[T]):  # noqa: N801
    """An attribute computed when it is first read, once, under the ``_lock`` of its object.

    The lock of `functools.cached_property` before Python 3.12 is one for all objects, and no child of a fork can
    release it.

    Examples
    --------
    >>> class Circle:
    ...     _lock = Lock()
    ...     @lazy
    ...     def area(self):
    ...         print("computed")
    ...         return 3.14
    >>> circle = Circle()
    >>> circle.area, circle.area
    computed
    (3.14, 3.14)
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Locked, owner: type) -> T: ...
    def __get__(self, instance: Locked | None, owner: type) -> T | Self:
        """Return the value, which hides this descriptor from now on."""
        if instance is None:
            return self
        values = vars(instance)
        with instance._lock:
            if self._name not in values:
                values[self._name] = self._compute(instance)
        found: T = values[self._name]
        return found
