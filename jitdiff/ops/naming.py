"""Full names of functions, as their documentation has them."""

from __future__ import annotations

import sys
from types import MethodType, ModuleType
from typing import Any

import numpy as np


def full_name(function: object) -> str:
    """Return the name that a function is documented under, with its module.

    Examples
    --------
    >>> import math, scipy.special
    >>> full_name(np.linalg.norm), full_name(scipy.special.gamma), full_name(math.gamma), full_name(float)
    ('numpy.linalg.norm', 'scipy.special.gamma', 'math.gamma', 'float')
    """
    if isinstance(function, MethodType):
        owner = function.__self__
        return f"{full_name(owner if isinstance(owner, type) else type(owner))}.{function.__name__}"
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    if name is None:
        return public_name(type(function).__module__, type(function).__qualname__, function)
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType | type):
        whose = owner if isinstance(owner, np.ufunc) else type(owner)
        return f"{full_name(whose)}.{getattr(function, '__name__', name)}"
    module = getattr(function, "__module__", None) or ("numpy" if isinstance(function, np.ufunc) else "")
    return public_name(module, name, function)


def _homes(ufunc: np.ufunc) -> list[str]:
    """Return the public packages of the modules that hold a ufunc."""
    name = ufunc.__name__
    modules = [m for m, held in list(sys.modules.items()) if getattr(held, "__dict__", {}).get(name) is ufunc]
    return [".".join(part for part in m.split(".") if not part.startswith("_")) for m in sorted(modules, key=len)][::-1]


_UFUNCS = ("numpy", "scipy.special")
"""Modules that may hold a ufunc, which does not say where it is from."""


def public_name(module: str, name: str, thing: Any = None) -> str:
    """Return the name of `thing`, defined in `module`, in the module that offers it to users."""
    if module in ("builtins", "__main__"):
        return name
    parts = [p for p in module.split(".") if not p.startswith("_")] or [module.lstrip("_")]
    packages = [".".join(parts[: k + 1]) for k in range(len(parts))]
    if isinstance(thing, np.ufunc):
        packages = [*_UFUNCS, *packages]
        if module == "numpy" and not hasattr(np, name):
            packages = _homes(thing) or packages
    for package in packages[::-1]:
        held = vars(sys.modules[package]) if package in sys.modules else {}
        if thing is not None and held.get(name) is thing:
            return f"{package}.{name}"
    if thing is not None and "." not in name:
        for package in packages[::-1]:
            held = vars(sys.modules[package]) if package in sys.modules else {}
            found = next((n for n, value in held.items() if value is thing), None)
            if found is not None:
                return f"{package}.{found}"
    return f"{packages[-1]}.{name}" if packages else name
