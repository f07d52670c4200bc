"""Calls of libm's functions that LLVM can vectorise.

glibc ships vector variants of libm's functions in libmvec. A scalar call that carries the attribute
``vector-function-abi-variant`` tells LLVM which variant computes how many of them at once, so a loop over ``exp(x[i])``
becomes a loop over ``_ZGVdN4v_exp``. Only the variants that the processor can run and the library has are named.
Without libmvec (macOS, Windows, musl, other processors) the call stays scalar. The variants are good to 4 ulp.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as ll
from llvmlite import ir
from numba.core import types
from numba.core.registry import cpu_target

from jitdiff.native.extending import floating, scalar_function

# (letter of the vector ABI, the processor feature it needs, doubles in a register)
_WIDTHS = (("b", "sse2", 2), ("d", "avx2", 4), ("e", "avx512f", 8))
_SYMBOLS = (
    "acos acosh asin asinh atan atanh cbrt cos cosh erf erfc exp exp2 expm1 log log10 log1p log2 sin sinh tan tanh "
    "atan2 hypot pow"
).split()
_BINARY = ("atan2", "hypot", "pow")


def _load_libmvec() -> ctypes.CDLL | None:
    name = "libmvec.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return None
    # Cached code refers to the variants by name: LLVM must see them before it loads any.
    ll.load_library_permanently(name)
    return library


_LIBMVEC = _load_libmvec()


@cache
def variants(symbol: str) -> dict[int, str]:
    """Return the vector variants of a libm function that this process may call, by their number of lanes.

    Parameters
    ----------
    symbol : str
        A libm function of doubles (``exp``) or of floats (``expf``).

    Examples
    --------
    >>> variants("floor")       # a single instruction, so libmvec has none
    {}
    """
    if _LIBMVEC is None:
        return {}
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    if not triple.startswith("x86_64"):
        return {}
    base = symbol.removesuffix("f") if symbol != "erf" else symbol
    lanes_per_double = 1 if base == symbol else 2
    available = {"sse2", *(f.removeprefix("+") for f in features.split(",") if f.startswith("+"))}
    found = {}
    for letter, feature, doubles in _WIDTHS:
        lanes = doubles * lanes_per_double
        name = f"_ZGV{letter}N{lanes}{'vv' if base in _BINARY else 'v'}_{symbol}"
        if feature in available and hasattr(_LIBMVEC, name):
            found[lanes] = name
    return found


def fingerprint() -> str:
    """Name every variant in use: code compiled against them runs only where they are."""
    return " ".join(name for s in _SYMBOLS for symbol in (s, s + "f") for name in variants(symbol).values())


def libm(symbol: str, ufunc: Callable[..., Any], arity: int = 1) -> Callable[..., Any]:
    """Make a function that is `ufunc` in Python and libm's `symbol` in compiled code.

    Parameters
    ----------
    symbol : str
        The C function on doubles; the one on floats has an ``f`` appended.
    ufunc : callable
        What plain Python calls, warnings off as in compiled code.
    arity : int
        Number of arguments.

    Examples
    --------
    >>> import numpy as np
    >>> libm("exp", np.exp)(0.0)
    np.float64(1.0)
    """

    def emit(context: Any, builder: Any, kind: Any, operands: list[Any]) -> Any:
        name = symbol if kind == types.float64 else symbol + "f"
        return _call(builder, name, context.get_value_type(kind), operands)

    return scalar_function(ufunc, arity, floating, emit)


def _call(builder: Any, symbol: str, kind: Any, operands: list[Any]) -> Any:
    function_type = ir.FunctionType(kind, [kind] * len(operands))
    scalar = _declare(builder.module, function_type, symbol)
    call = builder.call(scalar, operands)
    # libm's errno is never read, so a call depends on its operands alone.
    attributes = ["nounwind", "readnone", "willreturn"]
    vectors = variants(symbol)
    if vectors:
        shape = "v" * len(operands)
        mapping = ",".join(f"_ZGV_LLVM_N{lanes}{shape}_{symbol}({name})" for lanes, name in vectors.items())
        attributes.append(f'"vector-function-abi-variant"="{mapping}"')
        for lanes, name in vectors.items():
            vector = ir.VectorType(kind, lanes)
            _keep(builder.module, _declare(builder.module, ir.FunctionType(vector, [vector] * len(operands)), name))
    # llvmlite knows no attributes with values; on this instruction it shall.
    call.attributes._known = call.attributes._known.union(attributes)
    for attribute in attributes:
        call.attributes.add(attribute)
    return call


def _declare(module: Any, function_type: Any, name: str) -> Any:
    known = module.globals.get(name)
    return known if known is not None else ir.Function(module, function_type, name)


def _keep(module: Any, function: Any) -> None:
    """List a declaration in ``llvm.compiler.used``: nothing calls it before the vectoriser looks for it."""
    name = "llvm.compiler.used"
    pointer = ir.IntType(8).as_pointer()
    used = module.globals.get(name)
    kept = [] if used is None else list(used.initializer.constant)
    item = function.bitcast(pointer)
    if any(str(item) == str(k) for k in kept):
        return
    kept.append(item)
    array = ir.ArrayType(pointer, len(kept))
    if used is None:
        used = ir.GlobalVariable(module, array, name)
        used.linkage = "appending"
        used.section = "llvm.metadata"
    used.value_type, used.type = array, array.as_pointer()
    used.initializer = ir.Constant(array, kept)
