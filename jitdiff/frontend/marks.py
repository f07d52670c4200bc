"""Marks of values outside of a program, by which a later look tells whether code would read something else."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import is_dataclass
from functools import _lru_cache_wrapper, partial
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np

from jitdiff.frontend.boxes import is_box
from jitdiff.frontend.leaves import exact
from jitdiff.frontend.libraries import is_library
from jitdiff.frontend.objects import attributes, is_object

_VALUES = (bool, int, float, complex, str, bytes, type(None), np.generic)
_IMPLICIT = frozenset(
    f"__{name}__"
    for name in (
        "array", "bool", "bytes", "contains", "float", "format", "getitem", "hash", "index", "int", "iter", "len",
        "length_hint", "missing", "next", "reversed", "round",
    )
)  # fmt: skip
"""Methods that Python and libraries call by themselves, so that no code that is traced names what they read."""


class Mark:
    """How a value is told from another: by its type and key, or by its identity.

    Parameters
    ----------
    kind : type or str
        What is compared first.
    key : object
        What is compared then.
    shown : object
        The value in messages, None if it is better not shown.
    """

    __slots__ = ("key", "kind", "shown")

    def __init__(self, kind: type[Any] | str, key: Any, shown: Any = None) -> None:
        self.kind = kind
        self.key = key
        self.shown = shown

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mark) or self.kind != other.kind:
            return False
        return self.key is other.key or (self.kind != "is" and bool(self.key == other.key))

    __hash__ = None  # type: ignore[assignment]

    def change_to(self, other: Mark) -> str:
        """Return how a value of the other mark differs, as the predicate of a sentence."""
        if other is MISSING:
            return "is gone"
        if self is MISSING:
            return "is new"
        if "array" in (self.kind, other.kind):
            same = self.kind == other.kind and self.key[0] == other.key[0]
            return "holds other numbers" if same else "is another array"
        if self.kind == other.kind == "is":
            same = type(self.key) is type(other.key)
            return f"is another {type(other.key).__name__}" if same else "is something else"
        if "is" in (self.kind, other.kind) or _Length in (type(self.key), type(other.key)):
            return "is something else"
        return f"has changed from {_short(self.shown)} to {_short(other.shown)}"


MISSING = Mark("missing", None)
"""The mark of what is not there."""


class _Length(int):
    """The number of items of a container whose items have marks of their own."""


class _Items:
    """Numbers and texts, equal to the same ones in the same order."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = tuple(items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Items) or len(self.items) != len(other.items):
            return False
        return all(a is b or _key(a) == _key(b) for a, b in zip(self.items, other.items, strict=True))

    __hash__ = None  # type: ignore[assignment]


def _key(x: Any) -> Hashable:
    return (type(x), x.tobytes()) if isinstance(x, np.generic) else exact(x)


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) < 40 else f"{text[:36]}..."


class Marking:
    """Goes through values, and marks what is found on the way.

    Parameters
    ----------
    attributes : set of str or None
        Which attributes of objects, classes and modules to look at; None for all.
    references : collection of int
        Identities of arrays whose elements are no part of a program.

    Attributes
    ----------
    marks : dict
        The marks with the names of what they belong to, by where that was found.
    implicit : dict
        Functions that Python and libraries may call by themselves, by their identity.
    """

    def __init__(self, attributes: set[str] | None, references: Container[int]) -> None:
        self.attributes = attributes
        self.references = references
        self.marks: dict[Hashable, tuple[str, Mark]] = {}
        self.implicit: dict[int, FunctionType] = {}
        self._root: Hashable = None
        self._seen: dict[int, Any] = {}

    def root(self, key: Hashable, name: str, get: Callable[[], Any]) -> None:
        """Mark what a name means, and what it holds that code may read."""
        self._root = key
        try:
            value = get()
        except (KeyError, ValueError, AttributeError):
            self._mark(name, MISSING)
        else:
            self._walk(name, value)

    def _mark(self, path: str, mark: Mark) -> None:
        self.marks[(self._root, path)] = (path, mark)

    def _walk(self, path: str, x: Any) -> None:
        if isinstance(x, _VALUES):
            self._mark(path, Mark(type(x), _key(x), x))
        elif isinstance(x, list | tuple | set | frozenset | deque | dict | MappingProxyType):
            self._container(path, x)
        elif isinstance(x, np.ndarray) and id(x) not in self.references:
            # What was computed of it was computed while tracing.
            self._mark(path, Mark("array", (id(x), x.shape, x.dtype, _digest(x))))
        else:
            self._mark(path, Mark("is", x.__func__ if isinstance(x, MethodType) else x))
            if id(x) not in self._seen:
                self._seen[id(x)] = x
                for name, value in self._held(x):
                    self._walk(f"{path}{name}", value)

    def _container(self, path: str, x: Any) -> None:
        maps = isinstance(x, dict | MappingProxyType)
        keys: Any = tuple(x) if maps else range(len(x))
        items = tuple(x.values() if maps else x)
        if all(isinstance(item, _VALUES) for item in items):
            if isinstance(x, set | frozenset):
                key: Any = frozenset(map(_key, items))
            else:
                key = _Items((*keys, *items) if maps else items)
            self._mark(path, Mark(type(x), key, x.copy() if hasattr(x, "copy") else x))
        elif id(x) not in self._seen:
            self._seen[id(x)] = x
            self._mark(path, Mark(type(x), _Length(len(items))))
            for key, item in zip(keys, items, strict=True):
                self._walk(f"{path}[{key!r}]", item)

    def _held(self, x: Any) -> Iterator[tuple[str, Any]]:
        """Yield what code may read of a value, with how it is written behind its name."""
        match x:
            case partial():
                yield from {".func": x.func, ".args": x.args, ".keywords": x.keywords}.items()
            case MethodType():
                yield ".__self__", x.__self__
            case UserDict() | UserList():
                yield ".data", x.data
            case ChainMap():
                yield ".maps", x.maps
            case weakref.ref():
                yield "()", x()
            case ContextVar():
                yield ".get()", x.get(None)
            case _lru_cache_wrapper(__wrapped__=FunctionType() as function):
                self.implicit[id(function)] = function
        for name, value in self._read(x).items():
            yield f".{name}", value

    def _read(self, x: Any) -> dict[str, Any]:
        """Return the attributes of a module, a class or an object of the user's that code may read."""
        if isinstance(x, ModuleType):
            return {} if is_library(x.__name__) else self._named(vars(x))
        if isinstance(x, type):
            return self._of_class(x)
        if is_box(type(x)):
            return attributes(x)
        if is_object(type(x)) or is_dataclass(type(x)):
            return {**self._of_class(type(x)), **self._named(attributes(x))}
        return self._named(vars(x)) if isinstance(x, threading.local) else {}

    def _of_class(self, cls: type) -> dict[str, Any]:
        self.implicit.update(_implicit(cls))
        return {name: value for base in _written(cls) for name, value in self._named(vars(base)).items()}

    def _named(self, found: Any) -> dict[str, Any]:
        if self.attributes is None:
            return {n: x for n, x in found.items() if not n.startswith("__")}
        return {n: found[n] for n in sorted(self.attributes & found.keys())}


def _digest(x: np.ndarray[Any, Any]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data, digest_size=16).digest()


def _written(cls: type) -> list[type]:
    """Return the user's classes among the bases of a class, the class itself last."""
    return [base for base in reversed(cls.__mro__) if not is_library(base.__module__)]


def _implicit(cls: type) -> dict[int, FunctionType]:
    found = [vars(base).get(name) for base in _written(cls) for name in _IMPLICIT & vars(base).keys()]
    return {id(f): f for f in found if isinstance(f, FunctionType)}
