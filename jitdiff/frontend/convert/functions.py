"""The user's functions as converted code runs them: made anew, once for each code object."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import BuiltinFunctionType, BuiltinMethodType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from jitdiff.frontend.convert import support
from jitdiff.frontend.convert.jitted import unjitted
from jitdiff.frontend.convert.source import codes_in, compiled, find, with_code
from jitdiff.frontend.convert.syntax import converted
from jitdiff.frontend.convert.tree import RUN
from jitdiff.frontend.libraries import LIBRARIES, is_library, package_of
from jitdiff.ops import Handle

_codes: dict[CodeType, CodeType | None] = {}
"""The code that stands for the code of a function, None where it cannot be converted."""

_own: set[CodeType] = set()
"""Code that conversion made: functions defined in converted ones."""


def converted_callable(function: Any) -> Callable[..., Any] | None:
    """Return what is to be called instead of a callable of the user's, None for any other."""
    if (python := unjitted(function)) is not function:
        return converted_callable(python) or python
    if isinstance(function, FunctionType):
        found = convert(function)
        return found if found is not function or function.__code__ in _own else None
    if isinstance(function, MethodType):
        inner = converted_callable(function.__func__)
        return None if inner is None else functools.partial(inner, function.__self__)
    if type(function) is functools.partial:
        inner = converted_callable(function.func)
        return None if inner is None else functools.partial(inner, *function.args, **function.keywords)
    if isinstance(function, BuiltinFunctionType | BuiltinMethodType | np.ufunc | Handle):
        return None
    method = vars(type(function)).get("__call__")
    if isinstance(method, FunctionType) and module_of(function) not in LIBRARIES:
        inner = converted_callable(method)
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
    return is_library(str(function.__globals__.get("__name__", "")))


def module_of(function: Any) -> str:
    """Return the name of the top-level package that a callable comes from."""
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__module__", None) or getattr(type(owner), "__module__", None) or ""
    if isinstance(function, np.ufunc) or isinstance(owner, np.ufunc):
        return "numpy"
    return package_of(name)
