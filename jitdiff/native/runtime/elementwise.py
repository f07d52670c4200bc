"""Functions of one scalar or two: NumPy's ufunc in plain Python, libm or an instruction in compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
from llvmlite import ir
from numba.core import types

from jitdiff.native.extending import floating, jitable, overload, promoted, scalar_function
from jitdiff.native.vecmath import libm


def _unary(ufunc: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``floor`` and its like: the LLVM intrinsic of the same name on floats, nothing to do on integers."""

    def emit(context: Any, builder: Any, kind: Any, operands: list[Any]) -> Any:
        if not isinstance(kind, types.Float):
            return operands[0]
        intrinsic = builder.module.declare_intrinsic(f"llvm.{ufunc.__name__}", [context.get_value_type(kind)])
        return builder.call(intrinsic, operands)

    return scalar_function(ufunc, 1, floating if ufunc is np.sqrt else promoted, emit)


def _extremum(ufunc: Callable[..., Any], comparison: str) -> Callable[..., Any]:
    def emit(context: Any, builder: Any, kind: Any, operands: list[Any]) -> Any:
        x, y = operands
        if isinstance(kind, types.Float):
            # NaN if either is, and a reduction that LLVM knows how to vectorise.
            signature = ir.FunctionType(x.type, [x.type, x.type])
            intrinsic = builder.module.declare_intrinsic(f"llvm.{ufunc.__name__}", [x.type], signature)
            return builder.call(intrinsic, operands)
        compare = builder.icmp_signed if getattr(kind, "signed", False) else builder.icmp_unsigned
        return builder.select(compare(comparison, x, y), x, y)

    return scalar_function(ufunc, 2, promoted, emit)


def _sign(context: Any, builder: Any, kind: Any, operands: list[Any]) -> Any:
    x = operands[0]
    zero, one = context.get_constant(kind, 0), context.get_constant(kind, 1)
    if not getattr(kind, "signed", True):
        return builder.select(builder.icmp_unsigned("==", x, zero), zero, one)
    minus_one = context.get_constant(kind, -1)
    if isinstance(kind, types.Integer):
        negative = builder.select(builder.icmp_signed("<", x, zero), minus_one, zero)
        return builder.select(builder.icmp_signed(">", x, zero), one, negative)
    nan_or_zero = builder.select(builder.fcmp_unordered("uno", x, x), x, zero)
    negative = builder.select(builder.fcmp_ordered("<", x, zero), minus_one, nan_or_zero)
    return builder.select(builder.fcmp_ordered(">", x, zero), one, negative)


def _isnan(context: Any, builder: Any, kind: Any, operands: list[Any]) -> Any:
    return builder.fcmp_unordered("uno", operands[0], operands[0])


def _isfinite(context: Any, builder: Any, kind: Any, operands: list[Any]) -> Any:
    x = operands[0]
    magnitude = builder.call(builder.module.declare_intrinsic("llvm.fabs", [x.type]), [x])
    return builder.fcmp_ordered("<", magnitude, context.get_constant(kind, float("inf")))


def _product_plus(x: Any, y: Any, z: Any) -> Any:
    return x * y + z


_product_plus.__name__ = "muladd"


def _muladd(context: Any, builder: Any, kind: Any, operands: list[Any]) -> Any:
    # One instruction where the processor has it, and nothing that LLVM takes apart again.
    signature = ir.FunctionType(operands[0].type, [x.type for x in operands])
    return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [operands[0].type], signature), operands)


def _boolean(x: Any) -> Any:
    return None if promoted(x) is None else types.boolean


exp = libm("exp", np.exp)
exp2 = libm("exp2", np.exp2)
expm1 = libm("expm1", np.expm1)
log = libm("log", np.log)
log2 = libm("log2", np.log2)
log10 = libm("log10", np.log10)
log1p = libm("log1p", np.log1p)
sin = libm("sin", np.sin)
cos = libm("cos", np.cos)
tan = libm("tan", np.tan)
arcsin = libm("asin", np.arcsin)
arccos = libm("acos", np.arccos)
arctan = libm("atan", np.arctan)
arctan2 = libm("atan2", np.arctan2, 2)
sinh = libm("sinh", np.sinh)
cosh = libm("cosh", np.cosh)
tanh = libm("tanh", np.tanh)
arcsinh = libm("asinh", np.arcsinh)
arccosh = libm("acosh", np.arccosh)
arctanh = libm("atanh", np.arctanh)
hypot = libm("hypot", np.hypot, 2)
cbrt = libm("cbrt", np.cbrt)
erf = libm("erf", scipy.special.erf)
erfc = libm("erfc", scipy.special.erfc)

sqrt = _unary(np.sqrt)
floor = _unary(np.floor)
ceil = _unary(np.ceil)
rint = _unary(np.rint)
sign = scalar_function(np.sign, 1, promoted, _sign)
maximum = _extremum(np.maximum, ">")
minimum = _extremum(np.minimum, "<")
muladd = scalar_function(_product_plus, 3, floating, _muladd)
isnan = scalar_function(np.isnan, 1, _boolean, _isnan)
isfinite = scalar_function(np.isfinite, 1, _boolean, _isfinite)


def power(base: Any, exponent: Any) -> Any:
    """Raise `base` to `exponent` as NumPy does: integers stay integers, and their negative powers raise ValueError."""
    with np.errstate(all="ignore"):
        return np.power(base, exponent)


_float_power = libm("pow", np.power, 2)


@jitable
def _integer_power(base: Any, exponent: Any) -> Any:
    if exponent < 0:
        raise ValueError("Integers to negative integer powers are not allowed.")
    result = base**0
    while exponent > 0:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


@overload(power)
def _power(base: Any, exponent: Any) -> Any:
    kind = promoted(base, exponent)
    if isinstance(kind, types.Integer):
        return lambda base, exponent: kind(_integer_power(base, exponent))
    return lambda base, exponent: _float_power(base, exponent)


def expit(x: Any) -> Any:
    """Return the logistic sigmoid of `x`."""
    return scipy.special.expit(x)


@overload(expit)
def _expit(x: Any) -> Any:
    kind = floating(x)

    def implementation(x: Any) -> Any:
        # The exponential never overflows, and the left tail keeps its relative precision.
        small = exp(-abs(kind(x)))
        return (kind(1) if x >= 0 else small) / (kind(1) + small)

    return implementation
