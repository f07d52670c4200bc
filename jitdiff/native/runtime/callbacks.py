"""Calls of Python functions from native code, which runs without the lock of the interpreter."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import llvmlite.binding as ll
import numpy as np
from numba.core import types

from jitdiff.native.extending import overload
from jitdiff.ops.callback import called

_raised = threading.local()
cpointer: Any = types.CPointer


class Raised(Exception):
    """What compiled code raises for an exception of a function that it called."""

    def __new__(cls, *args: Any) -> Any:
        """Return the exception of the function."""
        return _raised.error


def callback(number: Any, x: Any, linear: Any, transposed: bool, out: Any) -> None:
    """Write what the Python function of a number gives for two vectors into `out`; see `jitdiff.ops.callback`."""
    out[...] = called(number, x, linear, out.size, transposed)


def _vector(pointer: Any, size: int) -> Any:
    return np.ctypeslib.as_array(pointer, (size,)) if size else np.empty(0)


def _call(number: int, sizes: Any, x: Any, linear: Any, out: Any) -> int:
    try:
        size, linear_size, out_size, transposed = _integers(sizes)
        given = _vector(x, size).copy(), _vector(linear, linear_size).copy()
        _vector(out, out_size)[...] = called(number, *given, out_size, bool(transposed))
    except BaseException as error:  # noqa: BLE001  (native code raises it again)
        _raised.error = error
        return 1
    return 0


def _integers(pointer: Any) -> list[int]:
    return [int(pointer[k]) for k in range(4)]


_vectors = [ctypes.POINTER(ctypes.c_double)] * 3
_entry = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.POINTER(ctypes.c_int64), *_vectors)(_call)
ll.add_symbol("jitdiff_callback", ctypes.cast(_entry, ctypes.c_void_p).value)

_doubles: Any = cpointer(types.float64)
_signature: Any = types.int32(types.int64, cpointer(types.int64), _doubles, _doubles, _doubles)
_native_call: Any = types.ExternalFunction("jitdiff_callback", _signature)


@overload(callback)
def _callback_natively(number: Any, x: Any, linear: Any, transposed: Any, out: Any) -> Any:
    def callback_natively(number: Any, x: Any, linear: Any, transposed: Any, out: Any) -> None:
        given, moving = np.ascontiguousarray(x), np.ascontiguousarray(linear)
        found = np.empty(out.size)
        sizes = np.empty(4, np.int64)
        sizes[0], sizes[1], sizes[2], sizes[3] = given.size, moving.size, found.size, transposed
        if _native_call(number, sizes.ctypes, given.ctypes, moving.ctypes, found.ctypes) != 0:
            raise Raised
        for i in range(found.size):
            out[i] = found[i]

    return callback_natively
