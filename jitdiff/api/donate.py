"""Functions that change arrays of their caller's: arguments given to them with `donate=`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from jitdiff.api.compiled import Compiled
from jitdiff.errors import ArgumentError, ArgumentTypeError
from jitdiff.frontend import Signature
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe

P = ParamSpec("P")
R = TypeVar("R")


class Donating(Compiled[P, R]):
    """A compiled function that changes arrays of its caller's.

    Derivatives are those of the result, and change nothing.
    """

    _names: tuple[str, ...]
    _changing: Compiled[..., Any]

    @classmethod
    def of(cls, compiled: Compiled[P, R], names: tuple[str, ...]) -> Compiled[P, R]:
        """Return `compiled` as a function that changes the arrays given to it under these names.

        Raises
        ------
        ArgumentError
            If the function has no argument of such a name.
        """
        program = compiled._program
        signature = program.signature
        if unknown := [name for name in names if name not in signature.names]:
            raise ArgumentError(
                f"compile: donate={unknown[0]!r} is no argument of {signature.name}",
                where=describe(caller()),
                hint=f"its arguments are {', '.join(signature.names)}",
            )
        how: Any = {"options": program.options, "invalidation": compiled._invalidation}
        made = cls(compiled._function, signature.static, **how)
        made._names = names
        changing = _with_changes(made._converted, signature, names)
        made._changing = Compiled(
            changing, signature.static, options=program.options, invalidation=compiled._invalidation
        )
        return made

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result, and leave in the donated arrays what the function makes of them."""
        if current_builder() is not None:
            # Part of a larger program, it changes the arrays of that.
            return self._converted(*self._targets(args), **kwargs)  # type: ignore[no-any-return]
        given = _given(self._program.signature, self._targets(args), kwargs)
        for name in self._names:
            self._check(name, given.get(name))
        changing = self._changing._bind(self._bound) if self._bound else self._changing
        result, changed = changing(*args, **kwargs)
        for name, value in zip(self._names, changed, strict=True):
            given[name][...] = value
        return result  # type: ignore[no-any-return]

    def _made_of(self, function: Any) -> tuple[Any, ...]:
        return _donate_again, (super()._made_of(function), self._names)

    def _check(self, name: str, array: Any) -> None:
        if type(array) is not np.ndarray or not array.flags.writeable or not array.shape:
            kind = "a read-only array" if type(array) is np.ndarray and array.shape else f"a {type(array).__name__}"
            raise ArgumentTypeError(
                f"{self.__name__}: the donated argument {name} is {kind}, not an array that can be written to",
                where=describe(caller()),
            )


def _donate_again(made: tuple[Any, ...], names: tuple[str, ...]) -> Any:
    compile_again, arguments = made
    return Donating.of(compile_again(*arguments), names)


def _given(signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name."""
    return {**dict(zip(signature.names, args, strict=False)), **kwargs}


def _with_changes(function: Callable[..., Any], signature: Signature, names: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function with the result of `function`, and what the arguments called `names` hold at its end."""

    @functools.wraps(function, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        given = _given(signature, args, kwargs)
        return result, [given[name] for name in names]

    return run
