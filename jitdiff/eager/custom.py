"""Functions with a derivative rule of the user's, in the manners of JAX and of TensorFlow."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import optree

from jitdiff.eager.arguments import NAMESPACE
from jitdiff.eager.backward import backward
from jitdiff.eager.convert import convert
from jitdiff.eager.linked import is_followed, link, link_traced
from jitdiff.eager.recorder import Recorder, active, recording, started
from jitdiff.eager.tape import GradientTape
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.operands import captured
from jitdiff.eager.tensor import fresh
from jitdiff.eager.traced import filled
from jitdiff.eager.variable import Variable, in_order
from jitdiff.errors import ArgumentError, ArgumentTypeError
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle, Tracer


class _Call:
    """The arguments of one call: which leaves are handles, and how to put others in their place."""

    def __init__(self, args: Sequence[Any]) -> None:
        leaves, self.spec = optree.tree_flatten(tuple(args), none_is_leaf=True, namespace=NAMESPACE)
        self.leaves = [x.read() if isinstance(x, EagerHandle) else x for x in leaves]
        self.places = [k for k, x in enumerate(self.leaves) if isinstance(x, Handle)]
        self.handles = [self.leaves[k] for k in self.places]
        self.traced = any(isinstance(x, Tracer) for x in self.handles)

    def operands(self) -> list[Any]:
        """Return the handles, all of one world."""
        return [captured(x) if self.traced and isinstance(x, EagerHandle) else x for x in self.handles]

    def with_operands(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """Return the arguments with these in place of the handles; Variables have become Tensors."""
        leaves = list(self.leaves)
        for k, x in zip(self.places, operands, strict=True):
            leaves[k] = x
        return optree.tree_unflatten(self.spec, leaves)  # type: ignore[return-value]

    def of_operands(self, cotangents: Sequence[Any]) -> list[Any]:
        """Return those of the cotangents, one for each leaf, that belong to handles."""
        return [cotangents[k] for k in self.places]


class _Result:
    """The leaves of a result and their nesting."""

    def __init__(self, tree: Any) -> None:
        self.leaves, self.spec = optree.tree_flatten(tree, namespace=NAMESPACE)

    def nested(self, leaves: Sequence[Any]) -> Any:
        """Return `leaves` nested as the result is."""
        return optree.tree_unflatten(self.spec, leaves)


_running: ContextVar[tuple[Any, ...]] = ContextVar("running", default=())
"""The functions whose rules are being run."""


class custom_vjp:  # noqa: N801
    """A function whose derivative is given by a rule, in JAX's manner.

    Parameters
    ----------
    fun : callable
        The function.
    nondiff_argnums : sequence of int
        Positions of arguments that are not differentiated; `bwd` is given them first.

    Examples
    --------
    >>> @custom_vjp
    ... def log1pexp(x):
    ...     return np.log(1.0 + np.exp(x))
    >>> def fwd(x):
    ...     return log1pexp(x), x
    >>> def bwd(x, g):
    ...     return (g / (1.0 + np.exp(-x)),)
    >>> log1pexp.defvjp(fwd, bwd)
    >>> x = Variable(0.0)
    >>> with GradientTape() as tape:
    ...     y = log1pexp(x)
    >>> float(tape.gradient(y, x))
    0.5
    """

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.name: str = getattr(fun, "__name__", "custom_vjp")
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the rule.

        Parameters
        ----------
        fwd : callable
            ``fwd(*args)`` returns the result, and residuals of any kind.
        bwd : callable
            ``bwd(residuals, g)`` returns a tuple: a cotangent, or None, for each argument.
        """
        self.fwd, self.bwd = fwd, bwd

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        if self.fwd is None or self.bwd is None:
            raise ArgumentError(f"{self.name} has no rule yet", where=describe(caller()), hint=f"{self.name}.defvjp(fwd, bwd)")
        call = _Call(_positional(self.fun, args, kwargs))
        args = call.with_operands(call.handles)
        if not call.handles or not (call.traced or is_followed(call.handles)):
            return self.fun(*args)
        nested = self in _running.get()
        if not call.traced:
            return self._linked(call, args, nested)
        shape: list[_Result] = []

        def primal(xs: list[Any]) -> Sequence[Any]:
            shape.append(_Result(self.fun(*call.with_operands(xs))))
            return shape[0].leaves

        def rule(xs: list[Any], gs: list[Any]) -> Sequence[Any]:
            inner = call.with_operands(xs)
            with self._running():
                residuals = self._forward(inner)[1]
                return call.of_operands(self._pulled(call.spec, inner, residuals, shape[0].nested(gs)))

        outs = link_traced(self.name, call.operands(), primal, rule, later=nested)
        return shape[0].nested(outs)

    def _linked(self, call: _Call, args: tuple[Any, ...], nested: bool) -> Any:
        """Compute the result, linked to the arguments by the rule."""
        if nested:
            # Called by its own rule: what the rule saves is found if a derivative of the rule is asked for.
            with recording(()):
                y = self.fun(*args)
        else:
            with self._running():
                y, saved = self._forward(args)
        result = _Result(y)

        def pull(gs: list[Any]) -> list[Any]:
            with self._running():
                residuals = self._forward(args)[1] if nested else saved
                return call.of_operands(self._pulled(call.spec, args, residuals, result.nested(gs)))

        return result.nested(link(self.name, call.handles, result.leaves, pull))

    @contextmanager
    def _running(self) -> Iterator[None]:
        token = _running.set((*_running.get(), self))
        try:
            yield
        finally:
            _running.reset(token)

    def _forward(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        assert self.fwd is not None
        found = self.fwd(*args)
        if not isinstance(found, tuple) or len(found) != 2:
            raise ArgumentTypeError(f"{self.name}: its fwd has to return (result, residuals); it returned {_described(found)}")
        return found

    def _pulled(self, spec: Any, args: Sequence[Any], residuals: Any, g: Any) -> list[Any]:
        """Return a cotangent or None for each leaf of the arguments."""
        assert self.bwd is not None
        nondiff = [args[k] for k in self.nondiff_argnums]
        found = self.bwd(*nondiff, residuals, g)
        differentiable = [k for k in range(len(args)) if k not in self.nondiff_argnums]
        if not isinstance(found, tuple | list) or len(found) != len(differentiable):
            raise ArgumentTypeError(
                f"{self.name}: its bwd has to return a tuple of {len(differentiable)}, one cotangent for each argument; "
                f"it returned {_described(found)}"
            )
        by_argument = dict(zip(differentiable, found, strict=True))
        leaves: list[Any] = []
        for k, child in enumerate(spec.children()):
            given = by_argument.get(k)
            leaves += [None] * child.num_leaves if given is None else child.flatten_up_to(given)
        return leaves


class custom_jvp:  # noqa: N801
    """A function whose derivative is given by a rule for tangents, in JAX's manner.

    Parameters
    ----------
    fun : callable
        The function.
    nondiff_argnums : sequence of int
        Positions of arguments that are not differentiated; the rule is given them first.

    Examples
    --------
    >>> @custom_jvp
    ... def double(x):
    ...     return x + x
    >>> @double.defjvp
    ... def double_jvp(primals, tangents):
    ...     return double(primals[0]), 2.0 * tangents[0]
    >>> x = Variable(3.0)
    >>> with GradientTape() as tape:
    ...     y = double(x)
    >>> float(tape.gradient(y, x))
    2.0
    """

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.name: str = getattr(fun, "__name__", "custom_jvp")
        self.rule: Callable[..., Any] | None = None
        self._vjp = custom_vjp(fun, nondiff_argnums)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule ``rule(primals, tangents)``, which returns the result and its tangent, linear in the tangents."""
        self.rule = rule
        self._vjp.defvjp(self._forward, self._backward)
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Set a rule for each argument: ``rule(tangent, result, *primals)`` is its share of the tangent; None for zero."""

        def together(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
            y = self(*primals)
            shares = [r(t, y, *primals) for r, t in zip(rules, tangents, strict=True) if r is not None]
            return y, functools.reduce(lambda a, b: a + b, shares)

        self.defjvp(together)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        if self.rule is None:
            raise ArgumentError(f"{self.name} has no rule yet", where=describe(caller()), hint=f"{self.name}.defjvp(rule)")
        return self._vjp(*args, **kwargs)

    def _forward(self, *args: Any) -> tuple[Any, Any]:
        return self.fun(*args), args

    def _backward(self, *args: Any) -> tuple[Any, ...]:
        """Transpose the rule: it is linear in the tangents, so the tape gives its pullback."""
        nondiff, (primals, g) = args[:-2], args[-2:]
        assert self.rule is not None
        primals = tuple(x for k, x in enumerate(primals) if k not in self.nondiff_argnums)
        with GradientTape(watch_accessed_variables=False) as tape:
            tangents = optree.tree_map(_unit_tangent, primals, none_is_leaf=True, namespace=NAMESPACE)
            moving = [t for t in _Result(tangents).leaves if t is not None]
            tape.watch(moving)
            result = self.rule(*nondiff, primals, tangents)
            tangent = _Result(result[1])
        weights = _Result(g).leaves
        pairs = [(t, w) for t, w in zip(tangent.leaves, weights, strict=True) if isinstance(t, Handle)]
        found = tape.gradient([t for t, _ in pairs], moving, output_gradients=[w for _, w in pairs])
        remaining = iter(found)
        return tuple(
            optree.tree_map(lambda t: None if t is None else next(remaining), tangents, none_is_leaf=True, namespace=NAMESPACE)
        )


def _unit_tangent(x: Any) -> Any:
    if isinstance(x, Tracer):
        return filled(x, 1.0) if x.dtype.kind == "f" else None
    if isinstance(x, EagerHandle):
        return convert(np.ones(x.shape, x.dtype)) if x.dtype.kind == "f" else None
    return np.zeros_like(x) if isinstance(x, float | np.floating | np.ndarray) else None


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` with the gradient that it says it has, in TensorFlow's manner.

    Parameters
    ----------
    f : callable
        ``f(*args)`` returns its result and a function: ``grad(*dys)`` takes the gradient by each result and returns that
        by each argument (or the only one). If `f` reads Variables, ``grad`` has to take ``variables=`` and return a second
        list, of the gradients by those.

    Examples
    --------
    >>> @custom_gradient
    ... def log1pexp(x):
    ...     e = np.exp(x)
    ...     return np.log(1.0 + e), lambda dy: dy * (1.0 - 1.0 / (1.0 + e))
    >>> x = Variable(100.0)
    >>> with GradientTape() as tape:
    ...     y = log1pexp(x)
    >>> float(tape.gradient(y, x))
    1.0
    """
    name: str = getattr(f, "__name__", "custom_gradient")

    @functools.wraps(f)
    def call_f(*args: Any, **kwargs: Any) -> Any:
        call = _Call(args)
        if call.traced:
            return traced(call, kwargs)
        watcher = Recorder(takes_variables=True)
        with started(watcher):
            y, grad = f(*call.with_operands(call.handles), **kwargs)
        variables = in_order(watcher.variables)
        takes_variables = "variables" in inspect.signature(grad).parameters
        if variables and not takes_variables:
            raise ArgumentTypeError(
                f"@custom_gradient grad_fn must accept keyword argument 'variables', since function uses variables: {variables}",
                where=describe(caller()),
            )
        result = _Result(y)
        operands = [*call.handles, *variables]
        if not is_followed(operands):
            return y

        def pull(gs: list[Any]) -> list[Any]:
            if not variables:
                return call.of_operands(_gradients(grad(*gs), len(call.leaves)))
            found, of_variables = grad(*gs, variables=variables)
            if len(of_variables) != len(variables):
                raise ArgumentError("Must return gradient for each variable from @custom_gradient grad_fn.")
            return [*call.of_operands(_gradients(found, len(call.leaves))), *of_variables]

        return result.nested(link(name, operands, result.leaves, pull))

    def traced(call: _Call, kwargs: dict[str, Any]) -> Any:
        shape: list[_Result] = []

        def primal(xs: list[Any]) -> Sequence[Any]:
            shape.append(_Result(f(*call.with_operands(xs), **kwargs)[0]))
            return shape[0].leaves

        def rule(xs: list[Any], gs: list[Any]) -> Sequence[Any]:
            found = f(*call.with_operands(xs), **kwargs)[1](*gs)
            return call.of_operands(_gradients(found, len(call.leaves)))

        outs = link_traced(name, call.operands(), primal, rule)
        return shape[0].nested(outs)

    return call_f


def _gradients(found: Any, count: int) -> list[Any]:
    leaves = list(found) if isinstance(found, list | tuple) else [found]
    if len(leaves) != count:
        raise ArgumentError(f"custom_gradient function expected to return {count} gradients, but returned {len(leaves)} instead.")
    return leaves


def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` computed anew when its gradient is taken, so that tapes need not keep its intermediate values.

    Examples
    --------
    >>> x = Variable(2.0)
    >>> with GradientTape() as tape:
    ...     y = recompute_grad(lambda x: x * x * x)(x)
    >>> float(tape.gradient(y, x))
    12.0
    """

    @functools.wraps(f)
    def call_f(*args: Any, **kwargs: Any) -> Any:
        call = _Call(args)
        if call.traced:
            return f(*args, **kwargs)
        watcher = Recorder(takes_variables=True)
        with recording([watcher]):
            result = _Result(f(*call.with_operands(call.handles), **kwargs))
        variables = in_order(watcher.variables)
        for v in variables:
            v.read()
        operands = [*call.handles, *variables]

        def pull(gs: list[Any]) -> list[Any]:
            again = Recorder(takes_variables=True)
            inputs = list(map(fresh, call.handles))
            for x in inputs:
                again.watch(x)
            outer = list(active())
            with started(again):
                outs = [convert(out) for out in _Result(f(*call.with_operands(inputs), **kwargs)).leaves]
            return list(backward(again, outs, gs, [*inputs, *variables], outer))

        return result.nested(link(getattr(f, "__name__", "recompute"), operands, result.leaves, pull))

    return call_f


def grad_pass_through(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` with the gradient of the identity: the straight-through estimator.

    Examples
    --------
    >>> x = Variable(2.6)
    >>> with GradientTape() as tape:
    ...     y = grad_pass_through(np.floor)(x)
    >>> float(y), float(tape.gradient(y, x))
    (2.0, 1.0)
    """

    @custom_gradient
    def passing(*args: Any, **kwargs: Any) -> Any:
        def grad(*gs: Any, variables: Sequence[Variable] | None = None) -> Any:
            return (gs, [None] * len(variables)) if variables else gs

        return f(*args, **kwargs), grad

    return functools.wraps(f)(passing)


def _positional(fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    if not kwargs:
        return tuple(args)
    bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise ArgumentError(f"keyword-only arguments cannot be given to a function with a custom rule: {', '.join(bound.kwargs)}")
    return tuple(bound.args)


def _described(found: Any) -> str:
    return f"{len(found)} of them" if isinstance(found, tuple | list) else f"a {type(found).__name__}"
