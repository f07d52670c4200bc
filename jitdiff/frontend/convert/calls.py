"""Calls in converted code: a function called there is converted too, and builtins take traced values.

What belongs to a library runs as it is; NumPy arrays that it makes become arrays that can be changed in place with
traced values.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import operator
import sys
from collections import deque
from collections.abc import Callable
from types import BuiltinFunctionType, BuiltinMethodType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from jitdiff.errors import TracingError
from jitdiff.frontend.convert import support
from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.operators import born, check_own, truth, warn
from jitdiff.frontend.convert.rows import enumerate_, reversed_, rows_of, zip_
from jitdiff.frontend.convert.rows import range as rolled_range
from jitdiff.frontend.convert.source import codes_in, compiled, find, with_code
from jitdiff.frontend.convert.state import is_traced
from jitdiff.frontend.convert.syntax import converted
from jitdiff.frontend.convert.tree import RUN
from jitdiff.ir import Dim
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import OPS, Handle, Tracer
from jitdiff.ops.elementwise import astype
from jitdiff.ops.methods import as_operand, called
from jitdiff.ops.tracer import holding

_LIBRARIES = frozenset(
    {
        "jitdiff",
        "numpy",
        "scipy",
        "numba",
        "llvmlite",
        "optree",
        "jax",
        "torch",
        "matplotlib",
        "pandas",
        "pytest",
        "hypothesis",
    }
)

_codes: dict[CodeType, CodeType | None] = {}
"""The code that stands for the code of a function, None where it cannot be converted."""

_own: set[CodeType] = set()
"""Code that conversion made: functions defined in converted ones."""


def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Return ``function(*args, **kwargs)``, with its control flow converted if it is the user's."""
    if current_builder() is None:
        return function(*args, **kwargs)
    try:
        special = _SPECIAL.get(function)
    except TypeError:
        special = None
    if special is not None:
        return special(*args, **kwargs)
    if isinstance(function, type):
        return born(function(*args, **kwargs))
    target = _converted_callable(function)
    if target is not None:
        return target(*args, **kwargs)
    _check_once(function, args)
    args = tuple(map(_argument, args))
    kwargs = {name: _argument(value) for name, value in kwargs.items()}
    module = _module(function)
    if module == "jitdiff":
        args = tuple(_converted_callable(a) or a for a in args)
        return function(*args, **kwargs)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ndarray) or module in ("numpy", "scipy"):
        return _fresh(function(*args, **kwargs), (owner, *args, *kwargs.values()))
    return function(*args, **kwargs)


def _check_once(function: Any, args: tuple[Any, ...]) -> None:
    """Refuse calls that do something else each time, where they would be made once for all iterations."""
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None) or type(owner).__module__
    if module.startswith(("numpy.random", "random")) or isinstance(owner, np.random.Generator | np.random.RandomState):
        builder = current_builder()
        if builder is not None and builder.parent is not None:
            raise TracingError(
                "random numbers are drawn in a traced branch or loop: the same ones every time",
                where=describe(caller()),
                hint="draw them before, and pass them as an argument",
            )
        warn("random numbers are drawn once, while tracing", "draw them outside, and pass them as an argument")
    elif isinstance(owner, list | dict | set | deque) and function.__name__ in _CHANGING:
        check_own(owner)
    elif function is builtins.next:
        check_own(args[0])


_CHANGING = frozenset(
    {
        "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert",
        "intersection_update", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort",
        "symmetric_difference_update", "update",
    }
)  # fmt: skip
"""Methods that change a list, dict, set or deque."""


def _argument(x: Any) -> Any:
    """Return an argument as a library takes it."""
    return x.stacked() if isinstance(x, List) and x.is_stacked else x


def _empty(shape: Any, dtype: Any = float, order: Any = "C", **options: Any) -> Any:
    """Return an array of zeros: what memory happens to hold would be part of the program."""
    return _fresh(np.zeros(shape, dtype, order, **options), ())


def _fresh(result: Any, args: tuple[Any, ...]) -> Any:
    """Return what a library made, its new arrays as ones that can be changed with traced values."""
    if type(result) is np.ndarray:
        return result if any(result is a or _shares(result, a) for a in args) else holding(result)
    if type(result) is tuple:
        return tuple(_fresh(x, args) for x in result)
    return result


def _shares(a: np.ndarray[Any, Any], b: Any) -> bool:
    return isinstance(b, np.ndarray) and np.may_share_memory(a, b)


def _module(function: Any) -> str:
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__module__", None) or getattr(type(owner), "__module__", None) or ""
    if isinstance(function, np.ufunc) or isinstance(owner, np.ufunc):
        return "numpy"
    return name.partition(".")[0]


def _converted_callable(function: Any) -> Callable[..., Any] | None:
    """Return what is to be called instead of a callable of the user's, None for any other."""
    if isinstance(function, FunctionType):
        found = convert(function)
        return found if found is not function or function.__code__ in _own else None
    if isinstance(function, MethodType):
        inner = _converted_callable(function.__func__)
        return None if inner is None else functools.partial(inner, function.__self__)
    if type(function) is functools.partial:
        inner = _converted_callable(function.func)
        return None if inner is None else functools.partial(inner, *function.args, **function.keywords)
    if isinstance(function, BuiltinFunctionType | BuiltinMethodType | np.ufunc | Handle):
        return None
    method = vars(type(function)).get("__call__")
    if isinstance(method, FunctionType) and _module(function) not in _LIBRARIES:
        inner = _converted_callable(method)
        return None if inner is None else functools.partial(inner, function)
    return None


def convert(function: FunctionType) -> FunctionType:
    """Return a function with its control flow converted, the function itself where that cannot or need not be."""
    code = function.__code__
    if code in _own or _is_library(function):
        return function
    if code not in _codes:
        _codes[code] = _convert(function)
    new = _codes[code]
    if new is None:
        return function
    return with_code(function, new, {RUN: support})


def is_convertible(function: Any) -> bool:
    """Whether the control flow of a function is converted, or need not be: False where its source is not at hand."""
    if not isinstance(function, FunctionType) or function.__code__ in _own or _is_library(function):
        return True
    return convert(function) is not function


def _convert(function: FunctionType) -> CodeType | None:
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        return None
    found = find(function)
    if found is None:
        return None
    made = compiled(function, converted(found.node, found.owner), [RUN])
    _own.update(codes_in(made))
    return made


def _is_library(function: FunctionType) -> bool:
    root = str(function.__globals__.get("__name__", "")).partition(".")[0]
    return root in _LIBRARIES or root in sys.stdlib_module_names - {"__main__"}


def _range(*bounds: Any) -> Any:
    if any(is_traced(b) or isinstance(b, Dim) for b in bounds):
        rows = rolled_range(*bounds)
        rows.rolled = False
        return rows
    return builtins.range(*map(operator.index, bounds))


def _len(x: Any) -> Any:
    if isinstance(x, Tracer) and x.shape:
        return x.shape[0]
    rows = rows_of(x) if isinstance(x, List) else None
    return builtins.len(x) if rows is None else rows.size


def _converting(name: str, dtype: Any) -> Callable[..., Any]:
    kind = getattr(builtins, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and is_traced(args[0]) and not kwargs and args[0].size == 1:
            # A Python number gives way to the dtype of what it meets.
            return astype(args[0].reshape(()), dtype=np.dtype(dtype), weak=name != "bool")
        return kind(*args, **kwargs)

    return run


def _extreme(name: str, op: str, reduction: Callable[..., Any]) -> Callable[..., Any]:
    builtin = getattr(builtins, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and len(args) > 1 and any(map(is_traced, args)):
            return functools.reduce(lambda a, b: OPS[op](a, b), args)
        if not kwargs and len(args) == 1:
            items = _argument(args[0])
            if isinstance(items, Tracer) and items.ndim == 1 and is_traced(items):
                return called(reduction, (items,), {})
            if isinstance(items, list | tuple) and any(map(is_traced, items)):
                return run(*items)
        return builtin(*args, **kwargs)

    return run


def _sum(items: Any, /, start: Any = 0) -> Any:
    array = _argument(items)
    if isinstance(array, Tracer) and is_traced(array) and array.shape:
        total = called(np.sum, (array,), {"axis": 0})
        return total if isinstance(start, int) and start == 0 else start + total
    return builtins.sum(array, start)


def _any_all(name: str, reduction: Callable[..., Any], op: str) -> Callable[[Any], Any]:
    builtin = getattr(builtins, name)

    def run(items: Any, /) -> Any:
        if isinstance(items, Tracer) and is_traced(items) and items.ndim == 1:
            return called(reduction, (items,), {})
        if isinstance(items, list | tuple) and any(map(is_traced, items)):
            return functools.reduce(lambda a, b: OPS[op](a, b), [truth(x) for x in items])
        return builtin(items)

    return run


def _isinstance(x: Any, kinds: Any, /) -> bool:
    if isinstance(x, Tracer) and not builtins.isinstance(x, kinds):
        return builtins.isinstance(np.empty((0,) * x.ndim, x.dtype) if x.ndim else x.dtype.type(0), kinds)
    return builtins.isinstance(x, kinds)


def _print(*args: Any, **kwargs: Any) -> None:
    builtins.print(*args, **kwargs)  # noqa: T201
    if any(is_traced(a) for a in args):
        warn("print runs once, while tracing, and shows types instead of numbers", "print outside, or use the tape")


def _array(function: Callable[..., Any], copies: bool) -> Callable[..., Any]:
    def run(x: Any, /, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        x = _argument(x)
        made = as_operand(x) if isinstance(x, list | tuple) else x
        if not isinstance(made, Tracer):
            return _fresh(function(x, dtype, *args, **kwargs), (x,))
        if dtype is not None and np.dtype(dtype) != made.dtype:
            return made.astype(dtype)
        return made.copy() if copies and made is x else made

    return run


def _list(items: Any = (), /) -> List:
    return items if isinstance(items, List) and items.is_stacked else List(items)


def _math(function: Callable[..., Any], numpy: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: (numpy if any(map(is_traced, args)) else function)(*args, **kwargs)


_SPECIAL: dict[Any, Callable[..., Any]] = {
    np.empty: _empty,
    builtins.range: _range,
    builtins.zip: zip_,
    builtins.enumerate: enumerate_,
    builtins.reversed: reversed_,
    builtins.len: _len,
    builtins.float: _converting("float", np.float64),
    builtins.int: _converting("int", np.int64),
    builtins.bool: _converting("bool", np.bool_),
    builtins.min: _extreme("min", "minimum", np.min),
    builtins.max: _extreme("max", "maximum", np.max),
    builtins.sum: _sum,
    builtins.any: _any_all("any", np.any, "logical_or"),
    builtins.all: _any_all("all", np.all, "logical_and"),
    builtins.isinstance: _isinstance,
    builtins.print: _print,
    builtins.iter: lambda *args: born(builtins.iter(*args)),
    builtins.list: _list,
    np.array: _array(np.array, copies=True),
    np.asarray: _array(np.asarray, copies=False),
    np.asanyarray: _array(np.asanyarray, copies=False),
    np.ascontiguousarray: _array(np.ascontiguousarray, copies=False),
    np.float64: _array(np.float64, copies=False),
}
"""What runs for functions of Python and NumPy that cannot take traced values by themselves."""

_SPECIAL |= {
    getattr(math, name): _math(getattr(math, name), getattr(np, numpy))
    for name, numpy in {
        "sqrt": "sqrt", "exp": "exp", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
        "expm1": "expm1", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos",
        "atan": "arctan", "atan2": "arctan2", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
        "asinh": "arcsinh", "acosh": "arccosh",
        "atanh": "arctanh", "fabs": "fabs", "pow": "power", "hypot": "hypot", "floor": "floor", "ceil": "ceil",
        "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "copysign": "copysign", "fmod": "fmod",
    }.items()
}  # fmt: skip
