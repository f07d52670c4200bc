"""How a transform meets a compiled function: the result is the compiled transform of the plain one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def derived(f: Callable[..., Any], transform: Callable[..., Any], **options: Any) -> Callable[..., Any] | None:
    """Return the compiled transform of a compiled function, None for a plain one.

    A compiled function is one that has a method ``transformed``.
    """
    transformed = getattr(f, "transformed", None)
    return None if transformed is None else transformed(transform, **options)


def derived_of(
    function: Callable[..., Any], f: Callable[..., Any], suffix: str, same_signature: bool = True
) -> Callable[..., Any]:
    """Return `function`, named as derived from `f`."""
    name = getattr(f, "__name__", type(f).__name__)
    if same_signature:
        functools.update_wrapper(function, f, updated=())
    function.__name__ = f"{name}_{suffix}" if name.isidentifier() else suffix
    function.__qualname__ = function.__name__
    return function
