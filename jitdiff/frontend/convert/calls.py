"""Calls in converted code: a function called there is converted too, and builtins take traced values.

What belongs to a library runs as it is; NumPy arrays that it makes become arrays that can be changed in place with
traced values.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import itertools
from collections.abc import Callable
from inspect import isgeneratorfunction
from types import FunctionType, GeneratorType, MethodWrapperType
from typing import Any, TypeVar

import numpy as np

from jitdiff.eager import EagerHandle, is_recording, tensor_of
from jitdiff.errors import JitdiffError, TracingError, UnsupportedError
from jitdiff.frontend.convert import support
from jitdiff.frontend.convert.arrays import ARRAYS, argument, fresh, holds_followed
from jitdiff.frontend.convert.builtins import BUILTINS, TRACED, VALUES
from jitdiff.frontend.convert.changes import born, check_own, making, note_attributes, noted
from jitdiff.frontend.convert.classes import construct
from jitdiff.frontend.convert.elementwise import vectorized
from jitdiff.frontend.convert.functions import converted_callable, is_users_class, module_of, redirected_callable
from jitdiff.frontend.convert.jitted import unjitted
from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.mathematics import MATH
from jitdiff.frontend.convert.methods import METHODS
from jitdiff.frontend.convert.operators import looked_up, warn
from jitdiff.frontend.convert.protocols import PROTOCOLS, PROTOCOLS_ON_VALUES, set_by_object
from jitdiff.frontend.convert.state import is_followed
from jitdiff.frontend.convert.text import of_method, values_in
from jitdiff.ir.assumptions import acts_for_program
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe, is_inner
from jitdiff.ops import FUNCTIONS, Tracer, lift
from jitdiff.ops.leaving import calls_for_users, ways_out
from jitdiff.ops.methods import ArrayMethods, as_operand
from jitdiff.ops.naming import full_name
from jitdiff.ops.table import OF_SIZES
from jitdiff.ops.tracer import has_size

_IN_TRACES = {**PROTOCOLS, **ARRAYS, **MATH, **BUILTINS, **TRACED}
_ON_VALUES = {**PROTOCOLS, **PROTOCOLS_ON_VALUES, **ARRAYS, **MATH, **BUILTINS, **VALUES}

_CALLING: dict[Any, bool] = dict.fromkeys(
    [
        builtins.map, builtins.filter, builtins.sorted, builtins.min, builtins.max, functools.reduce, np.fromfunction,
        itertools.accumulate, itertools.filterfalse, itertools.groupby, itertools.starmap, itertools.takewhile,
        itertools.dropwhile,
    ],
    True,
)  # fmt: skip
"""Functions that call the functions they are given, and keep none."""


V = TypeVar("V")


def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Return ``function(*args, **kwargs)`` in a trace: with its control flow converted if it is the user's."""
    if current_builder() is None:
        return call_on_values(function, *args, **kwargs)
    function, args, kwargs = _applied(function, args, kwargs)
    function = _unwrapped(unjitted(function), args)
    ours = _found(_IN_TRACES, function)
    if _is_of_sizes(function) and has_size((*args, *kwargs.values())):
        ours = OF_SIZES.get(function, ours)
        # NumPy knows no symbolic sizes: that of an array from outside too is a matter of the program.
        args = tuple(Tracer(lift(a)) if isinstance(a, np.ndarray) else a for a in args)
    if ours is not None:
        return ours(*args, **kwargs)
    if isinstance(function, type):
        args, kwargs = _calling(function, args, kwargs, converted_callable, _IN_TRACES)
        if not is_users_class(function):
            with noted(*args, *kwargs.values()):
                return born(_outside(function, args, kwargs))
        made = construct(function, args, kwargs, converted_callable)
        # The user's `__new__` may give an object that there was before.
        return made if isinstance(function.__new__, FunctionType) else born(made)
    target = converted_callable(function)
    if target is not None:
        result = target(*args, **kwargs)
        return born(result) if isinstance(result, GeneratorType) and isgeneratorfunction(function) else result
    _check_once(function, args)
    owner = getattr(function, "__self__", None)
    args, kwargs = _calling(function, args, kwargs, converted_callable, _IN_TRACES)
    given = (*(() if isinstance(owner, List) else (owner,)), *args, *kwargs.values())
    with noted(*given), making(owner, given) as made:
        return made(
            _library(function, tuple(map(argument, args)), {name: argument(value) for name, value in kwargs.items()})
        )


def call_on_values(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Return ``function(*args, **kwargs)`` where tapes follow values: with calls redirected if it is the user's."""
    if type(function) is np.ufunc and not kwargs and _are_operands(args):
        return function(*args)
    if current_builder() is not None:
        return call(function, *args, **kwargs)
    if not is_recording():
        return function(*args, **kwargs)
    function, args, kwargs = _applied(function, args, kwargs)
    function = _unwrapped(unjitted(function), args)
    target = redirected_callable(function)
    if target is not None:
        return target(*args, **kwargs)
    if (ours := _found(_ON_VALUES, function)) is not None:
        return ours(*args, **kwargs)
    args, kwargs = _calling(function, args, kwargs, redirected_callable, _ON_VALUES)
    if isinstance(function, type):
        if not is_users_class(function):
            return _outside(function, args, kwargs)
        return construct(function, args, kwargs, redirected_callable)
    return _library(function, args, kwargs)


def _are_operands(args: tuple[Any, ...]) -> bool:
    """Whether a ufunc takes the arguments as they are, and gives a Tensor."""
    return isinstance(args[0], EagerHandle) and (len(args) == 1 or not isinstance(args[1], list | tuple))


support.call, support.call_on_values = call, call_on_values
calls_for_users(call.__code__)
calls_for_users(call_on_values.__code__)


def _applied(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], Any]:
    """Return the function behind a `functools.partial`, and all of its arguments."""
    while type(function) is functools.partial:
        function, args, kwargs = function.func, (*function.args, *args), {**function.keywords, **kwargs}
    return function, args, kwargs


def _found(table: dict[Any, V], function: Any) -> V | None:
    try:
        return table.get(function)
    except TypeError:
        return None


def _is_of_sizes(function: Any) -> bool:
    """Whether a function has a rule that takes symbolic sizes."""
    return _found(OF_SIZES, function) is not None or _found(FUNCTIONS, function) is not None


def _calling(
    function: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    converted: Callable[[Any], Any],
    table: dict[Any, Callable[..., Any]],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments with the user's functions converted, of a function that does nothing but call them."""
    if not callable(function) or _found(_CALLING, function) is None:
        return args, kwargs

    def ours(x: Any) -> Any:
        if not callable(x):
            return x
        ours = converted(x) or _found(table, x)
        takes_lists = module_of(x) in ("numpy", "scipy") or type(x) is functools.partial
        return functools.partial(call, x) if ours is None and takes_lists else ours or x

    return tuple(map(ours, args)), {name: ours(value) for name, value in kwargs.items()}


def _library(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call what is not the user's; its new arrays become ones that followed values can be put into."""
    module = module_of(function)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, str):
        return of_method(function, args, kwargs)
    if isinstance(owner, dict) and function.__name__ in ("get", "pop", "setdefault"):
        return function(looked_up(args[0], owner), *args[1:], **kwargs)
    if is_followed(owner) and function.__name__ in METHODS:
        return METHODS[function.__name__](owner, *args, **kwargs)
    if isinstance(function, np.vectorize):
        return vectorized(function, args, kwargs)
    if isinstance(owner, np.ndarray):
        if any(map(holds_followed, args)) or any(map(holds_followed, kwargs.values())):
            # NumPy's own method would take plain numbers.
            handle = tensor_of(owner) if current_builder() is None else Tracer(lift(owner))
            return getattr(handle, function.__name__)(*args, **kwargs)
    elif module not in ("numpy", "scipy"):
        return _outside(function, args, kwargs)
    elif any(isinstance(a, list | tuple) and holds_followed(a) for a in (*args, *kwargs.values())):
        return _on_lists(function, args, kwargs)
    return fresh(function(*args, **kwargs), (owner, *args, *kwargs.values()))


def _outside(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call what takes arrays of NumPy only, or none; say so by its name if it fails on account of that."""
    try:
        return function(*args, **kwargs)
    except SystemError as error:
        # C code went on after an exception of ours.
        cause = error.__cause__
        while cause is not None and not isinstance(cause, JitdiffError):
            cause = cause.__cause__
        raise error if cause is None else cause from None
    except TypeError as error:
        followed = [value for x in (*args, *kwargs.values()) for value in values_in(x)]
        if not followed or isinstance(error, JitdiffError) or _is_of_python(function) or _is_users(error):
            raise
        name = full_name(function)
        raise UnsupportedError(
            f"{name} does not take a {followed[0].type} that is differentiated or traced: {error}",
            where=describe(caller()),
            hint=ways_out(name),
        ) from error


acts_for_program(_library.__code__, _outside.__code__)


def _is_of_python(function: Any) -> bool:
    """Whether a function means what an operator or statement does, so that code may be waiting for its errors."""
    modules = ("builtins", "operator", "_operator")
    return function not in (memoryview, bytes, bytearray) and module_of(function) in modules


def _is_users(error: Exception) -> bool:
    """Whether an exception was raised by code of the user's that was called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and not is_inner(trace.tb_frame.f_code.co_filename)


_SEQUENCES = frozenset(
    {
        np.block, np.broadcast_arrays, np.column_stack, np.concatenate, np.dstack, np.hstack, np.linalg.multi_dot,
        np.select, np.stack, np.vstack,
    }
)  # fmt: skip
"""Functions that take sequences of arrays, where others take a sequence for an array."""


def _on_lists(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function of arrays, some given as lists or tuples that hold followed values."""

    def array_like(x: Any) -> Any:
        if not isinstance(x, list | tuple) or not holds_followed(x):
            return x
        return [as_operand(part) for part in x] if function in _SEQUENCES else as_operand(x)

    return function(*map(array_like, args), **{name: array_like(value) for name, value in kwargs.items()})


_MANAGER = contextlib.contextmanager(lambda: iter(())).__code__


def _unwrapped(function: Any, args: tuple[Any, ...]) -> Any:
    """Return the function behind a cache, a choice by the type of the first argument, or a context manager.

    Attributes that the user's `__setattr__` sets by that of `object` are set as in a statement.
    """
    if function is object.__setattr__:
        return set_by_object
    if isinstance(function, MethodWrapperType) and getattr(function, "__objclass__", None) is object:
        return functools.partial(set_by_object, function.__self__) if function.__name__ == "__setattr__" else function
    if isinstance(function, FunctionType) and function.__code__ is _MANAGER:
        # The generator is the user's.
        wrapped = vars(function)["__wrapped__"]
        generator = (redirected_callable if current_builder() is None else converted_callable)(wrapped)
        return function if generator is None else contextlib.contextmanager(generator)
    if type(function) is functools._lru_cache_wrapper and any(map(is_followed, args)):
        return function.__wrapped__
    if (
        isinstance(function, FunctionType)
        and args
        and isinstance(args[0], ArrayMethods)
        and "registry" in vars(function)
    ):
        return function.dispatch(BUILTINS[type](args[0]))  # type: ignore[attr-defined]
    return function


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
    elif function is builtins.next:
        check_own(args[0])
    elif isinstance(function, MethodWrapperType) and function.__name__ == "__delattr__":
        note_attributes(owner)
