"""Which objects may enter a computation, and what to write instead of the others.

Whatever meets a traced value or a Tensor comes through here: arguments, arrays from outside, operands, cotangents.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentTypeError, JitdiffError
from jitdiff.ir import Dim
from jitdiff.ir.dtypes import CHARACTERS, SCALARS, hint_for, unsupported_dtype
from jitdiff.ir.location import caller, describe
from jitdiff.ops.table import Handle

_ndarray = np.ndarray

_INSTEAD = {
    "pandas": ("to_numpy", "pass its numbers: {x}.to_numpy()"),
    "polars": ("to_numpy", "pass its numbers: {x}.to_numpy()"),
    "pyarrow": ("to_numpy", "pass its numbers: {x}.to_numpy()"),
    "xarray": ("to_numpy", "pass its numbers: {x}.to_numpy()"),
    "dask": ("compute", "pass its numbers: {x}.compute()"),
    "pint": ("magnitude", "pass its number in a unit of your choice: {x}.to('...').magnitude, or {x}.magnitude"),
    "astropy": ("value", "pass its number in a unit of your choice: {x}.to_value('...'), or {x}.value"),
    "unyt": ("value", "pass its number in a unit of your choice: {x}.to_value('...'), or {x}.value"),
    "scipy": ("toarray", "pass {x}.toarray(), or its numbers ({x}.data) and compute with them"),
    "sparse": ("todense", "pass {x}.todense()"),
    "cupy": ("get", "pass its numbers: {x}.get()"),
}
"""For each package with arrays of its own: an attribute that they have, and what to write instead of one."""

_OPERATORS = (
    "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__pow__",
    "__rpow__", "__matmul__", "__rmatmul__", "__neg__", "__abs__", "__array_ufunc__", "__array_function__",
)  # fmt: skip


def admitted(x: Any, what: str) -> Any:
    """Return `x` as it enters a computation: a handle, a number, or a plain array of a dtype that is supported.

    Parameters
    ----------
    x : object
        An operand, an argument, an array from outside.
    what : str
        What it is, for messages.

    Raises
    ------
    DtypeError
        If its numbers are of a dtype that cannot be computed with.
    ArgumentTypeError
        If it is no array, or one that means something else than its numbers: masked, labelled, with units.

    Examples
    --------
    >>> admitted([1.0, 2.0], "x")
    array([1., 2.])
    >>> type(refusal(np.ma.masked_array([1.0]), "x")).__name__
    'ArgumentTypeError'
    """
    kind = type(x)
    if kind in SCALARS or isinstance(x, Handle | Dim):
        return x
    if kind is not _ndarray:
        if (error := refusal(x, what)) is not None:
            raise error
        if not isinstance(x, np.generic | _ndarray):
            x = _as_array(x, what)
    if x.dtype.char not in CHARACTERS:
        raise unsupported_dtype(x.dtype, what, _hint_for_objects(x))
    kind = type(x)
    if kind is not _ndarray and isinstance(x, _ndarray) and any(_defines(kind, method) for method in _OPERATORS):
        raise _refused(
            f"{what} is a {kind.__name__}, an array with operators of its own",
            f"pass its numbers: np.asarray({_name_in(what)})",
        )
    return x


def _as_array(x: Any, what: str) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ArgumentTypeError(f"{what} is not an array: {error}", where=describe(caller())) from None
    if array.dtype.kind in "OSU" and not isinstance(x, list | tuple) and not hasattr(type(x), "__array__"):
        raise ArgumentTypeError(f"{what} is a {type(x).__name__}, not an array of numbers", where=describe(caller()))
    return array


def _hint_for_objects(x: Any) -> str | None:
    """Return what to write instead of an array of objects, by what the first of them is."""
    if x.dtype.kind != "O" or not x.size:
        return None
    first = x.flat[0]
    if isinstance(first, str):
        return hint_for(np.dtype(str))
    if isinstance(first, Handle):
        return "put traced values and Tensors together with np.stack or np.concatenate"
    return "convert it with .astype(float)" if isinstance(first, numbers.Number) else None


def refusal(x: Any, what: str) -> JitdiffError | None:
    """Return the error for an array-like that means something else than its numbers, None for all other objects."""
    name = _name_in(what)
    if isinstance(x, np.ma.MaskedArray):
        return _refused(f"{what} is a masked array", "pass its data and its mask as two arrays")
    if isinstance(x, np.matrix):
        return _refused(
            f"{what} is a np.matrix, whose * is a matrix product",
            f"pass np.asarray({name}), and write @ for matrix products",
        )
    package = type(x).__module__.partition(".")[0]
    attribute, instead = _INSTEAD.get(package, ("", ""))
    if instead and hasattr(type(x), attribute):
        if type(x).__name__ == "DataFrame":
            instead += f", or columns of it: {name}['column'].to_numpy()"
        return _refused(f"{what} is a {package} {type(x).__name__}", instead.format(x=name))
    return None


def _refused(what: str, hint: str) -> ArgumentTypeError:
    return ArgumentTypeError(what, where=describe(caller()), hint=hint)


def _name_in(what: str) -> str:
    """Return the name of an argument that `what` ends with, x for anything else."""
    last = what.rpartition(" ")[2]
    return last if last.isidentifier() and "argument" in what else "x"


def _defines(kind: type, method: str) -> bool:
    """Whether a subclass of ndarray has a method of its own."""
    return getattr(kind, method) is not getattr(_ndarray, method)
