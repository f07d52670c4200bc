"""BLAS and LAPACK for compiled code, through the addresses that SciPy publishes for Cython.

A routine is called with one tuple of its Fortran arguments: numbers for scalars, although Fortran takes addresses, and
arrays, which it reads and writes in column order. LAPACK's ``info`` is not among them but returned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as ll
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import get_cython_function_address
from scipy.__config__ import CONFIG

from jitdiff.native.extending import FLOATS, inserted_function, lowered, make_array, stored, typed, unpack_tuple

LARGE_INTEGERS = bool(CONFIG["Build Dependencies"]["blas"].get("cython blas ilp64", False))
"""Whether SciPy's BLAS counts with 64 bits."""

Integer = np.int64 if LARGE_INTEGERS else np.int32
"""Fortran's integer, of which pivots are."""

_INTEGER = ir.IntType(64 if LARGE_INTEGERS else 32)


def _routine(name: str, kinds: str, library: str) -> Callable[[tuple[Any, ...]], Any]:
    """Make a routine whose arguments are characters (c), integers (i), numbers (n) and arrays (a)."""
    has_info = library == "cython_lapack"
    for letter in "sd":
        ll.add_symbol(f"jitdiff_{letter}{name}", get_cython_function_address(f"scipy.linalg.{library}", letter + name))

    def routine(args: tuple[Any, ...]) -> Any:
        raise NotImplementedError(f"{name} is for compiled code")

    @typed(routine)
    def _type(context: Any) -> Any:
        def typer(args: Any) -> Any:
            if not isinstance(args, types.BaseTuple) or len(args) != len(kinds):
                return None
            given: Any = args
            dtypes = {arg.dtype for arg in given if isinstance(arg, types.Array)} - {types.int32, types.int64}
            return types.intp if len(dtypes) == 1 and dtypes <= set(FLOATS) else None

        return typer

    @lowered(routine, types.BaseTuple)
    def _lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = signature.args[0].types
        dtype = next(t.dtype for t in given if isinstance(t, types.Array))
        number = context.get_value_type(dtype)
        pointers = []
        for kind, of, value in zip(kinds, given, unpack_tuple(builder, args[0], len(given)), strict=True):
            if kind == "a":
                pointers.append(make_array(of)(context, builder, value).data)
            elif kind == "n":
                pointers.append(stored(builder, context.cast(builder, value, of, dtype)))
            else:
                integer = context.cast(builder, value, of, types.int64)
                narrow = ir.IntType(8) if kind == "c" else _INTEGER
                pointers.append(stored(builder, _resized(builder, integer, narrow)))
        info = stored(builder, ir.Constant(_INTEGER, 0))
        if has_info:
            pointers.append(info)
        anything = ir.IntType(8).as_pointer()
        function = inserted_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [anything] * len(pointers)),
            f"jitdiff_{'s' if number == ir.FloatType() else 'd'}{name}",
        )
        builder.call(function, [builder.bitcast(pointer, anything) for pointer in pointers])
        return _resized(builder, builder.load(info), ir.IntType(64))

    return routine


def _resized(builder: Any, integer: Any, kind: Any) -> Any:
    if integer.type.width == kind.width:
        return integer
    return builder.sext(integer, kind) if integer.type.width < kind.width else builder.trunc(integer, kind)


gemm = _routine("gemm", "cciiinaiainai", "cython_blas")
gemv = _routine("gemv", "ciinaiainai", "cython_blas")
getrf = _routine("getrf", "iiaia", "cython_lapack")
getrs = _routine("getrs", "ciiaiaai", "cython_lapack")
getri = _routine("getri", "iaiaai", "cython_lapack")
potrf = _routine("potrf", "ciai", "cython_lapack")
gesvd = _routine("gesvd", "cciiaiaaiaiai", "cython_lapack")
