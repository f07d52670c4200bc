"""Arrays like others: plain NumPy arrays where nothing of the other's values goes in."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import Dim, Shape, type_of
from jitdiff.ir.dtypes import supported
from jitdiff.ops.axes import as_shape, operand
from jitdiff.ops.elementwise import add, astype, identity, zeros_like
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import broadcast
from jitdiff.ops.table import Handle, implements, of_sizes
from jitdiff.ops.tracer import Tracer, lift

_SAMPLES = [sample(array(2, 3)), sample(array(2, 3), np.int64), sample(array(2, 3), shape=(4,))]


def _filled(a: Any, value: Any, dtype: Any, shape: Any) -> Any:
    """Return an array of the shape of `a`, or of `shape`, with `value` everywhere."""
    sizes: Shape = type_of(a).shape if shape is None else as_shape(shape)
    kind = type_of(a).dtype if dtype is None else supported(dtype, "the result")
    if isinstance(value, Handle | np.ndarray):
        return broadcast(astype(value, dtype=kind), sizes)
    if shape is not None and any(isinstance(n, Dim) for n in sizes):
        return _of_shape(sizes, value, kind)
    if any(isinstance(n, Dim) for n in sizes):
        # A size that is a symbol is known through the array that has it.
        return broadcast(add(astype(zeros_like(a), dtype=kind), kind.type(value)), sizes)
    return np.full(sizes, value, kind)


@implements(np.zeros_like, samples=_SAMPLES)
def np_zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Return zeros in the shape and dtype of `a`."""
    return _filled(a, 0, dtype, shape)


@implements(np.ones_like, samples=_SAMPLES)
def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Return ones in the shape and dtype of `a`."""
    return _filled(a, 1, dtype, shape)


@implements(np.empty_like, samples=[sample(array(0, 3)), sample(array(2), shape=(0,))])
def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Return an array in the shape and dtype of `prototype`, of zeros."""
    return _filled(prototype, 0, dtype, shape)


@implements(np.full_like, samples=[sample(array(2, 3), 1.5), sample(array(2, 3), array(3)), sample(array(2), 3, int)])
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """Return an array in the shape and dtype of `a` with `fill_value` everywhere."""
    return _filled(a, fill_value, dtype, shape)


def _of_shape(shape: Any, value: Any, dtype: Any) -> Any:
    """Return an array of symbolic sizes with `value` everywhere."""
    kind = type_of(value).dtype if dtype is None else np.dtype(dtype)
    return identity(broadcast(astype(Tracer(lift(value)), dtype=kind), as_shape(shape)))


@of_sizes(np.zeros)
def zeros(shape: Any, dtype: Any = float, order: str = "C", **options: Any) -> Any:
    """Return zeros in a symbolic shape."""
    return _of_shape(shape, 0, float if dtype is None else dtype)


@of_sizes(np.ones)
def ones(shape: Any, dtype: Any = None, order: str = "C", **options: Any) -> Any:
    """Return ones in a symbolic shape."""
    return _of_shape(shape, 1, float if dtype is None else dtype)


@of_sizes(np.empty)
def empty(shape: Any, dtype: Any = float, order: str = "C", **options: Any) -> Any:
    """Return an array of symbolic shape, of zeros: what memory happens to hold would be part of the program."""
    return zeros(shape, dtype)


of_sizes(np.ndarray)(empty)


@of_sizes(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **options: Any) -> Any:
    """Return an array of symbolic shape with `fill_value` everywhere."""
    return _of_shape(shape, operand(fill_value), dtype)


@implements(np.copy, samples=[sample(array(2, 3))])
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """Return a new array with the values of `a`."""
    return identity(a)


@implements(np.real, samples=[sample(array(2, 3))])
def real(val: Any) -> Any:
    """Return the real part, of real numbers themselves."""
    return val


@implements(np.imag, samples=[sample(array(2, 3))])
def imag(val: Any) -> Any:
    """Return the imaginary part, of real numbers zero."""
    return zeros_like(val)


@implements(np.result_type, samples=[sample(array(2, 3), np.float32), sample(array(2), np.arange(3))])
def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the dtype that NumPy's promotion gives."""
    return np.result_type(*(type_of(x).dtype if isinstance(x, Handle) else x for x in arrays_and_dtypes))


@implements(np.iscomplexobj, samples=[sample(array(2))])
def iscomplexobj(x: Any) -> bool:
    """Return whether the dtype is complex."""
    return bool(type_of(x).dtype.kind == "c")
