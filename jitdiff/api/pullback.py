"""The value and the pullback of a program as two native functions: what the adjoint needs is saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jitdiff import ad, codegen, passes
from jitdiff.frontend import native
from jitdiff.ir import ArrayType, Block, Emitted
from jitdiff.native import records
from jitdiff.ops.admission import admitted
from jitdiff.threads import Lock, lazy

if TYPE_CHECKING:
    from jitdiff.native.kernel import Kernel


class Pullback:
    """A traced program split into forward and adjoint; each is emitted and compiled when it is first asked for.

    Parameters
    ----------
    block : Block
        The program as traced.
    arguments : int
        How many of its parameters are arguments; the others stand for captured arrays, Tensors not among them.
    among : sequence of int
        Positions of the arguments to differentiate by, if they are floating.
    cache : bool
        Whether machine code is kept on disk.
    """

    def __init__(self, block: Block, arguments: int, among: Sequence[int], cache: bool) -> None:
        self.types = tuple(r.type for r in block.results)
        self.wrt = tuple(k for k in among if block.params[k].type.is_float)
        self.cache = cache
        self._lock = Lock()
        block = replace(block, nodes=passes.before_adjoint(block.nodes))
        program = passes.optimise(ad.joint(block, self.wrt))
        seeds = program.params[arguments : arguments + sum(t.is_float for t in self.types)]
        self.split = ad.split(program, len(self.types), seeds)

    @lazy
    def forward(self) -> Emitted:
        """The text of the value, which also gives the residuals."""
        block = self.split.forward
        doc = f"{block.name}, and what its adjoint needs."
        return codegen.emit(block, f"{block.name}_forward", doc, pack=records.are_known())

    @lazy
    def adjoint(self) -> Emitted:
        """The text of the cotangents of the arguments, given residuals and the cotangents of the results."""
        block = self.split.adjoint
        return codegen.emit(block, block.name, f"Adjoint of {self.split.forward.name}.", pack=records.are_known())

    @lazy
    def _kernels(self) -> tuple[Kernel, Kernel]:
        from jitdiff.native.kernel import build

        return build(self.forward, cache=self.cache), build(self.adjoint, cache=self.cache)

    def __call__(self, leaves: Sequence[Any]) -> tuple[list[Any], Callable[[Sequence[Any]], list[Any]]]:
        """Return the flat results on native leaves, and the function from their cotangents to those of `wrt`.

        Cotangents are arrays and scalars of exactly the types of the floating results.
        """
        forward, adjoint = self._kernels
        operands = [*leaves, *map(native, self.split.forward.captured)]
        saved = _each(forward.call(*operands), [r.type for r in self.split.forward.results])
        results, residuals = saved[: len(self.types)], saved[len(self.types) :]
        # The adjoint reads what these were, whatever becomes of the caller's arrays until then.
        read = [_kept(operands[k]) for k in self.split.reads]
        kinds = [r.type for r in self.split.adjoint.results]
        return results, lambda cotangents: _each(adjoint.call(*read, *residuals, *cotangents), kinds)


def _kept(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _each(returned: Any, types: Sequence[ArrayType]) -> list[Any]:
    results = returned if len(types) > 1 else (returned,)
    return [r if t.shape else t.dtype.type(r) for r, t in zip(results, types, strict=True)]


def exactly(x: Any, type: ArrayType) -> Any:
    """Return a cotangent as native code takes a value of `type`; None if it is of another shape."""
    array = np.asarray(admitted(x, "vjp: the cotangent"))
    if array.shape != type.shape:
        return None
    return np.ascontiguousarray(array, type.dtype) if type.shape else array.astype(type.dtype)[()]
