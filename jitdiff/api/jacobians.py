"""Jacobians and Hessians: all basis vectors in one batch for plain functions, a native loop for compiled ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optree import PyTreeSpec

from jitdiff.api import worlds
from jitdiff.api.calls import Argnums, Call, is_number
from jitdiff.api.derived import derived
from jitdiff.errors import DtypeError
from jitdiff.frontend import unflatten
from jitdiff.ir import Dim, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops.derived import Derived

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
    return Derived(
        _jacobian(inner, argnums, has_aux, "hessian", _forward), f, "hessian", (hessian, (f, argnums, has_aux))
    )


def _jacobian(
    f: Callable[..., Any], argnums: Argnums, has_aux: bool, transform: str, mode: Callable[[Call], Jacobian]
) -> Callable[..., Any]:
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        call = Call(transform, f, args, kwargs, argnums, has_aux)
        call.check_floating()
        rows = mode(call)
        tree = _nested(call, rows)
        return (tree, call.aux) if has_aux else tree

    return Derived(jacobian_of, f, transform, (_jacobian, (f, argnums, has_aux, transform, mode)))


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


def _forward(call: Call) -> Jacobian:
    """Return the columns: the results' tangents along each basis vector of each argument."""
    every, columns = worlds.jvp_columns(call.and_aux, call.leaves)
    n = call.out_spec.num_leaves
    _check_results(call, every[:n])
    by_argument = [columns(k)[:n] for k in range(len(call.leaves))]
    call.without_aux(every)
    return [list(row) for row in zip(*by_argument, strict=True)]


def _reverse(call: Call) -> Jacobian:
    """Return the rows: the arguments' cotangents for each basis vector of each result."""
    return _pulled(call, *worlds.vjp_rows(call.and_aux, call.leaves))


def _pulled(call: Call, every: Sequence[Any], rows: worlds.Rows) -> Jacobian:
    outs = call.without_aux(every)
    _check_results(call, outs)
    return [rows(k) for k in range(len(outs))]


def _either(call: Call) -> Jacobian:
    """Choose the mode by the sizes; a size not known is taken for a large one."""
    arguments = _total([type_of(x).size for x in call.leaves])
    if worlds.is_tracing():
        results = _total([r.type.size for r in worlds.traced_block(call, call.leaves).results])
        return _forward(call) if arguments <= results else _reverse(call)
    every, rows = worlds.vjp_rows(call.and_aux, call.leaves)
    results = _total([type_of(y).size for y in every[: call.out_spec.num_leaves]])
    return _forward(call) if arguments <= results else _pulled(call, every, rows)


def _total(sizes: Sequence[int | Dim]) -> float:
    return float("inf") if any(isinstance(n, Dim) for n in sizes) else float(sum(sizes))
