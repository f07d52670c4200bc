"""How a transform meets a compiled function: the result is the compiled transform of the plain one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def derived(f: Callable[..., Any], transform: Callable[..., Any], **options: Any) -> Callable[..., Any] | None:
    """Return the compiled transform of a compiled function, None for a plain one.

    A compiled function is one that has a method ``transformed``.
    """
    transformed = getattr(f, "transformed", None)
    return None if transformed is None else transformed(transform, **options)


_TITLES = {
    "grad": "Gradient",
    "hessian": "Hessian",
    "hessp": "Product of the Hessian with a vector",
    "jacfwd": "Jacobian",
    "jacobian": "Jacobian",
    "jacrev": "Jacobian",
    "jvp": "Value and derivative along a tangent",
    "map": "Results for all rows",
    "value_and_grad": "Value and gradient",
    "vjp": "Pullback",
    "vmap": "Results for all slices",
}


def derived_of(
    function: Callable[..., Any], f: Callable[..., Any], transform: str, same_signature: bool = True
) -> Callable[..., Any]:
    """Return `function`, named and documented as the transform of `f`."""
    name = getattr(f, "__name__", type(f).__name__)
    doc = getattr(f, "__doc__", None) if inspect.isroutine(f) else None
    if same_signature:
        functools.update_wrapper(function, f, updated=())
    function.__name__ = f"{name}_{transform}" if name.isidentifier() else transform
    function.__qualname__ = function.__name__
    function.__doc__ = f"{_TITLES[transform]} of {name}." + (f"\n\n{name}: {doc}" if doc else "")
    return function
