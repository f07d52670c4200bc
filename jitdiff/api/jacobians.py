"""Jacobians and Hessians: a loop over basis vectors, in Python for plain functions, native for compiled ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optree import PyTreeSpec

from jitdiff import ad
from jitdiff.api import worlds
from jitdiff.api.calls import Argnums, Call, is_number
from jitdiff.api.derived import derived, derived_of
from jitdiff.api.transforms import with_aux
from jitdiff.errors import DtypeError
from jitdiff.frontend import flatten, unflatten
from jitdiff.ir import Dim, Shape, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops import OPS, control
from jitdiff.ops.basis import basis

Jacobian = list[list[Any]]
"""For each leaf of the result, for each leaf differentiated by, an array of both their shapes."""


def jacfwd(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the Jacobian of a function, computed column by column by forward mode.

    Parameters
    ----------
    f : callable
        Function that returns an array or a tree of arrays, plain or compiled.
    argnums : int or tuple of int
        Positional arguments to differentiate by.
    has_aux : bool
        Whether `f` returns a pair ``(value, aux)``; then the result is ``(Jacobian, aux)``.

    Returns
    -------
    callable
        Function of the same arguments that gives, for a result of shape r and an argument of shape a, an array of
        shape r + a; with trees, a tree of the result's structure whose leaves are trees of the argument's.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.jacfwd(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if (compiled := derived(f, jacfwd, argnums=argnums, has_aux=has_aux)) is not None:
        return compiled
    return _jacobian(f, argnums, has_aux, "jacfwd", _forward)


def jacrev(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the Jacobian of a function, computed row by row by reverse mode.

    Parameters and result are those of `jacfwd`.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.jacrev(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if (compiled := derived(f, jacrev, argnums=argnums, has_aux=has_aux)) is not None:
        return compiled
    return _jacobian(f, argnums, has_aux, "jacrev", _reverse)


def jacobian(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the Jacobian of a function: by forward mode if it has no fewer results than arguments, else by reverse.

    Parameters and result are those of `jacfwd`.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.jacobian(lambda x: np.sum(x) * x[:1])(np.array([1.0, 2.0]))
    array([[4., 1.]])
    """
    if (compiled := derived(f, jacobian, argnums=argnums, has_aux=has_aux)) is not None:
        return compiled
    return _jacobian(f, argnums, has_aux, "jacobian", _either)


def hessian(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the matrix of second derivatives of a function, by forward mode over reverse.

    Parameters
    ----------
    f : callable
        Function, usually scalar, plain or compiled.
    argnums : int or tuple of int
        Positional arguments to differentiate by.
    has_aux : bool
        Whether `f` returns a pair ``(value, aux)``; then the result is ``(Hessian, aux)``.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.hessian(lambda x: np.prod(x))(np.array([2.0, 3.0]))
    array([[0., 1.],
           [1., 0.]])
    """
    if (compiled := derived(f, hessian, argnums=argnums, has_aux=has_aux)) is not None:
        return compiled
    inner = _jacobian(f, argnums, has_aux, "hessian", _reverse)
    return derived_of(_jacobian(inner, argnums, has_aux, "hessian", _forward), f, "hessian")


def _jacobian(
    f: Callable[..., Any], argnums: Argnums, has_aux: bool, transform: str, mode: Callable[[Call], Jacobian]
) -> Callable[..., Any]:
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        call = Call(transform, f, args, kwargs, argnums, has_aux)
        call.check_floating()
        rows = mode(call)
        tree = _nested(call, rows)
        return (tree, call.aux) if has_aux else tree

    return derived_of(jacobian_of, f, transform)


def _nested(call: Call, rows: Jacobian) -> Any:
    return _unflatten_trees(call.out_spec, [call.arguments(row) for row in rows])


def _unflatten_trees(spec: PyTreeSpec, trees: Sequence[Any]) -> Any:
    return trees[0] if spec.is_leaf() else unflatten(spec, trees)


def _check_results(call: Call, outs: Sequence[Any]) -> None:
    for y in outs:
        if not is_number(y) or not type_of(y).is_float:
            what = type_of(y) if is_number(y) else repr(y)
            raise DtypeError(
                f"{call.transform}: {call.name} returned {what}, and only floating results have derivatives",
                where=describe(caller()),
            )


def _size(shape: Shape) -> int | Dim:
    total: int | Dim = 1
    for n in shape:
        total = total * n
    return total


def _basis(i: Any, like: Any) -> Any:
    """Return the array of the type of `like` that is 1 at flat position i and 0 elsewhere."""
    type = type_of(like)
    vector = basis(i, size=type.size, dtype=type.dtype)
    return vector if type.ndim == 1 else OPS["reshape"](vector, shape=type.shape)


def _each(count: int | Dim, row: Callable[[Any], list[Any]]) -> list[Any]:
    """Return what `row` gives for each of 0, 1, ..., stacked: a loop of the program in a trace, else in Python."""
    if worlds.is_tracing():
        return control.fori(count, row, [])[1]
    return [np.stack(column) for column in zip(*map(row, range(int(count))), strict=True)]


def _forward(call: Call) -> Jacobian:
    """Return the columns: the results' tangents along each basis vector of each argument."""
    columns: list[list[Any]] = []
    function = with_aux(call)
    push, outs = _pusher(function, call)
    n = call.out_spec.num_leaves
    _check_results(call, outs[:n])
    if call.has_aux:
        call.aux = unflatten(flatten(call.aux)[1], outs[n:])
    for k, x in enumerate(call.leaves):
        tangents: list[Any] = [None] * len(call.leaves)

        def column(i: Any, k: int = k, x: Any = x, tangents: list[Any] = tangents) -> list[Any]:
            tangents = list(tangents)
            tangents[k] = _basis(i, x) if type_of(x).shape else type_of(x).dtype.type(1)
            return push(tangents)[:n]

        shape = type_of(x).shape
        if shape == ():
            columns.append(column(0))
            continue
        stacked = _each(_size(shape), column)
        columns.append([
            np.reshape(np.moveaxis(s, 0, -1), (*type_of(y).shape, *shape)) for s, y in zip(stacked, outs, strict=False)
        ])  # fmt: skip
    return [list(row) for row in zip(*columns, strict=True)]


def _pusher(function: Callable[..., Any], call: Call) -> tuple[Callable[[list[Any]], list[Any]], list[Any]]:
    """Return the function from tangents of the arguments to tangents of the results, and the results."""
    if not worlds.is_tracing():
        outs = worlds.vjp(function, call.leaves)[0]
        return lambda tangents: worlds.jvp(function, call.leaves, tangents)[1], outs
    program = worlds.traced_block(function, call.leaves)
    primals = list(map(worlds.traced, call.leaves))
    outs = ad.replay(program, primals)

    def push(tangents: list[Any]) -> list[Any]:
        # The values are computed again in the loop, from where the passes move them out.
        ys, dots = ad.push(program, primals, tangents)
        return [worlds.zeros_like(y) if d is None else d for y, d in zip(ys, dots, strict=True)]

    return push, outs


def _reverse(call: Call) -> Jacobian:
    """Return the rows: the arguments' cotangents for each basis vector of each result."""
    outs, pullback = worlds.vjp(call, call.leaves)
    _check_results(call, outs)
    rows: Jacobian = []
    for k, y in enumerate(outs):
        cotangents: list[Any] = [None] * len(outs)

        def row(i: Any, k: int = k, y: Any = y, cotangents: list[Any] = cotangents) -> list[Any]:
            cotangents = list(cotangents)
            cotangents[k] = _basis(i, y) if type_of(y).shape else type_of(y).dtype.type(1)
            return pullback(cotangents)

        shape = type_of(y).shape
        if shape == ():
            rows.append(row(0))
            continue
        stacked = _each(_size(shape), row)
        rows.append([np.reshape(s, (*shape, *type_of(x).shape)) for s, x in zip(stacked, call.leaves, strict=True)])
    return rows


def _either(call: Call) -> Jacobian:
    """Choose the mode by the sizes; a size not known is taken for a large one."""
    if worlds.is_tracing():
        types = [r.type for r in worlds.traced_block(call, call.leaves).results]
        results = [t.size for t in types]
    else:
        results = [type_of(y).size for y in worlds.vjp(call, call.leaves)[0]]
    arguments = [type_of(x).size for x in call.leaves]
    return _forward(call) if _total(arguments) <= _total(results) else _reverse(call)


def _total(sizes: Sequence[int | Dim]) -> float:
    return float("inf") if any(isinstance(n, Dim) for n in sizes) else float(sum(sizes))
