"""Functions derived from the user's: named and documented after them, copied and pickled as they are."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from functools import partial, update_wrapper
from types import FunctionType, MethodType
from typing import Any, Self

from jitdiff.ops.pickled import Source, goes_by_value, imported, source_of

_TITLES = {
    "grad": "Gradient",
    "gradients_function": "Gradients",
    "hessian": "Hessian",
    "hessp": "Product of the Hessian with a vector",
    "implicit_gradients": "Gradients by Variables",
    "implicit_value_and_gradients": "Value and gradients by Variables",
    "jacfwd": "Jacobian",
    "jacobian": "Jacobian",
    "jacrev": "Jacobian",
    "jvp": "Value and derivative along a tangent",
    "make_vjp": "Value and pullback",
    "map": "Results for all rows",
    "value_and_grad": "Value and gradient",
    "value_and_gradients_function": "Value and gradients",
    "vjp": "Pullback",
    "vmap": "Results for all slices",
}


class Derived:
    """A transform of a plain function, to be called like a function.

    Parameters
    ----------
    run : callable
        What to call.
    f : callable
        The plain function.
    transform : str
        Name of the transform.
    recipe : tuple
        A function that can be imported, and the arguments that it makes this from.
    same_signature : bool
        Whether it takes the arguments of `f`.
    """

    def __init__(
        self,
        run: Callable[..., Any],
        f: Callable[..., Any],
        transform: str,
        recipe: tuple[Callable[..., Any], tuple[Any, ...]],
        same_signature: bool = True,
    ) -> None:
        name = getattr(f, "__name__", type(f).__name__)
        self._run = run
        self._recipe = recipe
        self._home: str = getattr(f, "__qualname__", "")
        if same_signature:
            update_wrapper(self, f, updated=())
        else:
            self.__signature__ = inspect.signature(run)
            self.__module__ = getattr(f, "__module__", None) or type(f).__module__
        self.__name__ = f"{name}_{transform}" if name.isidentifier() else transform
        self.__qualname__ = self.__name__
        doc = f.__doc__ if inspect.isroutine(f) or isinstance(f, Derived) else None
        self.__doc__ = f"{_TITLES[transform]} of {name}." + (f"\n\n{name}: {doc}" if doc else "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of the transform."""
        return self._run(*args, **kwargs)

    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        """Return the method of an instance, as a function does."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<jitdiff {self.__name__}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # Functions are not copied, but the object that a method belongs to is.
        make, (f, *others) = self._recipe
        copied = copy.deepcopy(f, memo)
        return self if copied is f else make(copied, *others)

    def __reduce__(self) -> str | tuple[Any, ...]:
        # A function that was put in the place of its plain one has the plain one's name.
        if imported(self.__module__, self._home) is self and not goes_by_value(self.__module__):
            return str(self._home)
        make, arguments = self._recipe
        return _made_again, (source_of(arguments[0]), make, arguments)


class Decorated(Derived):
    """A function of the user's with another derivative, or another way to it: its name and its text stay.

    Parameters
    ----------
    run : callable
        What to call.
    f : callable
        The user's function.
    decorator : callable
        What makes this of it.
    """

    def __init__(self, run: Callable[..., Any], f: Callable[..., Any], decorator: Callable[..., Any]) -> None:
        self._run = run
        self._recipe = decorator, (f,)
        self._home = getattr(f, "__qualname__", "")
        self.__name__ = self.__qualname__ = type(f).__name__
        update_wrapper(self, f, updated=())


def _made_again(_: Source | None, make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return make(*arguments)


def has_a_name(function: Any) -> bool:
    """Say whether a function can be pickled by its name, or by the names of what it was made of."""
    if isinstance(function, Derived):
        return has_a_name(function._recipe[1][0]) or imported(function.__module__, function._home) is function
    if isinstance(function, MethodType):
        return has_a_name(type(function.__self__))
    if isinstance(function, partial):
        return has_a_name(function.func)
    name = getattr(function, "__qualname__", "")
    if imported(getattr(function, "__module__", None), name) is function:
        return True
    return not isinstance(function, FunctionType | type) and has_a_name(type(function))
