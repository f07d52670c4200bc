"""The record handed from the code generator to the native compiler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitdiff.ir.dims import Dim
from jitdiff.ir.types import ArrayType

DTYPES = tuple(map(np.dtype, "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()))
"""Dtypes by the numbers that stand for them where emitted text says what arrays it takes."""

AXES = 64
"""More than an array has: an axis of array number k is number ``AXES * k + axis``."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """A module of Python text with one entry function.

    Parameters
    ----------
    source : str
        The text of the module. It runs as plain Python and compiles with Numba.
    entry : str
        Name of the entry function, called as ``entry(ws, *params, *outs)``. It returns the results that are not in
        `outs`: the one there is bare, several as a tuple.
    functions : tuple of str
        Every function that the text defines, callees first, the entry last.
    params : tuple of ArrayType
        Types of the entry's parameters after ``ws``.
    results : tuple of ArrayType
        Types of the entry's results.
    workspace : int
        Bytes of ``ws`` that the entry needs; where sizes are symbolic, what it needs at the sizes it was traced with.
        A smaller ``ws`` makes the entry raise ``WorkspaceTooSmall(bytes)`` before it touches anything.
    outs : tuple of int
        Positions of the results that the caller gives arrays for, to be overwritten: arrays whose size is known before
        the call. (Numba takes longer to return an array than to be handed one.)
    packed : bool
        Whether all arrays, those of `outs` last, come as one tuple after the workspace, before the scalars.
    """

    source: str
    entry: str
    functions: tuple[str, ...]
    params: tuple[ArrayType, ...]
    results: tuple[ArrayType, ...]
    workspace: int
    outs: tuple[int, ...] = ()
    packed: bool = False

    def arguments(self, args: Sequence[Any], outs: Sequence[Any]) -> list[Any]:
        """Return what the entry takes after the workspace, given arguments and outs of a call.

        Raises
        ------
        TypeError
            If arrays are to be packed, and there are more or fewer arguments than parameters.

        Examples
        --------
        >>> vector, scalar = ArrayType(np.dtype(float), (3,)), ArrayType(np.dtype(float))
        >>> emitted = Emitted("", "f", ("f",), (scalar, vector), (), 0, packed=True)
        >>> emitted.arguments([2.0, np.ones(3)], [])
        [(array([1., 1., 1.]),), 2.0]
        """
        if not self.packed:
            return [*args, *outs]
        if len(args) != len(self.params):
            raise TypeError(f"{len(self.params)} arguments are needed, not {len(args)}")
        arrays: list[Any] = []
        scalars: list[Any] = []
        for arg, param in zip(args, self.params, strict=True):
            (arrays if param.shape else scalars).append(arg)
        return [(*arrays, *outs), *scalars]

    def fresh(self, args: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """Return new arrays to be the outs of a call with these arguments.

        Raises
        ------
        TypeError
            If there are more or fewer arguments than parameters, or one has another number of dimensions.
        """
        sizes: dict[str, int | Dim] = {}
        if any(isinstance(n, Dim) for k in self.outs for n in self.results[k].shape):
            if len(args) != len(self.params):
                raise TypeError(f"{len(self.params)} arguments are needed, not {len(args)}")
            for arg, param in zip(args, self.params, strict=True):
                if np.ndim(arg) != param.ndim:
                    raise TypeError(f"an array of {param.ndim} dimensions is needed, not {np.ndim(arg)}")
                sizes.update((str(n), m) for n, m in zip(param.shape, np.shape(arg), strict=True))
        return [
            np.empty([max(n.substitute(sizes), 0) if isinstance(n, Dim) else n for n in t.shape], t.dtype)
            for t in (self.results[k] for k in self.outs)
        ]

    def collect(self, returned: Any, outs: Sequence[np.ndarray[Any, Any]]) -> tuple[Any, ...]:
        """Return all results of a call, in their order, given what it returned and its outs."""
        rest = len(self.results) - len(self.outs)
        others = iter(() if rest == 0 else returned if rest > 1 else (returned,))
        arrays = iter(outs)
        return tuple(next(arrays) if k in self.outs else next(others) for k in range(len(self.results)))
