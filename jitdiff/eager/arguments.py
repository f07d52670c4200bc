"""Checking what a tape is asked about: targets, sources and output gradients, in any nest."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optree

from jitdiff.eager.backward import fitted
from jitdiff.eager.convert import convert
from jitdiff.eager.handle import EagerHandle
from jitdiff.errors import ArgumentError, ArgumentTypeError, DtypeError, ShapeError
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle, Tracer

NAMESPACE = "jitdiff"


class UnconnectedGradients(enum.Enum):
    """What the gradient by a source is that the target does not depend on."""

    NONE = "none"
    ZERO = "zero"


def is_zero(unconnected: UnconnectedGradients | str) -> bool:
    """Whether zeros are asked for where there is no gradient."""
    try:
        return UnconnectedGradients(unconnected) is UnconnectedGradients.ZERO
    except ValueError:
        raise ArgumentError(
            f"Unknown value for unconnected_gradients: {unconnected!r}",
            where=describe(caller()),
            hint='use "none" or "zero"',
        ) from None


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Return the leaves of a nest, None among them, and its structure."""
    return optree.tree_flatten(tree, none_is_leaf=True, namespace=NAMESPACE)


def leaves_and_paths(tree: Any, name: str) -> list[tuple[Any, str]]:
    """Return the leaves of a nest, None among them, each with the expression that names it.

    Examples
    --------
    >>> leaves_and_paths({"w": [1.0, None]}, "sources")
    [(1.0, "sources['w'][0]"), (None, "sources['w'][1]")]
    """
    leaves, spec = flatten(tree)
    return [(leaf, accessor.codify(name)) for leaf, accessor in zip(leaves, spec.accessors(), strict=True)]


def unflatten(like: Any, leaves: Sequence[Any]) -> Any:
    """Return `leaves` nested as `like` is."""
    return flatten(like)[1].unflatten(leaves)


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Return `tree` with each leaf replaced by ``function(leaf)``."""
    return optree.tree_map(function, tree, none_is_leaf=True, namespace=NAMESPACE)


def tensors_in(tree: Any, name: str) -> list[Any]:
    """Return the leaves of `tree`, which all have to be Tensors, Variables or traced values."""
    return [_key(tree)] if isinstance(tree, Handle) else [x for x, _ in handles_in(tree, name)]


def handles_in(tree: Any, name: str) -> list[tuple[Any, str]]:
    """Return what `tensors_in` does, each with the expression that names it."""
    found = leaves_and_paths(tree, name)
    for x, path in found:
        if not isinstance(x, EagerHandle | Tracer):
            raise _not_a_tensor(x, path, name)
    return [(_key(x), path) for x, path in found]


def _key(x: Any) -> Any:
    return x.key() if isinstance(x, EagerHandle) else x


def nested_as(tree: Any, given: Any, name: str = "tangents") -> list[Any]:
    """Return the parts of `given` that stand where the leaves of `tree` do.

    Raises
    ------
    ArgumentError
        If it is nested in another way.
    """
    spec = flatten(tree)[1]
    try:
        return list(spec.flatten_up_to(given))
    except (ValueError, TypeError):
        raise ArgumentError(
            f"{name} is not nested as what it belongs to: {spec.num_leaves} leaves of {type(tree).__name__}, "
            f"and a {type(given).__name__} given",
            where=describe(caller()),
        ) from None


def _not_a_tensor(x: Any, path: str, name: str) -> ArgumentTypeError:
    if x is None:
        what = "a function without return" if name == "target" else "a value that was never set"
        return ArgumentTypeError(
            f"{path} is None, not a Tensor or Variable", where=describe(caller()), hint=f"it may be {what}"
        )
    kind = type(x).__name__
    article = "an" if kind[0] in "aeiou" or kind == "ndarray" else "a"
    if name == "target":
        hint = "compute it from Tensors inside the tape; .numpy(), float() and np.asarray() leave the tape"
    else:
        hint = "x = jd.constant(x); tape.watch(x); compute with that x, and ask for the gradient by it"
    return ArgumentTypeError(
        f"{path} is {article} {kind}, not a Tensor or Variable: the tape cannot have followed it",
        where=describe(caller()),
        hint=hint,
    )


def output_gradients_for(target: Any, targets: Sequence[Any], given: Any, name: str = "output_gradients") -> list[Any]:
    """Return the cotangent given for each of `targets`, the leaves of `target`; None where none is.

    `name` is what the argument is called in errors.

    Raises
    ------
    ArgumentError
        If there are not as many as targets.
    ShapeError
        If one has not the shape of its target.
    """
    if given is None:
        return [None] * len(targets)
    matched = _matched(target, targets, given, name)
    names = [name] if len(targets) == 1 else [f"{name}[{k}]" for k in range(len(targets))]
    return [_seed(g, t, label) for g, t, label in zip(matched, targets, names, strict=True)]


def _matched(target: Any, targets: Sequence[Any], given: Any, name: str) -> Sequence[Any]:
    if isinstance(target, Handle):
        # TensorFlow code gives a list of one, too.
        one = given[0] if isinstance(given, list | tuple) and len(given) == 1 else None
        fits = isinstance(one, EagerHandle | Tracer | np.ndarray) and one.shape == target.shape  # type: ignore[attr-defined]
        return [one if fits else given]
    if type(target) in (list, tuple) and type(given) in (list, tuple):
        given = type(target)(given)
    return nested_as(target, given, name)


def _seed(g: Any, target: Any, name: str) -> Any:
    if g is None:
        return None
    seed = g if isinstance(g, Tracer) else convert(g)
    if seed.shape != target.shape:
        raise ShapeError(f"{name} has shape {seed.shape}, its target has {target.shape}", where=describe(caller()))
    if seed.dtype.kind not in "biuf":
        raise DtypeError(f"{name} has dtype {seed.dtype}, its target has {target.dtype}", where=describe(caller()))
    return fitted(seed, target) if target.dtype.kind == "f" else seed
