"""The dtypes that can be computed with, and what to say of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from jitdiff.errors import DtypeError
from jitdiff.ir.location import caller, describe

NAMES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
"""Names of the dtypes that can be computed with."""

CHARACTERS = frozenset("?bhilqBHILQfd")
"""The characters NumPy has for these dtypes, in either byte order."""

SCALARS = frozenset({bool, int, float, *(np.dtype(code).type for code in CHARACTERS)})
"""The types of numbers of these dtypes."""

_HINTS = {
    "c": "pass the real and imaginary parts as two arrays",
    "f": "convert it with .astype(np.float64)",
    "O": "an object array often comes from rows of unequal length; make it a float array",
    "S": "pass numbers: np.unique(x, return_inverse=True)[1] numbers the strings",
    "U": "pass numbers: np.unique(x, return_inverse=True)[1] numbers the strings",
    "T": "pass numbers: np.unique(x, return_inverse=True)[1] numbers the strings",
    "M": "pass numbers: (x - x[0]) / np.timedelta64(1, 's') counts seconds from the first",
    "m": "pass numbers: x / np.timedelta64(1, 's') counts seconds",
}


def is_supported(dtype: np.dtype[Any]) -> bool:
    """Say whether arrays of a dtype can be computed with.

    Examples
    --------
    >>> is_supported(np.dtype(">f8")), is_supported(np.dtype(np.float16)), is_supported(np.dtype(complex))
    (True, False, False)
    """
    return dtype.char in CHARACTERS


def supported(dtype: npt.DTypeLike, what: str) -> np.dtype[Any]:
    """Return `dtype` as one that can be computed with.

    Raises
    ------
    DtypeError
        If it is none; `what` says of what it would be the dtype.
    """
    found = np.dtype(dtype)
    if found.char not in CHARACTERS:
        raise unsupported_dtype(found, what)
    return found


def hint_for(dtype: np.dtype[Any]) -> str | None:
    """Return what to write instead of an array of a dtype that cannot be computed with."""
    return f"pass its fields as arrays: x[{dtype.names[0]!r}]" if dtype.names else _HINTS.get(dtype.kind)


def unsupported_dtype(dtype: np.dtype[Any], what: str, hint: str | None = None) -> DtypeError:
    """Return the error for numbers of a dtype that cannot be computed with.

    Examples
    --------
    >>> print(unsupported_dtype(np.dtype(complex), "the argument z").what)
    the argument z has dtype complex128, and complex numbers are not supported yet
    """
    if dtype.kind == "c":
        why = "complex numbers are not supported yet"
    else:
        why = "arrays of bool, integers, float32 and float64 can be computed with"
    name = str(dtype) if not dtype.names else "with fields " + ", ".join(dtype.names)
    return DtypeError(f"{what} has dtype {name}, and {why}", where=describe(caller()), hint=hint or hint_for(dtype))
