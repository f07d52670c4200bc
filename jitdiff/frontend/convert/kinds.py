"""The types of followed values as code asks for them: those of the numbers and arrays that NumPy would have there."""

from __future__ import annotations

import ast
import builtins
import numbers
from collections import abc
from collections.abc import Callable
from types import FunctionType, SimpleNamespace, UnionType
from typing import Any

import numpy as np

from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.state import Absent, is_traced
from jitdiff.frontend.convert.text import Text, read, shown
from jitdiff.frontend.convert.tree import support
from jitdiff.ir import Dim
from jitdiff.ops.methods import ArrayMethods

_MISSING = object()


def stand_in(x: Any) -> Any:
    """Return an array or number of the type that a followed value or a symbolic size has; anything else as it is."""
    if isinstance(x, Dim):
        return 0
    if not isinstance(x, ArrayMethods):
        return x
    return np.empty((0,) * x.ndim, x.dtype) if x.ndim else type_of(x)(0)


def type_of(x: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Return ``type(x)``."""
    if args or kwargs:
        return builtins.type(x, *args, **kwargs)
    if isinstance(x, Dim):
        return int
    if isinstance(x, List | Text):
        return list if isinstance(x, List) else str
    if not isinstance(x, ArrayMethods):
        return builtins.type(x)
    if x.ndim:
        return np.ndarray
    # What is computed of Python's numbers alone is one of them.
    return builtins.type(x.dtype.type(0).item()) if x.type.weak else x.dtype.type


def class_of(x: Any) -> Any:
    """Return ``x.__class__``."""
    return type_of(x) if isinstance(x, ArrayMethods | Dim | List | Text) else x.__class__


def is_instance(x: Any, kinds: Any, /) -> bool:
    """Return ``isinstance(x, kinds)``."""
    if not isinstance(x, ArrayMethods | Dim):
        return builtins.isinstance(x, kinds)
    if isinstance(kinds, tuple | UnionType):
        return any(is_instance(x, kind) for kind in (kinds if isinstance(kinds, tuple) else kinds.__args__))
    ours = getattr(kinds, "__module__", "").partition(".")[0] == "jitdiff"
    return builtins.isinstance(x if ours else stand_in(x), kinds)


def _hasattr(x: Any, name: str, /) -> bool:
    found = getattr(stand_in(x), read(name), _MISSING)
    if isinstance(found, Absent):
        found.refuse()
    return found is not _MISSING


def _getattr(x: Any, name: str, /, *default: Any) -> Any:
    name = read(name)
    return default[0] if default and not hasattr(stand_in(x), name) else getattr(x, name, *default)


def _hash(x: Any, /) -> int:
    if not isinstance(x, ArrayMethods):
        return hash(x)
    if x.ndim:
        return hash(stand_in(x))
    if is_traced(x):
        x._refuse("hash()", "use the value itself")
    return hash(shown(x))


def _of_type(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that looks at the types of its arguments only, for followed values."""
    return lambda *args, **kwargs: function(*map(stand_in, args), **kwargs)


KINDS: dict[Any, Callable[..., Any]] = {
    builtins.isinstance: is_instance,
    builtins.type: type_of,
    builtins.hasattr: _hasattr,
    builtins.getattr: _getattr,
    builtins.hash: _hash,
    **{
        each: _of_type(each)
        for each in (builtins.callable, np.isscalar, np.iterable, np.iscomplexobj, np.isrealobj, np.common_type)
    },
}
"""Replacements, in converted code, of functions that tell types."""


class _Kind(type):
    """The type of a class that a pattern names in place of another."""

    stands_for: type

    def __instancecheck__(cls, x: object) -> bool:
        return is_instance(x, cls.stands_for)


_PATTERNS: list[type] = [
    float, int, complex, bool, np.ndarray, np.generic, np.number, np.inexact, np.floating, np.integer,
    *(np.dtype(code).type for code in "?bhilqBHILQfd"),
    numbers.Number, numbers.Complex, numbers.Real, numbers.Rational, numbers.Integral,
    abc.Iterable, abc.Sized, abc.Container, abc.Collection, abc.Sequence, abc.Hashable,
]  # fmt: skip
"""Classes in patterns that a number or an array may be of."""


def _name(cls: type) -> str:
    return f"{cls.__module__}_{cls.__qualname__}".replace(".", "_")


# A pattern takes one positional part of a float or int, the number itself, and so of what is derived from them.
kinds = SimpleNamespace(
    **{_name(cls): _Kind(cls.__name__, (cls,) if cls in (float, int) else (), {"stands_for": cls}) for cls in _PATTERNS}
)


def name_kinds(node: ast.AST, function: FunctionType) -> None:
    """Let patterns with classes of numbers and arrays match followed values too, in the definition of a function."""
    for part in ast.walk(node):
        if isinstance(part, ast.MatchClass) and (cls := _found(part.cls, function)) in _PATTERNS:
            part.cls = ast.copy_location(ast.Attribute(support("kinds"), _name(cls), ast.Load()), part.cls)


def _found(node: ast.expr, function: FunctionType) -> Any:
    """Return what a global name or an attribute of one holds, None if that is not known."""
    if isinstance(node, ast.Attribute):
        return getattr(_found(node.value, function), node.attr, None)
    if not isinstance(node, ast.Name) or node.id in function.__code__.co_varnames:
        return None
    return function.__globals__.get(node.id, getattr(builtins, node.id, None))
