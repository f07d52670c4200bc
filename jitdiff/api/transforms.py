"""Gradients and products with Jacobians, with JAX's signatures, of plain and of compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.api import worlds
from jitdiff.api.calls import Argnums, Call
from jitdiff.api.derived import derived
from jitdiff.errors import ArgumentTypeError
from jitdiff.frontend import tree_map, unflatten
from jitdiff.ir import type_of
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import OPS
from jitdiff.ops.derived import Derived


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the gradient of a scalar function, as a function of the same arguments.

    Parameters
    ----------
    f : callable
        Function that returns a scalar. A plain function is run and recorded, with any Python control flow;
        of a compiled one the gradient is compiled.
    argnums : int or tuple of int
        Positional arguments to differentiate by, each an array, a number or a tree of them.
    has_aux : bool
        Whether `f` returns a pair ``(value, aux)``; then the gradient comes as ``(gradient, aux)``.

    Raises
    ------
    ShapeError
        If `f` returns no scalar.
    DtypeError
        If an argument to differentiate by is not floating.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> jd.grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0)
    (np.float64(3.0), np.float64(2.0))
    """
    if (compiled := derived(f, grad, argnums=argnums, has_aux=has_aux)) is not None:
        return compiled

    def gradient(*args: Any, **kwargs: Any) -> Any:
        call, _, grads = _value_and_grad("grad", f, args, kwargs, argnums, has_aux)
        return (grads, call.aux) if has_aux else grads

    return Derived(gradient, f, "grad", (grad, (f, argnums, has_aux)))


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the value of a scalar function and its gradient.

    Parameters
    ----------
    f : callable
        Function that returns a scalar, plain or compiled.
    argnums : int or tuple of int
        Positional arguments to differentiate by.
    has_aux : bool
        Whether `f` returns a pair ``(value, aux)``; then the result is ``((value, aux), gradient)``.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.value_and_grad(lambda x: x**3)(2.0)
    (np.float64(8.0), np.float64(12.0))
    """
    if (compiled := derived(f, value_and_grad, argnums=argnums, has_aux=has_aux)) is not None:
        return compiled

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        call, value, grads = _value_and_grad("value_and_grad", f, args, kwargs, argnums, has_aux)
        return ((value, call.aux) if has_aux else value), grads

    return Derived(value_and_gradient, f, "value_and_grad", (value_and_grad, (f, argnums, has_aux)))


def _value_and_grad(
    transform: str, f: Callable[..., Any], args: Any, kwargs: Any, argnums: Argnums, has_aux: bool
) -> tuple[Call, Any, Any]:
    call = Call(transform, f, args, kwargs, argnums, has_aux)
    call.check_floating()
    outs, pullback = _recorded(call)
    value = call.scalar(outs)
    grads = pullback([type_of(value).dtype.type(1)])
    return call, unflatten(call.out_spec, [value]), call.arguments(grads)


def _recorded(call: Call) -> tuple[list[Any], worlds.Pullback]:
    """Return the results of a call and their pullback; what it returns besides is made presentable."""
    if not call.has_aux:
        return worlds.vjp(call, call.leaves)
    every, pullback = worlds.vjp(call.and_aux, call.leaves)
    outs = call.without_aux(every)
    return outs, lambda cotangents: pullback([*cotangents, *(None for _ in every[len(outs) :])])


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return the value of a function and its pullback: the product of a row vector with the Jacobian.

    Parameters
    ----------
    f : callable
        Function of any number of arguments, plain or compiled.
    *primals : object
        Where to evaluate it.
    has_aux : bool
        Whether `f` returns a pair ``(value, aux)``; then the result is ``(value, pullback, aux)``.

    Returns
    -------
    tuple
        The value, and a function from a cotangent of it to the tuple of cotangents of the primals (None for what is not
        floating). It can be called any number of times; that of a compiled function runs the function again each time.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> y, pullback = jd.vjp(np.sin, 0.0)
    >>> pullback(2.0)
    (np.float64(2.0),)
    """
    compiled = derived(f, _pulled, has_aux=has_aux)
    if compiled is not None and not has_aux and current_builder() is None:
        function: Any = f
        # The caller may change his arrays before the pullback is called.
        then = tree_map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, primals)
        if (split := function.value_and_pullback(then)) is not None:
            y, pull = split
            return y, lambda cotangent: pull(cotangent) or compiled(then, cotangent)
    call = Call("vjp", f, primals, {}, tuple(range(len(primals))), has_aux)
    outs, pullback = _recorded(call)

    def pulled_back(cotangent: Any) -> tuple[Any, ...]:
        gs = call.matching("the cotangent", (cotangent,), (call.out_spec,), outs)
        cotangents: tuple[Any, ...] = call.arguments(pullback(gs))
        return cotangents

    y = unflatten(call.out_spec, outs)
    return (y, pulled_back, call.aux) if has_aux else (y, pulled_back)


def _pulled(f: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    """Return the function from primals and a cotangent to the cotangents of the primals."""

    def pulled(primals: tuple[Any, ...], cotangent: Any) -> Any:
        return vjp(f, *primals, has_aux=has_aux)[1](cotangent)

    return Derived(pulled, f, "vjp", (_pulled, (f, has_aux)), same_signature=False)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """Return the value of a function and its derivative along tangents: the product of the Jacobian with a vector.

    Parameters
    ----------
    f : callable
        Function, plain or compiled.
    primals, tangents : sequence
        Where to evaluate it, and the direction, one for each argument.
    has_aux : bool
        Whether `f` returns a pair ``(value, aux)``; then the result is ``(value, tangent, aux)``.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
    (np.float64(6.0), np.float64(3.0))
    """
    for name, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, tuple | list):
            raise ArgumentTypeError(
                f"jvp: {name} must be a tuple, one for each argument, not {type(value).__name__}",
                where=describe(caller()),
            )
    if len(primals) != len(tangents):
        raise ArgumentTypeError(
            f"jvp: there are {len(primals)} primals and {len(tangents)} tangents", where=describe(caller())
        )
    if (compiled := derived(f, _pushed, has_aux=has_aux)) is not None:
        return compiled(tuple(primals), tuple(tangents))
    call = Call("jvp", f, tuple(primals), {}, tuple(range(len(primals))), has_aux)
    every, dots = worlds.jvp(call.and_aux, call.leaves, call.tangents(tangents))
    outs = call.without_aux(every)
    y, dy = unflatten(call.out_spec, outs), unflatten(call.out_spec, dots[: len(outs)])
    return (y, dy, call.aux) if has_aux else (y, dy)


def _pushed(f: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    """Return the function from primals and tangents to the value and its tangent."""

    def pushed(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        return jvp(f, primals, tangents, has_aux)

    return Derived(pushed, f, "jvp", (_pushed, (f, has_aux)), same_signature=False)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return the product of the Hessian with a vector, without the Hessian: the gradient's derivative along tangents.

    Parameters
    ----------
    f : callable
        Scalar function, plain or compiled.
    primals, tangents : sequence
        Where to evaluate it, and the direction, one for each argument. The gradient is by the first.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    return jvp(grad(f), primals, tangents)[1]


def hessp(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function ``hessp(x, p, *args)``: the Hessian at x times p, in the order scipy.optimize passes them.

    Examples
    --------
    >>> import numpy as np
    >>> hessp(lambda x, a: a * np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 0.0]), 2.0)
    array([12.,  0.])
    """
    if (compiled := derived(f, hessp)) is not None:
        return compiled

    def product(x: Any, p: Any, *args: Any) -> Any:
        return jvp(lambda x: grad(f)(x, *args), (x,), (p,))[1]

    return Derived(product, f, "hessp", (hessp, (f,)), same_signature=False)


def stop_gradient(x: Any) -> Any:
    """Return `x` as a constant for differentiation; `x` may be a tree.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.grad(lambda x: x * jd.stop_gradient(x))(3.0)
    np.float64(3.0)
    """

    def stopped(leaf: Any) -> Any:
        return OPS["stop_gradient"](leaf)

    return tree_map(stopped, x)
