"""The functions of `math` as converted code calls them: on followed values by NumPy's and SciPy's operations."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import scipy.special

from jitdiff.frontend.convert.arrays import holds_followed
from jitdiff.ir import Dim
from jitdiff.ops.methods import as_operand


def _log(x: Any, base: Any = None) -> Any:
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _sum(items: Iterable[Any]) -> Any:
    return functools.reduce(lambda a, b: a + b, items)


def _prod(items: Iterable[Any], *, start: Any = 1) -> Any:
    return functools.reduce(lambda a, b: a * b, items, start)


def _hypot(*xs: Any) -> Any:
    return functools.reduce(np.hypot, xs, 0.0)


def _dist(p: Any, q: Any) -> Any:
    return np.linalg.norm(as_operand(tuple(p)) - as_operand(tuple(q)))


def _sumprod(p: Any, q: Any) -> Any:
    return _sum(x * y for x, y in zip(p, q, strict=True))


def _remainder(x: Any, y: Any) -> Any:
    return x - y * np.rint(x / y)


def _modf(x: Any) -> tuple[Any, Any]:
    whole = np.trunc(x)
    return x - whole, whole


def _ldexp(x: Any, i: Any) -> Any:
    return x * 2.0**i


def _copysign(x: Any, y: Any) -> Any:
    negative = (y < 0) | ((y == 0) & (np.divide(1.0, y) < 0))
    return np.where(negative, -1.0, 1.0) * abs(x)


def _fmod(x: Any, y: Any) -> Any:
    return x - y * np.trunc(x / y)


def _isclose(a: Any, b: Any, *, rel_tol: float = 1e-09, abs_tol: float = 0.0) -> Any:
    return abs(a - b) <= np.maximum(rel_tol * np.maximum(abs(a), abs(b)), abs_tol)


_BY_NUMPY = {
    "sqrt": "sqrt", "exp": "exp", "exp2": "exp2", "log2": "log2", "log10": "log10", "log1p": "log1p", "expm1": "expm1",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "fabs": "fabs", "pow": "power", "cbrt": "cbrt", "degrees": "degrees", "radians": "radians", "floor": "floor",
    "ceil": "ceil", "trunc": "trunc", "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite",
}  # fmt: skip

_BY_SCIPY = {"erf": scipy.special.erf, "erfc": scipy.special.erfc, "lgamma": scipy.special.gammaln}

_BY_HAND = {
    "log": _log, "fsum": _sum, "prod": _prod, "hypot": _hypot, "dist": _dist, "sumprod": _sumprod,
    "remainder": _remainder, "modf": _modf, "ldexp": _ldexp, "copysign": _copysign, "fmod": _fmod,
    "isclose": _isclose,
}  # fmt: skip


def _redirected(function: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        args = tuple(list(a) if isinstance(a, Iterator) else a for a in args)
        sizes = function not in _ROUNDING and any(isinstance(a, Dim) for a in args)
        return (ours if sizes or holds_followed(args) else function)(*args, **kwargs)

    return run


_ROUNDING = frozenset({math.floor, math.ceil})
"""Functions that give a size for a size."""

MATH: dict[Any, Callable[..., Any]] = {
    getattr(math, name): _redirected(getattr(math, name), ours)
    for name, ours in ({name: getattr(np, numpy) for name, numpy in _BY_NUMPY.items()} | _BY_SCIPY | _BY_HAND).items()
    if hasattr(math, name)
}
"""What runs for functions of `math`."""
