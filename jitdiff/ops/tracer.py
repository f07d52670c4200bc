"""Tracers: handles on IR values. Operating on one appends to the program being built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from jitdiff.errors import ArgumentTypeError, TracingError
from jitdiff.ir import ArrayType, Atom, Const, Dim, Value
from jitdiff.ir.builder import Builder, current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops.methods import ArrayMethods
from jitdiff.ops.table import OPS, Handle, Op


class Tracer(ArrayMethods):
    """Stands for an array inside a trace: it has a shape and a dtype, and no numbers."""

    __slots__ = ("atom",)
    rank: ClassVar[int] = 1

    def __init__(self, atom: Atom) -> None:
        self.atom = atom

    @property
    def type(self) -> ArrayType:
        """IR type."""
        return self.atom.type

    def bind(self, op: Op, xs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Append `op` to the block being built."""
        outs = append(op, [lift(x) for x in xs], attrs)
        return tuple(map(Tracer, outs)) if op.multiple else Tracer(outs[0])

    def __mul__(self, other: Any) -> Any:
        return NotImplemented if self._repeats(other) else super().__mul__(other)

    def __rmul__(self, other: Any) -> Any:
        return NotImplemented if self._repeats(other) else super().__rmul__(other)

    def _repeats(self, other: Any) -> bool:
        """Say whether ``other * self`` repeats a sequence, as Python does, rather than multiplying an array."""
        return isinstance(other, list | tuple | str) and self.shape == () and self.dtype.kind in "iu"

    def _refuse(self, what: str, hint: str) -> NoReturn:
        if (builder := current_builder()) is not None:
            builder.root.refused = self.atom
        raise TracingError(
            f"{what} needs the numbers of a traced {self.type}, which has none until the compiled function runs",
            where=describe(caller()),
            hint=hint,
        )

    def __bool__(self) -> bool:
        self._refuse(
            "a truth value (if, while, and, or, not)",
            "use np.where or jitdiff.cond for a choice, jitdiff.while_loop for a loop, or the tape",
        )

    def __float__(self) -> float:
        self._refuse("float()", "leave it an array: NumPy functions and operators take it as it is")

    def __int__(self) -> int:
        self._refuse("int()", "use .astype(int), or pass it as a static argument")

    __complex__ = __float__

    def __index__(self) -> int:
        self._refuse("an index or a range()", "use jitdiff.fori_loop, or declare the argument in static_argnames")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self._refuse(
            "np.array(), or assignment into a NumPy array, or its element at a traced index,",
            "np.stack and np.concatenate put traced values together, and jitdiff.constant(a)[i] reads a NumPy array",
        )

    def __repr__(self) -> str:
        name = getattr(self.atom, "name", "") or (str(self.atom) if isinstance(self.atom, Const) else "")
        return f"<traced {name + ': ' if name else ''}{self.type}>"

    def __format__(self, spec: str) -> str:
        return repr(self)


def builder_now() -> Builder:
    """Return the builder of the running trace.

    Raises
    ------
    TracingError
        If there is none: a traced value was kept after its trace ended.
    """
    builder = current_builder()
    if builder is None:
        raise TracingError(
            "a traced value is used after its trace has ended",
            where=describe(caller()),
            hint="return it from the compiled function instead of storing it in a variable outside",
        )
    return builder


def lift(x: Any) -> Atom:
    """Return the atom for an operand: a tracer's own, a constant for a scalar, a parameter for a captured array."""
    if isinstance(x, Tracer):
        return x.atom
    if isinstance(x, Value | Const):
        return x
    if isinstance(x, bool | int | float | np.generic | Dim):
        return Const.of(x)
    if isinstance(x, Handle):
        # A Tensor or Variable from outside: each run reads it anew.
        return builder_now().capture(x)  # type: ignore[arg-type]
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise ArgumentTypeError(
            f"cannot trace a {type(x).__name__} of dtype {array.dtype}",
            where=describe(caller()),
            hint="arrays of bool, int and float dtypes can be traced",
        )
    return builder_now().capture(array)


def append(op: Op, args: Sequence[Atom], attrs: dict[str, Any]) -> tuple[Value, ...]:
    """Append an op to the current block, converting operands to the dtypes that it works in."""
    builder = builder_now()
    if op.operands is not None:
        wanted = op.operands(*(a.type for a in args), **attrs)
        args = [a if d is None else _converted(builder, a, d) for a, d in zip(args, wanted, strict=True)]
    return builder.apply(op, args, attrs)


def _converted(builder: Builder, atom: Atom, dtype: np.dtype[Any]) -> Atom:
    if atom.type.dtype == dtype:
        return atom
    if isinstance(atom, Const) and not isinstance(atom.value, Dim):
        return Const.of(atom.value, ArrayType(dtype, (), atom.type.weak))
    return builder.apply(OPS["astype"], [atom], {"dtype": dtype})[0]
