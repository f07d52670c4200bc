"""How NumPy keeps an array in memory: what compiled code reads of one whose address is all that it is given.

The fields are those of ``PyArrayObject_fields`` and ``PyArray_Descr``, which NumPy keeps the same for extensions that
were compiled against other versions of it.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

_HEAD: int = object.__basicsize__
"""Bytes of what all Python objects begin with; the last field of it is the type."""

TYPE = _HEAD - 8
DATA, NDIM, SIZES, DESCRIPTION, FLAGS = (_HEAD + k for k in (0, 8, 16, 40, 48))
BYTE_ORDER, NUMBER = _HEAD + 10, _HEAD + 12

GOOD = 0x0001 | 0x0100
"""Flags of arrays in C order, aligned."""

_CODES = "?bBhHiIlLqQfd"

ADDRESS = np.dtype(np.intp)


def numbers_of(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return NumPy's numbers for a dtype: of integers C may have two types of one size.

    Examples
    --------
    >>> numbers_of(np.dtype(np.float64))
    (12, 12)
    """
    found = sorted({np.dtype(code).num for code in _CODES if np.dtype(code) == dtype})
    return found[0], found[-1]


def addresses(arrays: tuple[Any, ...]) -> Any:
    """Return the addresses of NumPy's type of arrays and of these."""
    return np.fromiter(map(id, (np.ndarray, *arrays)), ADDRESS, len(arrays) + 1)


@cache
def are_known() -> bool:
    """Say whether arrays of this process are kept as this module says.

    Examples
    --------
    >>> are_known()
    True
    """
    try:
        examples: list[Any] = [np.ones((2, 3)), np.arange(4, dtype=np.int32), np.ones((2, 0, 1), bool)]
        return all(map(_is_as_said, examples))
    except (AttributeError, NotImplementedError, ValueError):
        return False


def _is_as_said(x: np.ndarray[Any, Any]) -> bool:
    if ctypes.sizeof(ctypes.c_void_p) != 8 or type(x).__basicsize__ < FLAGS + 4 or np.dtype.__basicsize__ < NUMBER + 4:
        return False

    def word(at: int) -> int:
        return ctypes.c_uint64.from_address(at).value

    def short(at: int) -> int:
        return ctypes.c_int32.from_address(at).value

    here, description = id(x), word(id(x) + DESCRIPTION)
    sizes = tuple(word(word(here + SIZES) + 8 * k) for k in range(x.ndim))
    return (
        word(here + TYPE) == id(np.ndarray)
        and word(here + DATA) == x.ctypes.data
        and short(here + NDIM) == x.ndim
        and sizes == x.shape
        and description == id(x.dtype)
        and short(description + NUMBER) == x.dtype.num
        and chr(ctypes.c_uint8.from_address(description + BYTE_ORDER).value) == x.dtype.byteorder
        and short(here + FLAGS) & GOOD == GOOD
    )
