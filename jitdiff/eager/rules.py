"""Functions with a derivative rule of the user's, in JAX's manner."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from jitdiff.eager.arguments import map_leaves
from jitdiff.eager.callbacks import traced_or_called
from jitdiff.eager.calls import Call, Result, kept_leaf
from jitdiff.eager.convert import convert
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.linked import is_followed, link, link_traced
from jitdiff.eager.recorder import recording
from jitdiff.eager.ruled import run_with_rule
from jitdiff.eager.tape import GradientTape
from jitdiff.eager.traced import filled
from jitdiff.errors import ArgumentError, ArgumentTypeError
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle, Tracer
from jitdiff.ops.pickled import Named
from jitdiff.ops.user import in_conversion

_running: ContextVar[tuple[Any, ...]] = ContextVar("running", default=())
"""The functions whose rules are being run."""


class custom_vjp(Named):  # noqa: N801
    """A function whose derivative is given by a rule, in JAX's manner.

    Parameters
    ----------
    fun : callable
        The function.
    nondiff_argnums : sequence of int
        Positions of arguments that are not differentiated; `bwd` is given them first.

    Examples
    --------
    >>> import numpy as np
    >>> from jitdiff import GradientTape, Variable
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
        self.fun = in_conversion(fun)
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
        self.fwd, self.bwd = in_conversion(fwd), in_conversion(bwd)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        if self.fwd is None or self.bwd is None:
            raise ArgumentError(
                f"{self.name} has no rule yet", where=describe(caller()), hint=f"{self.name}.defvjp(fwd, bwd)"
            )
        call = Call(_positional(self.fun, args, kwargs))
        args = call.arguments()
        if not call.handles or not (call.traced or is_followed(call.handles)):
            return self.fun(*args)
        nested = self in _running.get()
        if not call.traced:
            return self._linked(call, nested)
        shape: list[Result] = []

        def primal(xs: list[Any]) -> Sequence[Any]:
            shape.append(Result(traced_or_called(self.name, self.fun, call.with_operands(xs))))
            return shape[0].leaves

        def rule(xs: list[Any], gs: list[Any]) -> Sequence[Any]:
            inner = call.with_operands(xs)
            with self._running():
                residuals = self._forward(inner)[1]
                return call.of_operands(self._pulled(call.spec, inner, residuals, shape[0].nested(gs)))

        outs = link_traced(self.name, call.operands(), primal, rule, later=nested)
        return shape[0].nested(outs)

    def _linked(self, call: Call, nested: bool) -> Any:
        """Compute the result, linked to the arguments by the rule."""
        call = call.kept()
        args = call.arguments()
        if nested:
            # Called by its own rule: what the rule saves is found if a derivative of the rule is asked for.
            with recording(()):
                y = self.fun(*args)
        else:
            with self._running():
                (y, saved), _ = run_with_rule(self.name, lambda *given: self._forward(given), call)
            saved = map_leaves(kept_leaf, saved)
        result = Result(y)

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
        found = _run(f"{self.name} (its fwd)", self.fwd, args)
        if not isinstance(found, tuple) or len(found) != 2:
            raise ArgumentTypeError(
                f"{self.name}: its fwd has to return (result, residuals); it returned {_described(found)}"
            )
        return found

    def _pulled(self, spec: Any, args: Sequence[Any], residuals: Any, g: Any) -> list[Any]:
        """Return a cotangent or None for each leaf of the arguments."""
        assert self.bwd is not None
        nondiff = [args[k] for k in self.nondiff_argnums]
        found = _run(f"{self.name} (its bwd)", self.bwd, (*nondiff, residuals), (g,))
        differentiable = [k for k in range(len(args)) if k not in self.nondiff_argnums]
        if not isinstance(found, tuple | list) or len(found) != len(differentiable):
            raise ArgumentTypeError(
                f"{self.name}: its bwd has to return a tuple of {len(differentiable)}, one cotangent for each "
                f"argument; it returned {_described(found)}"
            )
        by_argument = dict(zip(differentiable, found, strict=True))
        leaves: list[Any] = []
        for k, child in enumerate(spec.children()):
            given = by_argument.get(k)
            leaves += [None] * child.num_leaves if given is None else child.flatten_up_to(given)
        return leaves


def _run(name: str, function: Callable[..., Any], args: Sequence[Any], linear: Sequence[Any] = ()) -> Any:
    if current_builder() is None:
        return function(*args, *linear)
    return traced_or_called(name, function, args, linear)


class custom_jvp(Named):  # noqa: N801
    """A function whose derivative is given by a rule for tangents, in JAX's manner.

    Parameters
    ----------
    fun : callable
        The function.
    nondiff_argnums : sequence of int
        Positions of arguments that are not differentiated; the rule is given them first.

    Examples
    --------
    >>> from jitdiff import GradientTape, Variable
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
        self.fun = in_conversion(fun)
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.name: str = getattr(fun, "__name__", "custom_jvp")
        self.rule: Callable[..., Any] | None = None
        self._vjp = custom_vjp(fun, nondiff_argnums)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule: ``rule(primals, tangents)`` returns the result and its tangent, linear in the tangents."""
        self.rule = in_conversion(rule)
        self._vjp.defvjp(self._forward, self._backward)
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Set a rule for each argument, or None: ``rule(tangent, result, *primals)`` is its share of the tangent."""

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
            raise ArgumentError(
                f"{self.name} has no rule yet", where=describe(caller()), hint=f"{self.name}.defjvp(rule)"
            )
        return self._vjp(*args, **kwargs)

    def _forward(self, *args: Any) -> tuple[Any, Any]:
        return self.fun(*args), args

    def _backward(self, *args: Any) -> tuple[Any, ...]:
        """Transpose the rule: it is linear in the tangents, so the tape gives its pullback."""
        nondiff, (primals, g) = args[:-2], args[-2:]
        assert self.rule is not None
        primals = tuple(x for k, x in enumerate(primals) if k not in self.nondiff_argnums)
        if not any(isinstance(x, Handle) for x in Result(primals).leaves):
            # Called back by a program, with numbers.
            primals = map_leaves(_moving, primals)
        with GradientTape(watch_accessed_variables=False) as tape:
            tangents = Result(map_leaves(_unit_tangent, primals))
            moving = [t for t in tangents.leaves if t is not None]
            tape.watch(moving)
            tangent = Result(self.rule(*nondiff, primals, tangents.nested(tangents.leaves))[1])
        weights = Result(g).leaves
        pairs = [(t, w) for t, w in zip(tangent.leaves, weights, strict=True) if isinstance(t, Handle)]
        found = tape.gradient([t for t, _ in pairs], moving, output_gradients=[w for _, w in pairs])
        remaining = iter(found)
        cotangents: tuple[Any, ...] = tangents.nested([None if t is None else next(remaining) for t in tangents.leaves])
        return cotangents


def _moving(x: Any) -> Any:
    return convert(x) if isinstance(x, float | np.floating | np.ndarray) and np.asarray(x).dtype.kind == "f" else x


def _unit_tangent(x: Any) -> Any:
    if isinstance(x, Tracer):
        return filled(x, 1.0) if x.dtype.kind == "f" else None
    if isinstance(x, EagerHandle):
        return convert(np.ones(x.shape, x.dtype)) if x.dtype.kind == "f" else None
    return np.zeros_like(x) if isinstance(x, float | np.floating | np.ndarray) else None


def _positional(fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    if not kwargs:
        return tuple(args)
    bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise ArgumentError(
            f"keyword-only arguments cannot be given to a function with a custom rule: {', '.join(bound.kwargs)}"
        )
    return tuple(bound.args)


def _described(found: Any) -> str:
    return f"{len(found)} of them" if isinstance(found, tuple | list) else f"a {type(found).__name__}"
