"""The ``flat`` of an array: its elements in one row, read and assigned by position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jitdiff.ops.methods import ArrayMethods


class Flat:
    """Iterator over the elements of an array in C order, as ``numpy.flatiter``.

    Parameters
    ----------
    base : handle
        The array: what is assigned goes there, and what is read is a copy.
    """

    __slots__ = ("_elements", "base")

    def __init__(self, base: ArrayMethods) -> None:
        self.base = base
        self._elements: Iterator[Any] | None = None

    def copy(self) -> Any:
        """Return the elements in one row."""
        return self.base.flatten()

    def __len__(self) -> int:
        return self.base.size.__index__()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._elements is None:
            self._elements = iter(self.base.ravel())
        return next(self._elements)

    def __getitem__(self, key: Any) -> Any:
        return self.copy()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        row = self.copy()
        row[key] = value
        self.base[...] = row.reshape(self.base.shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*map(unflattened, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(*map(unflattened, args), **{name: unflattened(x) for name, x in kwargs.items()})


def unflattened(x: Any) -> Any:
    """Return the row of elements that a `Flat` stands for in a computation; anything else as it is.

    Lists and tuples may hold one.
    """
    if isinstance(x, Flat):
        return x.copy()
    return [unflattened(part) for part in x] if type(x) in (list, tuple) else x
