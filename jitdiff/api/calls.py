"""A call of a user's function as a function of what it is differentiated by, with the checks that transforms share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optree import PyTreeSpec

from jitdiff import eager
from jitdiff.errors import ArgumentError, ArgumentTypeError, DtypeError, ShapeError, TracingError
from jitdiff.frontend import as_leaf, flatten, leaf_names, tree_map, unflatten
from jitdiff.ir import type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle
from jitdiff.ops.user import in_conversion

Argnums = int | tuple[int, ...]


class Call:
    """One call of `f`: a function from the floating leaves of the arguments `argnums` to the leaves of the result.

    Parameters
    ----------
    transform : str
        Name of the transform, for messages.
    f : callable
        The user's function.
    args, kwargs : tuple, dict
        Its arguments.
    argnums : int or tuple of int
        Positional arguments to differentiate by.
    has_aux : bool
        Whether `f` returns a pair of what is differentiated and something else.

    Attributes
    ----------
    leaves : list
        Floating leaves of the arguments to differentiate by.
    specs : list of PyTreeSpec
        Structure of each of these arguments.
    out_spec : PyTreeSpec
        Structure of the result, known after a call.
    aux : object
        The something else, known after a call.
    """

    def __init__(
        self,
        transform: str,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: Argnums = 0,
        has_aux: bool = False,
    ) -> None:
        self.transform = transform
        self.f = in_conversion(f)
        self.args = args
        self.kwargs = kwargs
        self.argnums = argnums
        self.has_aux = has_aux
        self.positions = tuple(self._position(k) for k in (argnums if isinstance(argnums, tuple) else (argnums,)))
        flat = [flatten(args[k]) for k in self.positions]
        self.specs = [spec for _, spec in flat]
        self._names = [
            n for k, s in zip(self.positions, self.specs, strict=True) for n in leaf_names(s, f"argument_{k}")
        ]
        leaves = [leaf for leaves, _ in flat for leaf in leaves]
        self._all = [
            as_leaf(leaf, f"{transform}: {n} of {self.name}") for leaf, n in zip(leaves, self._names, strict=True)
        ]
        self._moving = [k for k, leaf in enumerate(self._all) if is_number(leaf) and type_of(leaf).is_float]
        self.leaves = self.moving(self._all)
        self.out_spec: PyTreeSpec = flatten(None)[1]
        self.aux: Any = None

    @property
    def name(self) -> str:
        """Name of the function."""
        return name_of(self.f)

    def moving(self, of_all: Sequence[Any]) -> list[Any]:
        """Return what belongs to floating leaves, of a sequence for all leaves."""
        return [of_all[k] for k in self._moving]

    def _position(self, k: Any) -> int:
        if not isinstance(k, int | np.integer) or isinstance(k, bool):
            raise ArgumentTypeError(
                f"{self.transform}: argnums must be an int or a tuple of ints, not {self.argnums!r}",
                where=describe(caller()),
            )
        n = len(self.args)
        if not -n <= k < n:
            raise ArgumentError(
                f"{self.transform}: argnums={self.argnums!r}, and {self.name} was called with {n} positional "
                f"argument{'s' * (n != 1)}",
                where=describe(caller()),
                hint="what is differentiated by must be passed by position",
            )
        return int(k) % n

    def __call__(self, *leaves: Any) -> list[Any]:
        """Call the function with other floating leaves, and return the leaves of its result."""
        args = list(tree_map(eager.constant_array, self.args))
        kwargs = tree_map(eager.constant_array, self.kwargs)
        for k, tree in zip(self.positions, self._trees(self._merged(leaves, self._all)), strict=True):
            args[k] = tree
        result = self.f(*args, **kwargs)
        if self.has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise TracingError(
                    f"{self.transform}: with has_aux, {self.name} must return a pair (value, aux), not {_kind(result)}",
                    where=describe(caller()),
                )
            result, self.aux = result
        if result is None:
            raise TracingError(
                f"{self.transform}: {self.name} returned None; did you forget to return a value?",
                where=describe(caller()),
            )
        outs, self.out_spec = flatten(result)
        return outs

    def and_aux(self, *leaves: Any) -> list[Any]:
        """Call the function, and return the leaves of its result and then the handles in what comes with it."""
        return [*self(*leaves), *(x for x in flatten(self.aux)[0] if isinstance(x, Handle))]

    def without_aux(self, outs: Sequence[Any]) -> list[Any]:
        """Return the leaves of the result, the first of `outs`; the others take their places in `aux`."""
        n = self.out_spec.num_leaves
        given = iter(outs[n:])
        self.aux = tree_map(lambda x: next(given) if isinstance(x, Handle) else x, self.aux)
        return list(outs[:n])

    def check_floating(self) -> None:
        """Raise `DtypeError` unless every leaf to differentiate by is floating."""
        for leaf, name in zip(self._all, self._names, strict=True):
            if is_number(leaf):
                type = type_of(leaf)
                if type.is_float:
                    continue
                hint = "pass a float: 3.0, or x.astype(float)" if type.dtype.kind in "iub" else None
                raise DtypeError(
                    f"{self.transform}: {name} of {self.name} is {type}, and derivatives are by floating numbers",
                    where=describe(caller()),
                    hint=hint,
                )
            raise DtypeError(
                f"{self.transform}: {name} of {self.name} is {_kind(leaf)}, not an array or a number",
                where=describe(caller()),
            )

    def scalar(self, outs: Sequence[Any]) -> Any:
        """Return the only result, which must be a floating scalar."""
        if len(outs) != 1 or not is_number(outs[0]):
            raise ShapeError(
                f"{self.transform}: {self.name} must return one scalar, and returned "
                f"{_kind(unflatten(self.out_spec, outs))}",
                where=describe(caller()),
                hint="with has_aux=True it may return (value, anything)" if len(outs) == 2 else None,
            )
        type = type_of(outs[0])
        if type.shape != ():
            raise ShapeError(
                f"{self.transform}: {self.name} must return a scalar, and returned {type}",
                where=describe(caller()),
                hint="sum it, or use jitdiff.jacobian",
            )
        if not type.is_float:
            raise DtypeError(
                f"{self.transform}: {self.name} returned {type}, and only floating results have derivatives",
                where=describe(caller()),
            )
        return outs[0]

    def arguments(self, leaves: Sequence[Any]) -> Any:
        """Return floating leaves nested as the arguments are, None for other leaves.

        One tree for an int `argnums`, a tuple of them for a tuple.
        """
        trees = self._trees(self._merged(leaves, [None] * len(self._all)))
        return tuple(trees) if isinstance(self.argnums, tuple) else trees[0]

    def _merged(self, leaves: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        merged = list(others)
        for k, leaf in zip(self._moving, leaves, strict=True):
            merged[k] = leaf
        return merged

    def _trees(self, leaves: Sequence[Any]) -> list[Any]:
        trees, start = [], 0
        for spec in self.specs:
            trees.append(unflatten(spec, leaves[start : start + spec.num_leaves]))
            start += spec.num_leaves
        return trees

    def tangents(self, trees: Sequence[Any]) -> list[Any]:
        """Return the tangents of the floating leaves, given one tree for each argument."""
        found = self.matching("the tangent", trees, self.specs, self._all)
        return [found[k] for k in self._moving]

    def matching(self, what: str, tree: Any, specs: Sequence[PyTreeSpec], likes: Sequence[Any]) -> list[Any]:
        """Return the leaves of the tuple `tree`, which must have the structures `specs` and the shapes of `likes`."""
        leaves: list[Any] = []
        for part, spec in zip(tree, specs, strict=True):
            new, structure = _flatten_like(part, spec)
            if structure != spec:
                raise ArgumentTypeError(
                    f"{self.transform}: {what} has the structure {structure}, and {spec} is needed",
                    where=describe(caller()),
                )
            leaves += new
        for k, (leaf, like) in enumerate(zip(leaves, likes, strict=True)):
            if not is_number(like) or not type_of(like).is_float:
                leaves[k] = None
                continue
            leaves[k] = as_leaf(leaf, f"{self.transform}: {what}")
            if not is_number(leaves[k]) or type_of(leaves[k]).shape != type_of(like).shape:
                raise ShapeError(
                    f"{self.transform}: {what} is {_kind(leaf)}, and {type_of(like)} is needed",
                    where=describe(caller()),
                )
        return leaves


def _flatten_like(tree: Any, spec: PyTreeSpec) -> tuple[list[Any], PyTreeSpec]:
    """Flatten a tree in which None may stand for a leaf that cannot move."""
    leaves, structure = flatten(tree)
    if structure != spec and spec.num_leaves != len(leaves):
        try:
            return spec.flatten_up_to(tree), spec
        except (ValueError, TypeError):
            pass
    return leaves, structure


def is_number(x: Any) -> bool:
    """Say whether a leaf is an array or a scalar of numbers."""
    if isinstance(x, np.ndarray | np.generic):
        return x.dtype.kind in "biufc"
    return isinstance(x, Handle | bool | int | float | complex)


def name_of(f: Callable[..., Any]) -> str:
    """Return the name of a function as messages show it."""
    return getattr(f, "__name__", None) or type(f).__name__


def _kind(x: Any) -> str:
    if is_number(x):
        return repr(type_of(x))
    if x is None or isinstance(x, str):
        return repr(x)
    if isinstance(x, tuple | list | dict):
        leaves, spec = flatten(x)
        return str(unflatten(spec, [_Text(_kind(leaf)) for leaf in leaves]))
    return f"a {type(x).__name__}"


class _Text(str):
    """Text that shows itself without quotes inside a container."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
