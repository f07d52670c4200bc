"""The table as a list of cases: every sample of every op and every NumPy function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitdiff.ops import FUNCTIONS, OPS, NumPyFunction, Op
from jitdiff.ops.emission import Element
from jitdiff.ops.samples import Array, Sample

Leaves = Sequence[Any]


@dataclass(frozen=True, eq=False)
class Case:
    """One sample of an op or a function, as a function of the arrays that it draws."""

    entry: Op | NumPyFunction
    sample: Sample
    number: int

    def __repr__(self) -> str:
        kind = "" if isinstance(self.entry, Op) else "np."
        return f"{kind}{self.entry.name}-{self.number}"

    def draw(self, dtype: Any = np.float64) -> list[Any]:
        """Return the arrays of the sample, the same in every run; scalars for those without dimensions."""
        rng = np.random.default_rng(12)
        found: list[Any] = []
        _rebuilt((self.sample.args, dict(self.sample.kwargs)), lambda a: found.append(a.draw(rng, dtype)[()]))
        return found

    def numpy(self, *leaves: Any) -> tuple[Any, ...]:
        """Return NumPy's results."""
        if isinstance(self.entry, Op):
            call = self.entry.evaluate
        else:
            call, leaves = self.entry.numpy, self._symmetric(leaves)
        with np.errstate(all="ignore"):
            return self._results(call, leaves)

    def _symmetric(self, leaves: Leaves) -> Leaves:
        """Return the leaves, symmetric matrices made so again: functions of such are differentiated among them."""
        kinds: list[str] = []
        _rebuilt((self.sample.args, dict(self.sample.kwargs)), lambda a: kinds.append(a.kind))
        return [(x + np.swapaxes(x, -1, -2)) / 2 if k == "spd" else x for x, k in zip(leaves, kinds, strict=True)]

    def __call__(self, *leaves: Any) -> tuple[Any, ...]:
        """Return the results on handles, reached as user code reaches them."""
        if isinstance(self.entry, Op):
            return self._results(self.entry, leaves)
        # SciPy's functions in Python have no protocol that a handle could answer to.
        dispatches = isinstance(self.entry.numpy, np.ufunc) or hasattr(self.entry.numpy, "_implementation")
        return self._results(self.entry.numpy if dispatches else self.entry.function, leaves)

    def _results(self, call: Callable[..., Any], leaves: Leaves) -> tuple[Any, ...]:
        arrays = iter(leaves)
        args, kwargs = _rebuilt((self.sample.args, dict(self.sample.kwargs)), lambda _: next(arrays))
        y = call(*args, **kwargs)
        return tuple(y) if isinstance(y, list | tuple) else (y,)

    @property
    def differentiable(self) -> bool:
        """Whether anything floating depends on the arrays through a derivative rule."""
        if isinstance(self.entry, Op) and self.entry.vjp is None:
            return False
        leaves = self.draw()
        floats = any(x.dtype.kind == "f" for x in leaves)
        return floats and any(
            isinstance(y, np.ndarray | np.generic) and y.dtype.kind == "f" for y in self.numpy(*leaves)
        )


def _rebuilt(x: Any, leaf: Callable[[Array], Any]) -> Any:
    if isinstance(x, Array):
        return leaf(x)
    if isinstance(x, list | tuple):
        return type(x)(_rebuilt(y, leaf) for y in x)
    if isinstance(x, dict):
        return {k: _rebuilt(v, leaf) for k, v in x.items()}
    return x


def _sampled(entry: Op | NumPyFunction) -> Op | NumPyFunction:
    if not entry.samples:
        raise LookupError(f"{entry.name} has no samples: its entry in the table must say what to test it on")
    return entry


ENTRIES: list[Op | NumPyFunction] = list(
    map(_sampled, [*OPS.values(), *(f for f in FUNCTIONS.values() if not f.changes)])
)
CASES = [Case(entry, sample, k) for entry in ENTRIES for k, sample in enumerate(entry.samples)]
DIFFERENTIABLE = [case for case in CASES if case.differentiable]
POINTWISE = [
    op
    for op in OPS.values()
    if isinstance(op.emission, Element)
    and not op.emission.moves
    and op.operands
    and not any(s.kwargs for s in op.samples)
]
