"""Which modules are a library's, and which the user's."""

from __future__ import annotations

import sys

LIBRARIES = frozenset(
    {
        "jitdiff",
        "numpy",
        "scipy",
        "numba",
        "llvmlite",
        "optree",
        "jax",
        "torch",
        "matplotlib",
        "pandas",
        "pytest",
        "hypothesis",
    }
)

STANDARD = sys.stdlib_module_names - {"__main__"}
"""Modules of Python's own library."""


def package_of(module: str) -> str:
    """Return the name of the top-level package of a module."""
    return module.partition(".")[0]


def is_library(module: str) -> bool:
    """Say whether a module is a library's or Python's own: code there is neither converted nor looked into.

    Examples
    --------
    >>> is_library("numpy.linalg"), is_library("json.decoder"), is_library("__main__"), is_library("model")
    (True, True, False, False)
    """
    package = package_of(module)
    return package in LIBRARIES or package in STANDARD
