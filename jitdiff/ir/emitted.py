"""The record handed from the code generator to the native compiler."""

from __future__ import annotations

from dataclasses import dataclass

from jitdiff.ir.types import ArrayType


@dataclass(frozen=True, slots=True)
class Emitted:
    """A module of Python text with one entry function.

    Parameters
    ----------
    source : str
        The text of the module. It runs as plain Python and compiles with Numba.
    entry : str
        Name of the entry function, called as ``entry(ws, *params)``.
    functions : tuple of str
        Every function that the text defines, callees first, the entry last.
    params : tuple of ArrayType
        Types of the entry's parameters after ``ws``.
    results : tuple of ArrayType
        Types of the entry's results.
    workspace : int
        Bytes of ``ws`` that the entry needs; where sizes are symbolic, what it needs at the sizes it was traced with.
        A smaller ``ws`` makes the entry raise ``WorkspaceTooSmall(bytes)`` before it touches anything.
    """

    source: str
    entry: str
    functions: tuple[str, ...]
    params: tuple[ArrayType, ...]
    results: tuple[ArrayType, ...]
    workspace: int
