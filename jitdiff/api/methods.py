"""Methods: the object they belong to is their first argument."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jitdiff.frontend import Self, Static, can_be_opened


def as_argument(instance: Any) -> Any:
    """Return the first argument of a method: a tree of the attributes where there are any, else static."""
    if can_be_opened(type(instance)):
        return Self(instance)
    return instance if isinstance(instance, tuple) else Static(instance)


def target(argument: Any) -> Any:
    """Return the object that a method's first argument stands for."""
    if isinstance(argument, Self):
        return argument.target
    return argument.value if isinstance(argument, Static) else argument


def of_method(transform: Callable[..., Any], method: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """Return the transform of a method, by positions that do not count ``self``."""

    def transformed(instance: Any, *args: Any, **kwargs: Any) -> Any:
        def bound(*rest: Any, **keywords: Any) -> Any:
            return method(instance, *rest, **keywords)

        functools.update_wrapper(bound, method, updated=())
        return transform(bound, **options)(*args, **kwargs)

    named = transform(method, **options)
    if getattr(named, "__wrapped__", None) is method:
        functools.update_wrapper(transformed, method, updated=())
    transformed.__name__ = transformed.__qualname__ = named.__name__
    return transformed
