"""The user's functions as converted code runs them: made anew, once for each code object."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import BuiltinFunctionType, BuiltinMethodType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from jitdiff.frontend.convert import support
from jitdiff.frontend.convert.jitted import unjitted
from jitdiff.frontend.convert.kinds import name_kinds
from jitdiff.frontend.convert.source import Definition, compiled, find, with_code
from jitdiff.frontend.convert.syntax import converted
from jitdiff.frontend.convert.tree import RUN
from jitdiff.frontend.convert.values import redirected
from jitdiff.frontend.libraries import is_library, package_of
from jitdiff.frontend.reads import codes_in
from jitdiff.frontend.settled import note
from jitdiff.ops import Handle
from jitdiff.ops.derived import Derived


class Rewriting:
    """One way of rewriting the user's functions, and the code that it made.

    Parameters
    ----------
    rewrite : callable
        ``rewrite(node, owner, modules)`` gives the changed definition of a function.
    """

    def __init__(self, rewrite: Callable[[Definition, str, frozenset[str]], Definition]) -> None:
        self.rewrite = rewrite
        self.codes: dict[CodeType, CodeType | None] = {}
        self.own: set[CodeType] = set()

    def function(self, function: FunctionType) -> FunctionType:
        """Return a function rewritten, the function itself where that cannot or need not be."""
        code = function.__code__
        if code in self.own:
            return function
        if code not in self.codes:
            self.codes[code] = None if _is_library(function) else self._rewritten(function)
        new = self.codes[code]
        note(function, rewritten=new is not None)
        return function if new is None else with_code(function, new, {RUN: support})

    def callable(self, function: Any) -> Callable[..., Any] | None:
        """Return what is to be called instead of a callable of the user's, None for any other."""
        if isinstance(function, FunctionType):
            found = self.function(function)
            return found if found is not function or function.__code__ in self.own else None
        if (python := unjitted(function)) is not function:
            return self.callable(python) or python
        if isinstance(function, BuiltinFunctionType | BuiltinMethodType | np.ufunc | Handle | type):
            return None
        if isinstance(function, MethodType):
            inner = self.callable(function.__func__)
            return None if inner is None else functools.partial(inner, function.__self__)
        if type(function) is functools.partial:
            inner = self.callable(function.func)
            return None if inner is None else functools.partial(inner, *function.args, **function.keywords)
        method = inspect.getattr_static(type(function), "__call__", None)
        if isinstance(method, FunctionType) and is_users_class(type(function)):
            inner = self.callable(method)
            return None if inner is None else functools.partial(inner, function)
        return None

    def _rewritten(self, function: FunctionType) -> CodeType | None:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            return None
        found = find(function)
        if found is None:
            return None
        name_kinds(found.node, function)
        made = compiled(function, self.rewrite(found.node, found.owner, _modules(function)), [RUN])
        # What is as it was before is no one's own: a function from outside may be of equal code.
        self.own.update(set(codes_in(made)) - set(codes_in(function.__code__)))
        return made


_TRACES = Rewriting(converted)
_VALUES = Rewriting(redirected)

convert = _TRACES.function
converted_callable = _TRACES.callable
redirected_callable = _VALUES.callable


def _modules(function: FunctionType) -> frozenset[str]:
    """Return the global names of a function that hold modules."""
    return frozenset(name for name, value in function.__globals__.items() if isinstance(value, ModuleType))


def is_convertible(function: Any) -> bool:
    """Whether the control flow of a function is converted, or need not be: False where its source is not at hand."""
    if not isinstance(function, FunctionType) or function.__code__ in _TRACES.own or _is_library(function):
        return True
    return convert(function) is not function


def _is_library(function: FunctionType) -> bool:
    return is_library(str(function.__globals__.get("__name__", "")))


def is_users_class(cls: type) -> bool:
    """Whether a class is neither Python's own nor of a library that runs as it is."""
    return not is_library(cls.__module__)


def module_of(function: Any) -> str:
    """Return the name of the top-level package that a callable comes from."""
    if isinstance(function, Derived):
        return "jitdiff"
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__module__", None) or getattr(type(owner), "__module__", None) or ""
    if isinstance(function, np.ufunc) or isinstance(owner, np.ufunc):
        return "numpy"
    return package_of(name)
