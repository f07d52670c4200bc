"""Functions that the user compiled with Numba: what runs for them is the Python function they were made from.

They are recognised by the modules of their types, so that Numba is not imported for it.
"""

from __future__ import annotations

import builtins
import re
from abc import ABCMeta
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from jitdiff.errors import UnsupportedError
from jitdiff.frontend.boxes import unboxed
from jitdiff.frontend.convert.arrays import argument, fresh
from jitdiff.frontend.convert.elementwise import core_names, over_loops
from jitdiff.ir import type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops.methods import as_operand
from jitdiff.ops.user import in_conversion

_CORE = re.compile(r"\(([^)]*)\)")


def unjitted(function: Any) -> Any:
    """Return what runs for a function that Numba made, anything else as it is.

    Raises
    ------
    UnsupportedError
        If Numba made something of the user's that has no Python function, or is no longer one.
    """
    kind = type(function)
    if kind is FunctionType or kind is MethodType:
        return unboxed(function)
    if not kind.__module__.startswith("numba."):
        return _NUMBA.get((function.__module__, function.__name__), function) if kind in _CLASSES else function
    name = kind.__name__
    if hasattr(function, "py_func"):
        return function.py_func
    if name == "DUFunc":
        return _Elementwise(function)
    if name == "GUFunc":
        return _OverLoops(function)
    if name in _REFUSED:
        raise UnsupportedError(
            f"{getattr(function, '__name__', 'a function')} is made by numba.{_REFUSED[name]}, "
            "and has no Python function to follow",
            where=describe(caller()),
            hint="write it with numba.njit, or as a Python function",
        )
    # A type, such as numba.float64, converts numbers.
    return getattr(np, function.name, function) if hasattr(function, "cast_python_value") else function


_CLASSES = frozenset({type, ABCMeta})
_NUMBA: dict[tuple[str, str], Any] = {
    ("numba.misc.special", "prange"): builtins.range,
    ("numba.typed.typedlist", "List"): builtins.list,
    ("numba.typed.typeddict", "Dict"): builtins.dict,
}
"""Python's own for what loops and containers are called in Numba."""

_REFUSED = {"CFunc": "cfunc", "StencilFunc": "stencil", "JitClassType": "experimental.jitclass"}


class _Elementwise:
    """A function of ``@vectorize``: its Python function takes an element of each argument."""

    def __init__(self, function: Any) -> None:
        self.__name__ = function.__name__
        self.python = function.__wrapped__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the results for all elements of the arguments, which are broadcast."""
        _refuse_options(self.__name__, kwargs)
        return over_loops(self.__name__, in_conversion(self.python), [""] * len(args), list(map(_array, args)))


class _OverLoops:
    """A function of ``@guvectorize``: its Python function takes a slice of each argument and fills the results."""

    def __init__(self, function: Any) -> None:
        self.__name__ = function.__name__
        self.python = function.__wrapped__
        self.inputs, self.outputs = (_CORE.findall(side) for side in function.signature.split("->"))
        self.dtypes = [kinds.partition("->")[2] for kinds in function.types]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the results for all slices of the arguments, which are broadcast."""
        _refuse_options(self.__name__, kwargs)
        arrays = list(map(_array, args[: len(self.inputs)]))
        outs = args[len(self.inputs) :]
        results = over_loops(self.__name__, self._row, self.inputs, arrays)
        for out, result in zip(outs, results, strict=False):
            out[...] = result
        results = outs or results
        return results if len(results) > 1 else results[0]

    def _row(self, *row: Any) -> tuple[Any, ...]:
        sizes: dict[str, Any] = {}
        for core, x in zip(self.inputs, row, strict=True):
            sizes |= zip(core_names(core), type_of(x).shape, strict=True)
        dtypes = (
            self.dtypes[0] if self.dtypes else [np.result_type(*(type_of(x).dtype for x in row))] * len(self.outputs)
        )
        outs = []
        for core, dtype in zip(self.outputs, dtypes, strict=True):
            # Numba hands over an array for a scalar result too.
            shape = tuple(sizes[name] for name in core_names(core)) or (1,)
            outs.append(fresh(np.zeros(shape, dtype), ()))
        in_conversion(self.python)(*row, *outs)
        return tuple(out if core else out[0] for out, core in zip(outs, self.outputs, strict=True))


def _array(x: Any) -> Any:
    x = argument(x)
    return as_operand(x) if isinstance(x, list | tuple) else x


def _refuse_options(name: str, options: dict[str, Any]) -> None:
    if options:
        raise UnsupportedError(
            f"{name}: {', '.join(options)} has no rule for a function that Numba vectorised",
            where=describe(caller()),
            hint="assign the result instead",
        )
