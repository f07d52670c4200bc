"""Functions with a gradient of the user's, in TensorFlow's manner."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from jitdiff.eager.callbacks import traced_or_called
from jitdiff.eager.calls import Call, Result
from jitdiff.eager.linked import block_of, is_followed, link, link_traced
from jitdiff.eager.recorder import Recorder, is_recording, started
from jitdiff.eager.ruled import run_with_rule
from jitdiff.eager.variable import Variable, in_order
from jitdiff.errors import ArgumentError, ArgumentTypeError
from jitdiff.ir.location import caller, describe
from jitdiff.ops.derived import Decorated
from jitdiff.ops.tracer import builder_now
from jitdiff.ops.user import in_conversion


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` with the gradient that it says it has, in TensorFlow's manner.

    Parameters
    ----------
    f : callable
        ``f(*args)`` returns its result and a function: ``grad(*dys)`` takes the gradient by each result and returns
        that by each argument (or the only one). If `f` reads Variables, ``grad`` has to take ``variables=`` and return
        a second list, of the gradients by those.

    Examples
    --------
    >>> import numpy as np
    >>> from jitdiff import GradientTape, Variable
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
    run = in_conversion(f)

    def call_f(*args: Any, **kwargs: Any) -> Any:
        call = Call(args)
        if call.traced:
            return traced(call, kwargs)
        if not is_recording() and not call.handles:
            return result_and_rule(args, kwargs)[0]
        found, variables = run_with_rule(name, lambda *given: result_and_rule(given, kwargs), call.kept(), True)
        y, grad = found
        check_takes(grad, variables)
        result = Result(y)
        operands = [*call.handles, *variables]
        if not is_followed(operands):
            return y

        def pull(gs: list[Any]) -> list[Any]:
            return pulled(call, grad, gs, variables)

        return result.nested(link(name, operands, result.leaves, pull))

    def traced(call: Call, kwargs: dict[str, Any]) -> Any:
        operands = call.operands()
        watcher = Recorder(takes_variables=True)
        watcher.trace = builder_now().root
        shape: list[Result] = []
        grads: list[Any] = []

        def result(*args: Any) -> Any:
            y, grad = result_and_rule(args, kwargs)
            grads[:] = [grad]
            return y

        def primal(xs: list[Any]) -> Sequence[Any]:
            shape[:] = [Result(traced_or_called(name, result, call.with_operands(xs[: len(operands)])))]
            return shape[0].leaves

        with started(watcher):
            block_of(name, operands, primal)
        variables = in_order(watcher.variables)
        check_takes(grads[0], variables)

        def gradients(args: Sequence[Any], gs: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(pulled(call, result_and_rule(args, kwargs)[1], gs, variables))

        def rule(xs: list[Any], gs: list[Any]) -> Sequence[Any]:
            args = call.with_operands(xs[: len(operands)])
            return list(traced_or_called(f"{name} (its rule)", gradients, (args,), (gs,)))

        outs = link_traced(name, [*operands, *(v.read() for v in variables)], primal, rule)
        return shape[0].nested(outs)

    def result_and_rule(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Callable[..., Any]]:
        found = run(*args, **kwargs)
        if not isinstance(found, tuple) or len(found) != 2 or not callable(found[1]):
            raise ArgumentTypeError(
                f"custom_gradient: {name} has to return its result and a function that gives the gradients",
                where=describe(caller()),
            )
        return found

    return Decorated(call_f, f, custom_gradient)


def check_takes(grad: Callable[..., Any], variables: Sequence[Variable]) -> None:
    """Raise unless a rule takes the Variables that its function reads."""
    if variables and "variables" not in inspect.signature(grad).parameters:
        raise ArgumentTypeError(
            "@custom_gradient grad_fn must accept keyword argument 'variables', "
            f"since function uses variables: {variables}",
            where=describe(caller()),
        )


def pulled(call: Call, grad: Callable[..., Any], gs: Sequence[Any], variables: Sequence[Variable]) -> list[Any]:
    """Return what a rule gives for the operands of a call, and for the Variables."""
    if not variables:
        return call.of_operands(_gradients(grad(*gs), len(call.leaves)))
    found, of_variables = grad(*gs, variables=variables)
    if len(of_variables) != len(variables):
        raise ArgumentError("Must return gradient for each variable from @custom_gradient grad_fn.")
    return [*call.of_operands(_gradients(found, len(call.leaves))), *of_variables]


def _gradients(found: Any, count: int) -> list[Any]:
    leaves = list(found) if isinstance(found, list | tuple) else [found]
    if len(leaves) != count:
        raise ArgumentError(
            f"custom_gradient function expected to return {count} gradients, but returned {len(leaves)} instead."
        )
    return leaves


def grad_pass_through(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` with the gradient of the identity: the straight-through estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from jitdiff import GradientTape, Variable
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

    return Decorated(passing, f, grad_pass_through)
