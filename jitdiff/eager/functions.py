"""Gradients of functions, in the manner of TensorFlow's eager API: lists, with one gradient for each argument."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from jitdiff.eager.arguments import map_leaves
from jitdiff.eager.convert import convert
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.tape import GradientTape
from jitdiff.eager.tensor import Tensor, constant_array, fresh
from jitdiff.eager.traced import copied
from jitdiff.eager.variable import Variable
from jitdiff.errors import ArgumentError, TapeWarning
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle, Tracer
from jitdiff.ops.derived import Derived
from jitdiff.ops.user import in_conversion

Params = Sequence[str] | Sequence[int] | None


def gradients_function(f: Callable[..., Any], params: Params = None) -> Callable[..., list[Any]]:
    """Return a function that gives the gradients of `f` as a list.

    Parameters
    ----------
    f : callable
        Takes positional arguments and returns a Tensor, or a nest of them whose sum is differentiated.
    params : sequence of str or of int, optional
        Names or positions of the arguments to differentiate by; all that are given by default.

    Returns
    -------
    callable
        ``g(*args, dy=None)`` returns a list with one Tensor for each parameter, None where `f` does not depend on it
        or it is an integer. `dy` weighs the result of `f`. It can be differentiated again.

    Examples
    --------
    >>> def power(x, n):
    ...     result = 1.0
    ...     for _ in range(n):
    ...         result = result * x
    ...     return result
    >>> print(gradients_function(power)(4.0, 3)[0])
    jd.Tensor(48.0, shape=(), dtype=float64)
    """
    both = value_and_gradients_function(f, params)

    def gradients(*args: Any, dy: Any = None, **kwargs: Any) -> list[Any]:
        return both(*args, dy=dy, **kwargs)[1]

    return Derived(gradients, f, "gradients_function", (gradients_function, (f, params)), same_signature=False)


def value_and_gradients_function(f: Callable[..., Any], params: Params = None) -> Callable[..., tuple[Any, list[Any]]]:
    """Return a function that gives the value of `f` and its gradients; see `gradients_function`.

    Examples
    --------
    >>> value, (dx, dy) = value_and_gradients_function(lambda x, y: x * y)(2.0, 3.0)
    >>> float(value), float(dx), float(dy)
    (6.0, 3.0, 2.0)
    """
    differentiable = make_vjp(f, params, persistent=False)

    def value_and_gradients(*args: Any, dy: Any = None, **kwargs: Any) -> tuple[Any, list[Any]]:
        value, vjp = differentiable(*args, **kwargs)
        return value, vjp(dy)

    recipe = value_and_gradients_function, (f, params)
    return Derived(value_and_gradients, f, "value_and_gradients_function", recipe, same_signature=False)


def make_vjp(f: Callable[..., Any], params: Params = None, persistent: bool = True) -> Callable[..., Any]:
    """Return a function that gives the value of `f` and the function that pulls weights of the value back.

    Parameters
    ----------
    f : callable
        As for `gradients_function`.
    params : sequence of str or of int, optional
        As for `gradients_function`.
    persistent : bool
        Whether the pullback may be called more than once.

    Returns
    -------
    callable
        ``g(*args)`` returns ``(value, vjp)``; ``vjp(dy=None)`` returns the list of gradients, None standing for ones.

    Examples
    --------
    >>> value, vjp = make_vjp(lambda x: x * x)(3.0)
    >>> [float(g) for g in vjp(10.0)]
    [60.0]
    """

    def value_and_vjp(*args: Any, **kwargs: Any) -> tuple[Any, Callable[..., list[Any]]]:
        if kwargs:
            raise ArgumentError(
                f"Functions to be differentiated cannot receive keyword arguments. {_name(f)} got {', '.join(kwargs)}",
                where=describe(caller()),
                hint="pass them by position, or fix them with functools.partial",
            )
        arguments, sources = list(args), _sources(f, params, args)
        wrt = [source for _, source in sources]
        tape = GradientTape(persistent=persistent, watch_accessed_variables=False)
        tape._require_followed()
        with tape:
            tape.watch([x for x in wrt if x.dtype.kind == "f"])
            for k, source in sources:
                # The function may change its arguments, but not what is differentiated by.
                arguments[k] = fresh(source) if isinstance(source, Tensor) else source
            value = _result(f, in_conversion(f)(*map(constant_array, arguments)))

        def vjp(dy: Any = None) -> list[Any]:
            return list(tape.pull(value, wrt, dy, "dy"))

        return value, vjp

    return Derived(value_and_vjp, f, "make_vjp", (make_vjp, (f, params, persistent)), same_signature=False)


def implicit_gradients(f: Callable[..., Any]) -> Callable[..., list[tuple[Any, Variable]]]:
    """Return a function that gives the gradients of `f` by the trainable Variables it reads.

    Returns
    -------
    callable
        Takes the arguments of `f`, and returns pairs of gradient and Variable, in the Variables' order of construction.

    Examples
    --------
    >>> w = Variable(2.0)
    >>> ((gradient, variable),) = implicit_gradients(lambda x: w * w * x)(3.0)
    >>> print(gradient, variable is w)
    jd.Tensor(12.0, shape=(), dtype=float64) True
    """
    both = implicit_value_and_gradients(f)

    def gradients(*args: Any, **kwargs: Any) -> list[tuple[Any, Variable]]:
        return both(*args, **kwargs)[1]

    return Derived(gradients, f, "implicit_gradients", (implicit_gradients, (f,)))


def implicit_value_and_gradients(f: Callable[..., Any]) -> Callable[..., tuple[Any, list[tuple[Any, Variable]]]]:
    """Return a function that gives the value of `f`, and its gradients as `implicit_gradients` does.

    Examples
    --------
    >>> w = Variable(2.0)
    >>> value, ((gradient, _),) = implicit_value_and_gradients(lambda: w * w)()
    >>> float(value), float(gradient)
    (4.0, 4.0)
    """

    def value_and_gradients(*args: Any, **kwargs: Any) -> tuple[Any, list[tuple[Any, Variable]]]:
        tape = GradientTape()
        tape._require_followed()
        with tape:
            value = _result(
                f, in_conversion(f)(*map_leaves(constant_array, args), **map_leaves(constant_array, kwargs))
            )
        variables = tape.watched_variables()
        if not variables:
            raise ArgumentError(
                "No trainable variables were accessed while the function was being computed.",
                where=describe(caller()),
                hint=f"{_name(f)} has to read a jd.Variable; for gradients by arguments use jd.gradients_function",
            )
        return value, list(zip(tape.gradient(value, list(variables)), variables, strict=True))

    return Derived(value_and_gradients, f, "implicit_value_and_gradients", (implicit_value_and_gradients, (f,)))


def _name(f: Callable[..., Any]) -> str:
    return str(getattr(f, "__name__", f))


def _sources(f: Callable[..., Any], params: Params, args: Sequence[Any]) -> list[tuple[int, Any]]:
    """Return the positions to differentiate by, each with what stands there, never the same object twice."""
    found: list[tuple[int, Any]] = []
    for k in _positions(f, params, args):
        if any(k == position for position, _ in found):
            found.append(next(pair for pair in found if pair[0] == k))
            continue
        x = args[k]
        if not isinstance(x, Variable) or any(x is other for _, other in found):
            x = copied(x) if isinstance(x, Tracer) else fresh(convert(x))
        if x.dtype.kind != "f" and params is not None:
            warnings.warn(
                f"The gradient of {_name(f)} by its argument {k} will be None: its dtype is {x.dtype}",
                TapeWarning,
                stacklevel=4,
            )
        found.append((k, x))
    return found


def _result(f: Callable[..., Any], value: Any) -> Any:
    if value is None:
        raise ArgumentError(
            f"Cannot differentiate a function that returns None; did you forget to return a value from {_name(f)}?",
            where=describe(caller()),
        )
    if isinstance(value, Handle):
        return value.read() if isinstance(value, EagerHandle) else value
    return map_leaves(lambda x: x if isinstance(x, Tracer) else convert(x), value)


def _positions(f: Callable[..., Any], params: Params, args: Sequence[Any]) -> list[int]:
    if params is None:
        return list(range(len(args)))
    if all(isinstance(p, str) for p in params):
        names = _parameter_names(f)
        positions = []
        for p in map(str, params):
            if p not in names:
                raise ArgumentError(
                    f"no parameter {p!r}; the signature is {_name(f)}({', '.join(names)})", where=describe(caller())
                )
            positions.append(names.index(p))
    elif all(isinstance(p, int) for p in params):
        positions = [int(p) for p in params]
    else:
        raise ArgumentError(
            f"params must be all strings or all integers; got {list(params)}.", where=describe(caller())
        )
    for k, name in zip(positions, params, strict=True):
        if not -len(args) <= k < len(args):
            raise ArgumentError(
                f"params has {name!r}, but {_name(f)} was called with {len(args)} positional arguments",
                where=describe(caller()),
            )
    return [k % len(args) for k in positions]


def _parameter_names(f: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"Either callable provided is not a function or could not inspect its arguments by name: {f!r}.",
            where=describe(caller()),
            hint="give positions instead of names",
        ) from None
