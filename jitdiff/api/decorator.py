"""`compile`: the decorator that makes compiled functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType
from typing import Any, Literal, ParamSpec, TypeVar, overload

from jitdiff.api.compiled import Compiled
from jitdiff.api.donate import Donating
from jitdiff.api.methods import as_argument
from jitdiff.api.specialisation import Options
from jitdiff.errors import ArgumentError, ArgumentTypeError
from jitdiff.frontend import is_object
from jitdiff.ir.location import caller, describe

P = ParamSpec("P")
R = TypeVar("R")


@overload
def compile(fn: Callable[P, R]) -> Compiled[P, R]: ...
@overload
def compile(
    fn: None = None,
    *,
    static_argnames: str | Iterable[str] = (),
    static_argnums: int | Iterable[int] = (),
    donate: str | Iterable[str] = (),
    parallel: bool | Literal["auto"] = "auto",
    cache: bool = True,
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...
@overload
def compile(
    fn: Callable[P, R],
    *,
    static_argnames: str | Iterable[str] = (),
    static_argnums: int | Iterable[int] = (),
    donate: str | Iterable[str] = (),
    parallel: bool | Literal["auto"] = "auto",
    cache: bool = True,
) -> Compiled[P, R]: ...
def compile(
    fn: Callable[P, R] | None = None,
    *,
    static_argnames: str | Iterable[str] = (),
    static_argnums: int | Iterable[int] = (),
    donate: str | Iterable[str] = (),
    parallel: bool | Literal["auto"] = "auto",
    cache: bool = True,
) -> Compiled[P, R] | Callable[[Callable[P, R]], Compiled[P, R]]:
    """Compile a NumPy function to native code, together with its derivatives.

    Use it as a decorator, bare or with options. Nothing is compiled before the first call.

    Parameters
    ----------
    fn : callable
        A function of arrays and numbers, in any nesting, that computes with NumPy.
    static_argnames : str or iterable of str
        Arguments that are to be Python values inside the function: each value has its own specialisation.
    static_argnums : int or iterable of int
        The same by position.
    donate : str or iterable of str
        Arrays that the caller gives away to be written to: what the function does to them in place is in the caller's
        arrays after a call. Other arguments are never changed, whatever the function does to them inside. Derivatives
        change nothing.
    parallel : bool or "auto"
        Whether loops may run on several threads; "auto" does so where it pays.
    cache : bool
        Whether compiled code is kept on disk for other processes.

    Returns
    -------
    Compiled
        The function, with ``grad``, ``value_and_grad``, ``hessp``, ``source`` and more.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> @jd.compile
    ... def loss(w, x, y):
    ...     return np.mean((x * w - y) ** 2)
    >>> loss(2.0, np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    np.float64(1.0)
    >>> loss.grad(2.0, np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    np.float64(3.0)
    """
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    donated = (donate,) if isinstance(donate, str) else tuple(donate)
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    if parallel not in (True, False, "auto"):
        raise ArgumentError(f'compile: parallel is True, False or "auto", not {parallel!r}')
    options = Options(parallel, cache)

    def decorate(function: Callable[P, R]) -> Compiled[P, R]:
        if not callable(function):
            raise ArgumentTypeError(f"compile: a function is needed, not {function!r}", where=describe(caller()))
        function, bound, name = _unbound(function)
        compiled: Compiled[..., Any] = Compiled(function, names, [k + len(bound) for k in numbers], options, name)
        if donated:
            compiled = Donating.of(compiled, donated)
        made: Any = compiled._bind(bound) if bound else compiled
        return made  # type: ignore[no-any-return]

    return decorate if fn is None else decorate(fn)


def _unbound(function: Any) -> tuple[Any, tuple[Any, ...], str]:
    """Return a function as it was written, the object that it is a method of as its first argument, and a name."""
    kind = type(function)
    if isinstance(function, Compiled):
        return function.__wrapped__, function._bound, function.__name__
    if isinstance(function, MethodType):
        return function.__func__, (as_argument(function.__self__),), ""
    method = inspect.getattr_static(kind, "__call__", None)
    if is_object(kind) and isinstance(method, FunctionType):
        return method, (as_argument(function),), kind.__name__
    return function, (), ""
