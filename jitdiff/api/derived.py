"""How a transform meets a compiled function: the result is the compiled transform of the plain one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def derived(f: Callable[..., Any], transform: Callable[..., Any], **options: Any) -> Callable[..., Any] | None:
    """Return the compiled transform of a compiled function, None for a plain one.

    A compiled function is one that has a method ``transformed``.
    """
    transformed = getattr(f, "transformed", None)
    return None if transformed is None else transformed(transform, **options)
