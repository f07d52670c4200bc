"""Making Tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jitdiff.config import settings
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.operands import leaves_of
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.errors import ShapeError
from jitdiff.ir.dtypes import supported
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle
from jitdiff.ops.admission import admitted
from jitdiff.ops.methods import as_operand


def constant(value: Any, dtype: npt.DTypeLike | None = None, shape: Sequence[int] | None = None) -> Tensor:
    """Return a Tensor with a copy of these numbers.

    Parameters
    ----------
    value : array_like
        Numbers; Python floats become float64, or what ``jitdiff.config(default_float=...)`` says.
    dtype : dtype, optional
        Dtype of the Tensor.
    shape : sequence of int, optional
        Shape of the Tensor: a single number fills it, otherwise the sizes must agree.

    Examples
    --------
    >>> constant([[1, 2], [3, 4]], dtype=float)
    <jd.Tensor: shape=(2, 2), dtype=float64, numpy=array([[1., 2.],
           [3., 4.]])>
    >>> constant(0.0, shape=(2,))
    <jd.Tensor: shape=(2,), dtype=float64, numpy=array([0., 0.])>
    """
    array = numbers(value, dtype)
    if shape is not None:
        sizes = tuple(shape)
        if array.size != 1 and array.size != int(np.prod(sizes)):
            raise ShapeError(f"constant: {array.size} numbers do not fill the shape {sizes}", where=describe(caller()))
        array = np.broadcast_to(array.reshape(()), sizes).copy() if array.size == 1 else array.reshape(sizes)
    return tensor_of(array)


def convert(value: Any, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return `value` as a Tensor: itself if it is one, connected to the Tensors and Variables in it if there are.

    Examples
    --------
    >>> x = constant(2.0)
    >>> convert(x) is x
    True
    >>> convert([x, 3.0])
    <jd.Tensor: shape=(2,), dtype=float64, numpy=array([2., 3.])>
    """
    if isinstance(value, list | tuple) and any(isinstance(leaf, Handle) for leaf in leaves_of(value)):
        value = as_operand(value)
    if isinstance(value, EagerHandle):
        tensor: Tensor = value.read()
        return tensor if dtype is None or tensor.dtype == np.dtype(dtype) else tensor.astype(np.dtype(dtype))
    return constant(value, dtype)


def numbers(value: Any, dtype: npt.DTypeLike | None = None) -> np.ndarray[Any, Any]:
    """Return a fresh array of the numbers in `value`.

    Raises
    ------
    ArgumentTypeError, DtypeError
        If there is something else in it.
    """
    array = np.array(admitted(value, "the value"), dtype=None if dtype is None else supported(dtype, "the Tensor"))
    wanted = settings().default_float
    if (
        dtype is None
        and array.dtype == np.float64 != wanted
        and all(type(x) in (float, int, bool) for x in leaves_of(value))
    ):
        return array.astype(wanted)
    return array
