"""The layout of a call: the structure of its arguments, the name of each leaf, and which leaves are static."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from optree import PyTreeSpec

from jitdiff.errors import ArgumentError, ArgumentTypeError
from jitdiff.frontend.leaves import Kind, Static, kind_of
from jitdiff.frontend.objects import holds_objects, is_opened, opened
from jitdiff.frontend.trees import flatten, leaf_names
from jitdiff.ir.location import caller, describe


class Signature:
    """The parameters of a function, as far as a call needs to know them.

    Parameters
    ----------
    function : callable
        The function.
    static_argnames : iterable of str
        Parameters whose argument is static as a whole.
    static_argnums : iterable of int
        The same by position.

    Raises
    ------
    ArgumentError
        If a static argument is none of the function's.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnames: Iterable[str] = (),
        static_argnums: Iterable[int] = (),
    ) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        try:
            self.signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            self.signature = None
        parameters = list(self.signature.parameters.values()) if self.signature else []
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.names = [p.name for p in parameters]
        self.positional = [p.name for p in parameters if p.kind in positional]
        self._by_keyword = {p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD}
        self.variadic = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
        self.static = frozenset([*static_argnames, *(self._name_of(k) for k in static_argnums)])
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters) or self.signature is None
        for name in self.static:
            if name not in self.names and not takes_any:
                raise ArgumentError(f"static_argnames: {self} has no argument {name!r}")

    def _name_of(self, position: int) -> str:
        try:
            return self.positional[position]
        except IndexError:
            raise ArgumentError(f"static_argnums: {self} has no argument number {position}") from None

    def __str__(self) -> str:
        return f"{self.name}{self.signature or '(...)'}"

    def arrange(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with keywords moved to their positions, and static ones marked."""
        if kwargs:
            kwargs = dict(kwargs)
            for name in self.positional[len(args) :]:
                if name not in kwargs or name not in self._by_keyword:
                    break
                args = (*args, kwargs.pop(name))
        if self.static:
            args = tuple(
                self._mark(x, self.positional[k]) if k < len(self.positional) else x for k, x in enumerate(args)
            )
            kwargs = {name: self._mark(x, name) for name, x in kwargs.items()}
        return args, kwargs

    def _mark(self, x: Any, name: str) -> Any:
        return Static(x, f"{name} of {self.name}") if name in self.static and type(x) is not Static else x

    def check(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Raise `ArgumentTypeError` if the function cannot be called like this."""
        if self.signature is None:
            return
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentTypeError(
                f"{self.name}() {error}", where=describe(caller()), hint=f"its signature is {self}"
            ) from None

    def argument_name(self, position: int) -> str:
        """Return the name of a positional argument."""
        if position < len(self.positional):
            return self.positional[position]
        return f"{self.variadic or 'arg'}_{position - len(self.positional) if self.variadic else position}"


class Layout:
    """Everything about a call that follows from the structure of its arguments.

    Parameters
    ----------
    signature : Signature
        Of the function.
    spec : PyTreeSpec
        Structure of the pair of positional and keyword arguments.

    Attributes
    ----------
    names : list of str
        A name for each leaf.
    static : set of int
        Leaves that a trace asked the number of: integers, static from then on.
    holds_objects : bool
        Whether there are objects among the arguments.
    """

    def __init__(self, signature: Signature, spec: PyTreeSpec) -> None:
        self.signature = signature
        self.spec = spec
        args_spec, kwargs_spec = spec.children()
        self.names: list[str] = []
        for k, child in enumerate(args_spec.children()):
            self.names += leaf_names(child, signature.argument_name(k))
        for entry, child in zip(kwargs_spec.entries(), kwargs_spec.children(), strict=True):
            self.names += leaf_names(child, str(entry))
        self.static: set[int] = set()
        self.holds_objects = holds_objects(spec)

    def kinds(self, leaves: Sequence[Any], also: frozenset[int] = frozenset()) -> tuple[Kind, ...]:
        """Return how each leaf takes part in a trace, if those in `also` are static too."""
        static = self.static | also if also else self.static
        if not static:
            return tuple(map(kind_of, leaves, self.names))
        return tuple(
            kind_of(x, name, static=k in static) for k, (x, name) in enumerate(zip(leaves, self.names, strict=True))
        )


def flatten_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], PyTreeSpec]:
    """Return the leaves of the arguments of a call and their structure; objects are trees of their attributes."""
    leaves, spec = flatten((args, kwargs))
    if _as_they_are.issuperset(map(type, leaves)):
        return leaves, spec
    kinds = set(map(type, leaves))
    if any(map(is_opened, kinds)):
        return opened(leaves, spec)
    _as_they_are.update(kinds)
    return leaves, spec


_as_they_are: set[type] = set()
"""Types of leaves found to be no objects."""
