"""Functions that the gradient computes anew, so that nothing inside them is kept for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from jitdiff.eager.backward import backward
from jitdiff.eager.calls import Call, Result
from jitdiff.eager.convert import convert
from jitdiff.eager.linked import is_followed, link
from jitdiff.eager.recorder import Recorder, Step, active, recording, started
from jitdiff.eager.tensor import fresh
from jitdiff.eager.variable import in_order
from jitdiff.ir.builder import current_builder
from jitdiff.ops.segments import once
from jitdiff.ops.user import in_traces


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f`, of which a gradient keeps nothing but what goes in: it computes the rest anew.

    So memory is paid for with time: the gradient runs `f` once more. Tapes and compiled functions both do so. A chain
    of functions, each checkpointed, keeps the values between them and the inside of one at a time. Loops have
    `checkpoint=` for the same.

    Parameters
    ----------
    f : callable
        Any function of arrays; it may read Variables and Tensors from around.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> block = jd.checkpoint(lambda x: np.sin(np.exp(np.cos(x))))
    >>> f = jd.compile(lambda x: np.sum(block(block(x))))
    >>> bool(np.allclose(f.grad(np.ones(3)), jd.grad(f.__wrapped__)(np.ones(3))))
    True
    """
    return recompute_grad(f)


def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` computed anew when its gradient is taken: TensorFlow's name of `checkpoint`.

    Examples
    --------
    >>> from jitdiff import GradientTape, Variable
    >>> x = Variable(2.0)
    >>> with GradientTape() as tape:
    ...     y = recompute_grad(lambda x: x * x * x)(x)
    >>> float(tape.gradient(y, x))
    12.0
    """
    f = in_traces(f)

    @functools.wraps(f)
    def call_f(*args: Any, **kwargs: Any) -> Any:
        if current_builder() is not None:
            return _traced(lambda: f(*args, **kwargs))
        call = Call(args)
        watcher = _Reads()
        with recording([watcher]):
            y = f(*call.with_operands(call.handles), **kwargs)
        variables = in_order(watcher.variables)
        for v in variables:
            v.read()
        apart = {*watcher.variables, *call.handles}
        around = [*variables, *(x for x in watcher.read if x not in apart)]
        operands = [*call.handles, *around]
        if not is_followed(operands):
            return y
        result = Result(y)

        def pull(gs: list[Any]) -> list[Any]:
            again = Recorder(takes_variables=True)
            inputs = list(map(fresh, call.handles))
            for x in (*inputs, *around):
                again.watch(x)
            outer = list(active())
            with started(again):
                outs = [convert(out) for out in Result(f(*call.with_operands(inputs), **kwargs)).leaves]
            return list(backward(again, outs, gs, [*inputs, *around], outer))

        return result.nested(link(getattr(f, "__name__", "recompute"), operands, result.leaves, pull))

    return call_f


class _Reads(Recorder):
    """Takes note of the values that the recorders around know and that are read, and keeps nothing else.

    Attributes
    ----------
    read : dict
        Those values, in order.
    """

    __slots__ = ("read",)
    pushes = True

    def __init__(self) -> None:
        super().__init__(takes_variables=True)
        self.read: dict[Any, None] = {}
        self.known = set().union(*(r.known for r in active()))

    def record(self, step: Step, outs: Sequence[Any]) -> None:
        """Note which operands are known."""
        self.read.update(dict.fromkeys(x for x in step.args if x in self.known))


def _traced(run: Callable[[], Any]) -> Any:
    results: list[Result] = []

    def leaves() -> Sequence[Any]:
        results[:] = [Result(run())]
        return results[0].leaves

    outs = once(leaves)
    return results[0].nested(outs)
