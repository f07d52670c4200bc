"""Types of values: a dtype, a shape, and whether the dtype gives way as a Python scalar's does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from jitdiff.errors import ShapeError
from jitdiff.ir.dims import Dim, product

Shape = tuple[int | Dim, ...]

_SHORT = {"b": "bool", "i": "i", "u": "u", "f": "f", "c": "c"}


@dataclass(frozen=True, slots=True)
class ArrayType:
    """Type of an IR value.

    Parameters
    ----------
    dtype : numpy.dtype
        A boolean, integer or floating dtype.
    shape : tuple of int or Dim
        Sizes; ``()`` for a scalar.
    weak : bool
        True for Python scalars, whose dtype gives way to an array's (NEP 50).

    Examples
    --------
    >>> ArrayType(np.dtype(float), (3, 2))
    f64[3,2]
    """

    dtype: np.dtype[Any]
    shape: Shape = ()
    weak: bool = False

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int | Dim:
        """Number of elements."""
        return product(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether values of this type can carry a derivative."""
        return self.dtype.kind == "f"

    def with_shape(self, shape: Shape) -> ArrayType:
        """Return the same dtype with another shape."""
        return ArrayType(self.dtype, tuple(shape), self.weak and not shape)

    def with_dtype(self, dtype: npt.DTypeLike) -> ArrayType:
        """Return the same shape with another dtype, no longer weak."""
        return ArrayType(np.dtype(dtype), self.shape)

    def __repr__(self) -> str:
        return f"{dtype_name(self.dtype)}[{','.join(map(str, self.shape)).replace(' ', '')}]"


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return the short name of a dtype: f64, i32, bool."""
    return "bool" if dtype.kind == "b" else f"{_SHORT.get(dtype.kind, dtype.kind)}{8 * dtype.itemsize}"


@lru_cache(maxsize=4096)
def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that `shapes` broadcast to, symbolic sizes being equal only to themselves and to 1.

    Raises
    ------
    ShapeError
        If two sizes differ and neither is 1.
    """
    ndim = max(map(len, shapes), default=0)
    result: list[int | Dim] = []
    for axis in range(-ndim, 0):
        size: int | Dim = 1
        for shape in shapes:
            if len(shape) < -axis or shape[axis] == 1:
                continue
            if size not in (1, shape[axis]):
                raise ShapeError(f"shapes {', '.join(map(_show, shapes))} do not broadcast: {size} != {shape[axis]}")
            size = shape[axis]
        result.append(size)
    return tuple(result)


def _show(shape: Shape) -> str:
    return f"[{','.join(map(str, shape))}]"


def type_of(x: Any) -> ArrayType:
    """Return the type of a NumPy array, a NumPy or Python scalar, or of anything with a ``type`` of its own."""
    own = getattr(x, "type", None)
    if isinstance(own, ArrayType):
        return own
    if isinstance(x, Dim):
        return ArrayType(np.dtype(np.int64), (), weak=True)
    if isinstance(x, bool | int | float | complex) and not isinstance(x, np.generic):
        return ArrayType(np.asarray(x).dtype, (), weak=not isinstance(x, bool))
    array = np.asarray(x)
    return ArrayType(array.dtype, array.shape)
