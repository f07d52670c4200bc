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
from operator import attrgetter
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


_HIDDEN = object()


class Mark:
    """How a value is told from another: by its type and key, or by its identity.

    Parameters
    ----------
    kind : type or str
        What is compared first.
    key : object
        What is compared then.
    shown : object
        The value in messages, if it is better shown.
    """

    __slots__ = ("key", "kind", "shown")

    def __init__(self, kind: type[Any] | str, key: Any, shown: Any = _HIDDEN) -> None:
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
        if self.shown is _HIDDEN or other.shown is _HIDDEN:
            return "is something else"
        return f"has changed from {_short(self.shown)} to {_short(other.shown)}"


MISSING = Mark("missing", None)
"""The mark of what is not there."""


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
        Addresses of arrays whose elements are no part of a program.

    Attributes
    ----------
    marks : dict
        The marks with the names of what they belong to, by where that was found.
    implicit : dict
        Functions that Python and libraries may call by themselves, by their identity.
    named : set of str
        Attributes that `operator.attrgetter` objects read.
    """

    def __init__(self, attributes: set[str] | None, references: Container[int]) -> None:
        self.attributes = attributes
        self.references = references
        self.marks: dict[Hashable, tuple[str, Mark]] = {}
        self.implicit: dict[int, FunctionType] = {}
        self.named: set[str] = set()
        self._seen: dict[int, tuple[Any, Hashable]] = {}

    def root(self, key: Hashable, name: str, get: Callable[[], Any]) -> None:
        """Mark what a name means, and what it holds that code may read."""
        try:
            waiting = [(key, name, get())]
        except (KeyError, ValueError, AttributeError):
            self.marks[key] = name, MISSING
            return
        while waiting:
            place, path, x = waiting.pop()
            mark, held = self._mark(place, x)
            self.marks[place] = path, mark
            inside = [(hash((place, name)), _longer(path, name), value) for name, value in held]
            waiting += reversed(inside)

    def _mark(self, place: Hashable, x: Any) -> tuple[Mark, Iterable[tuple[str, Any]]]:
        """Return the mark of a value, and what it holds with how that is written behind its name."""
        if isinstance(x, _VALUES):
            return Mark(type(x), _key(x), x), ()
        if isinstance(x, list | tuple | set | frozenset | deque | dict | MappingProxyType):
            return self._container(place, x)
        if isinstance(x, np.ndarray) and x.dtype.hasobject:
            return self._container(place, [*x.flat])
        if isinstance(x, np.ndarray):
            # What was computed of one that is no reference was computed while tracing.
            numbers = None if address(x) in self.references else _digest(x)
            return Mark("array", (address(x), x.shape, x.strides, x.dtype, numbers)), ()
        mark = Mark("is", x.__func__ if isinstance(x, MethodType) else x)
        return mark, self._held(x) if self._first(place, x) == place else ()

    def _first(self, place: Hashable, x: Any) -> Hashable:
        """Return the place at which a value was found first."""
        return self._seen.setdefault(id(x), (x, place))[1]

    def _container(self, place: Hashable, x: Any) -> tuple[Mark, Iterable[tuple[str, Any]]]:
        maps = isinstance(x, dict | MappingProxyType)
        keys: Any = tuple(x) if maps else range(len(x))
        items = tuple(x.values() if maps else x)
        if all(isinstance(item, _VALUES) for item in items):
            if isinstance(x, set | frozenset):
                key: Any = frozenset(map(_key, items))
            else:
                key = _Items((*keys, *items) if maps else items)
            # Methods of the user's classes are not called.
            plain: Any = type(x) if type(x) in (list, set, frozenset) else tuple
            return Mark(type(x), key, dict(zip(keys, items, strict=True)) if maps else plain(items)), ()
        if (first := self._first(place, x)) != place:
            return Mark(type(x), first), ()
        return Mark(type(x), len(items)), [(f"[{key!r}]", item) for key, item in zip(keys, items, strict=True)]

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
            case attrgetter():
                self.named.update(part for name in x.__reduce__()[1] for part in name.split("."))
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


def address(x: np.ndarray[Any, Any]) -> int:
    """Return where an array begins in memory: objects may give another array for the same memory each time."""
    return int(x.__array_interface__["data"][0])


def _longer(path: str, name: str) -> str:
    path += name
    return path if len(path) < 120 else f"...{path[-60:]}"


def _digest(x: np.ndarray[Any, Any]) -> bytes:
    if not x.nbytes:
        return b""
    return hashlib.blake2b(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data, digest_size=16).digest()


def _written(cls: type) -> list[type]:
    """Return the user's classes among the bases of a class, the class itself last."""
    return [base for base in reversed(cls.__mro__) if not is_library(base.__module__)]


def _implicit(cls: type) -> dict[int, FunctionType]:
    found = [vars(base).get(name) for base in _written(cls) for name in _IMPLICIT & vars(base).keys()]
    return {id(f): f for f in found if isinstance(f, FunctionType)}
