"""Pickles and copies compiled functions: by name, as a transform of another, by value, or as the programs traced."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jitdiff.api.methods import as_argument, target
from jitdiff.api.specialisation import Options
from jitdiff.frontend import StoredFunction
from jitdiff.ops.derived import has_a_name
from jitdiff.ops.pickled import Source, goes_by_value, imported, source_of, takes_values

if TYPE_CHECKING:
    from jitdiff.api.compiled import Compiled


def reduced(compiled: Compiled[..., Any]) -> str | tuple[Any, ...]:
    """Return what ``__reduce__`` gives for a compiled function."""
    if compiled._bound:
        return _reduced_bound(compiled)
    if compiled._origin is not None and _can_be_pickled(compiled._origin[0]):
        return _transformed_again, compiled._origin
    if imported(compiled.__module__, compiled.__qualname__) is compiled and not goes_by_value(compiled.__module__):
        return str(compiled.__qualname__)
    function: Any = compiled._function
    other = imported(compiled.__module__, getattr(function, "__qualname__", ""))
    if _is_compiled(other) and other is not compiled and other._function is function:
        function = other
    if not takes_values() and not _function_can_be_pickled(function):
        compiled._latest()
        programs = [each.traced for each in compiled._program.specialisations]
        function = StoredFunction(compiled._program.signature, programs)
    return compiled._made_of(function)


def recipe(compiled: Compiled[..., Any], cls: type[Compiled[..., Any]], function: Any) -> tuple[Any, ...]:
    """Return how a function is compiled as another was: a function to call, and its arguments."""
    signature = compiled._program.signature
    name = "" if compiled.__name__ == getattr(function, "__name__", "") else compiled.__name__
    arguments = cls, function, tuple(signature.static), compiled._program.options, name
    return _compiled_again, (source_of(function), *arguments)


def copied(compiled: Compiled[..., Any], memo: dict[int, Any]) -> Compiled[..., Any]:
    """Return what ``__deepcopy__`` gives: functions are not copied, but the object that a method belongs to is."""
    if compiled._bound:
        return compiled._bind((as_argument(copy.deepcopy(target(compiled._bound[0]), memo)),))
    if compiled._origin is not None:
        origin, transform, options = compiled._origin
        new = copy.deepcopy(origin, memo)
        return compiled if new is origin else _transformed_again(new, transform, options)
    function = copy.deepcopy(compiled._function, memo)
    if function is compiled._function:
        return compiled
    make, arguments = compiled._made_of(function)
    made: Compiled[..., Any] = make(*arguments)
    return made


def _reduced_bound(compiled: Compiled[..., Any]) -> tuple[Any, ...]:
    owner = target(compiled._bound[0])
    if compiled._origin is not None:
        origin, transform, options = compiled._origin
        return _transformed_again, (origin._bind(compiled._bound), transform, options)
    found = inspect.getattr_static(type(owner), compiled.__name__, None)
    if _is_compiled(found) and found._program is compiled._program:
        return getattr, (owner, compiled.__name__)
    return _bound_again, (compiled._bind(()), owner)


def _can_be_pickled(compiled: Compiled[..., Any]) -> bool:
    if takes_values() or compiled._program.specialisations or _function_can_be_pickled(compiled._function):
        return True
    return imported(compiled.__module__, compiled.__qualname__) is compiled


def _function_can_be_pickled(function: Callable[..., Any]) -> bool:
    return isinstance(function, StoredFunction) or _is_compiled(function) or has_a_name(function)


def _is_compiled(x: Any) -> bool:
    return hasattr(type(x), "transformed")


def _bound_again(compiled: Compiled[..., Any], owner: Any) -> Compiled[..., Any]:
    return compiled.__get__(owner, type(owner))


def _transformed_again(
    compiled: Compiled[..., Any], transform: Callable[..., Any], options: dict[str, Any]
) -> Compiled[..., Any]:
    return compiled.transformed(transform, **options)


def _compiled_again(
    _: Source | None,
    cls: type[Compiled[..., Any]],
    function: Callable[..., Any],
    static: tuple[str, ...],
    options: Options,
    name: str,
) -> Compiled[..., Any]:
    # The name of a decorated function is that of the compiled one.
    plain = function._function if isinstance(function, cls) else function
    return cls(plain, static, options=options, name=name)
