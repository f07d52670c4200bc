"""Batches of arrays as one handle: what is computed with it is computed for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from jitdiff.errors import TracingError
from jitdiff.ir import ArrayType
from jitdiff.ir.location import caller, describe
from jitdiff.ops.batching import row_by_row, type_of_row
from jitdiff.ops.methods import ArrayMethods
from jitdiff.ops.table import Op, Vjp


class Batched(ArrayMethods):
    """Stands for each row of an array: it has the shape of one row, and operations apply to all rows at once.

    Rules of derivatives run on it as on an array, so that one walk pulls many cotangents back.

    Parameters
    ----------
    value : array or Tensor
        The rows, along the first axis.

    Examples
    --------
    >>> x = Batched(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> x.shape, np.sum(x * x).value
    ((2,), array([ 5., 25.]))
    """

    __slots__ = ("value",)
    rank: ClassVar[int] = 3

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def type(self) -> ArrayType:
        """IR type of one row."""
        return type_of_row(self.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of one row."""
        return self.value.shape[1:]  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype."""
        return self.value.dtype  # type: ignore[no-any-return]

    def bind(self, op: Op, xs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply `op` to each row of the operands that are batches."""
        batched, values = [], []
        for x in xs:
            is_batch = type(x) is Batched
            batched.append(is_batch)
            values.append(x.value if is_batch else x)
        y = (op.batch or row_by_row)(op, values, batched, attrs)
        return tuple(map(Batched, y)) if op.multiple else Batched(y)

    def _refuse(self) -> NoReturn:
        raise TracingError(
            f"a batch of {len(self.value)} arrays {self.type} has no one number",
            where=describe(caller()),
            hint="a rule of a derivative is written with operations only; np.where chooses element by element",
        )

    def __bool__(self) -> bool:
        self._refuse()

    def __float__(self) -> float:
        self._refuse()

    def __int__(self) -> int:
        self._refuse()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self._refuse()

    def __repr__(self) -> str:
        return f"<batch of {len(self.value)}: {self.type}>"


def by_rows(rule: Vjp) -> Vjp:
    """Return a rule that is given one cotangent of a batch at a time: a user's rule may be any Python code."""

    def vjp(xs: Sequence[Any], y: Any, g: Any, **attrs: Any) -> Sequence[Any]:
        gs = g if isinstance(g, tuple) else (g,)
        sizes = [len(x.value) for x in gs if isinstance(x, Batched)]
        if not sizes:
            return rule(xs, y, g, **attrs)  # type: ignore[no-any-return]
        rows = []
        for i in range(sizes[0]):
            row = tuple(x.value[i] if isinstance(x, Batched) else x for x in gs)
            rows.append(rule(xs, y, row if isinstance(g, tuple) else row[0], **attrs))
        return [_together(column) for column in zip(*rows, strict=True)]

    return vjp


def _together(column: Sequence[Any]) -> Any:
    """Return the rows as a batch, None if there are none."""
    given = [x for x in column if x is not None]
    if given and not hasattr(given[0], "shape"):
        # A cotangent, and which of its elements count: that is the same for every row.
        return given[0]._replace(g=_together([None if x is None else x.g for x in column]))
    return Batched(np.stack([0.0 * given[0] if x is None else x for x in column])) if given else None
