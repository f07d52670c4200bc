"""Functions that the gradient computes anew, so that nothing inside them is kept for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from jitdiff.ad import Mask
from jitdiff.eager.backward import backward
from jitdiff.eager.calls import Call, Result
from jitdiff.eager.convert import convert
from jitdiff.eager.linked import is_followed, link
from jitdiff.eager.moments import Moment
from jitdiff.eager.recorder import Changes, active, is_recording, recording, started
from jitdiff.eager.ruled import Reads
from jitdiff.eager.variable import in_order
from jitdiff.errors import TapeError
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops.derived import Decorated
from jitdiff.ops.segments import once
from jitdiff.ops.user import in_conversion


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
    run = in_conversion(f)

    def call_f(*args: Any, **kwargs: Any) -> Any:
        if current_builder() is not None:
            return _traced(lambda: run(*args, **kwargs))
        if not is_recording():
            return run(*args, **kwargs)
        moment, first = Moment(), _First(run, Call((args, kwargs)))
        if not is_followed(first.operands):
            return first.result.nested(first.result.leaves)
        outs = link(first.name, first.operands, first.outs, first.pull, moment, told=True)
        count = len(first.result.leaves)
        for x, new in zip(first.changed.values(), outs[count:], strict=True):
            x._cell.change(new)
        return first.result.nested(outs[:count])

    return Decorated(call_f, f, recompute_grad)


class _First:
    """The first run of a function: what it read and gave, and how to run it again for the gradient.

    Attributes
    ----------
    result : Result
        What it returned.
    operands : list
        What tapes around know of what it read: arguments and what is around the function.
    changed : dict of Tensor
        What it changed in place and lives on, which is a result too, by its number among all that it changed.
    outs : list of Tensor
        What it returned, and what it changed.
    """

    def __init__(self, f: Callable[..., Any], call: Call) -> None:
        self._f = f
        self.name: str = getattr(f, "__name__", "recompute")
        # The caller may change his arrays before the function runs again.
        self._call = call.kept()
        watcher = Reads()
        with recording([watcher]):
            self.result = Result(_run(f, call))
        variables = in_order(watcher.variables)
        for v in variables:
            v.read()
        self.operands = list(dict.fromkeys((*call.handles, *variables, *watcher.read)))
        self.changed = watcher.changes()
        self.outs = [*map(convert, self.result.leaves), *(x.read() for x in self.changed.values())]
        self._values = [x._value for x in self.outs]

    def pull(self, gs: list[Any], masks: Sequence[Mask | None] = ()) -> list[Any]:
        """Run the function again, and pull cotangents of `outs`, of which `masks` count, back to `operands`."""
        again = Changes()
        for x in self.operands:
            again.watch(x)
        outer = list(active())
        with ExitStack() as undoing, started(again):
            for x in self.changed.values():
                undoing.enter_context(x._cell.undone())
            outs: list[Any] = [convert(out) for out in Result(_run(self._f, self._call.kept())).leaves]
            # An array that came to be in the function is another one in this run, and has the same number.
            changed = again.changes()
            outs += [changed[k].read() if k in changed else None for k in self.changed]
        pairs = [(out, g) for out, g in zip(outs, gs, strict=True) if out is not None]
        for out, value in zip(outs, self._values, strict=True):
            if out is not None:
                _check_is_same(self.name, out._value, value)
        count = [mask for out, mask in zip(outs, masks, strict=True) if out is not None] if masks else ()
        return backward(again, [out for out, _ in pairs], [g for _, g in pairs], self.operands, outer, masks=count)


def _run(f: Callable[..., Any], call: Call) -> Any:
    args, kwargs = call.arguments()
    return f(*args, **kwargs)


def _check_is_same(name: str, found: Any, first: Any) -> None:
    """Raise unless a result is what it was in the first run, but for rounding."""
    if found.shape == first.shape:
        near = float(np.sqrt(np.finfo(first.dtype).eps)) if first.dtype.kind == "f" else 0.0
        size = np.max(np.abs(first), initial=0.0, where=np.isfinite(first))
        if np.allclose(found, first, rtol=near, atol=near * size, equal_nan=True):
            return
    raise TapeError(
        f"{name}: the gradient computes it anew, and finds something else than at first: it draws random numbers, or "
        "reads an array that was changed since",
        where=describe(caller()),
        hint="pass what it reads as arguments, random numbers too",
    )


def _traced(run: Callable[[], Any]) -> Any:
    results: list[Result] = []

    def leaves() -> Sequence[Any]:
        results[:] = [Result(run())]
        return results[0].leaves

    outs = once(leaves)
    return results[0].nested(outs)
