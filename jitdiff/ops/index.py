"""Indexing as NumPy does it: integers, slices, new axes, integer arrays and masks; reading and functional updates."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, JitdiffError, ShapeError
from jitdiff.ir import NeedsConcreteSize, broadcast_shapes, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops.axes import along, normalized_axis, operand, shape_of
from jitdiff.ops.elementwise import add, astype, where
from jitdiff.ops.extrema import maximum, minimum
from jitdiff.ops.gather import gather, index_add_, index_set_, selected_shape
from jitdiff.ops.key import Key, innermost, understand
from jitdiff.ops.positions import is_range, ix_, positions
from jitdiff.ops.samples import Domain, array, sample
from jitdiff.ops.shape import broadcast, moveaxis, ravel, reshaped
from jitdiff.ops.slices import ranged
from jitdiff.ops.table import Handle, implements, unsupported


def getitem(x: Any, key: Any) -> Any:
    """Return ``x[key]``.

    Parameters
    ----------
    x : array
        An array or a handle.
    key : index
        Integers, slices, ``...``, ``None``, integer arrays and masks, as NumPy takes them. Integers and integer arrays
        may be traced, and a mask without axes; masks with axes may not, since the result would have a size known only
        at run time.

    Returns
    -------
    array
        The elements selected.

    Raises
    ------
    BoundsError
        If a position lies outside its axis.
    TracingError
        If a mask with axes is traced.

    Examples
    --------
    >>> getitem(np.arange(12.0).reshape(3, 4), (slice(1, None), [0, -1]))
    array([[ 4.,  7.],
           [ 8., 11.]])
    """
    if (flag := _truth_value(key)) is not None:
        return _kept(x, flag)
    k = _understood(x, key)
    if not k.indices:
        return reshaped(ranged(x, k.selection), k.shape)  # type: ignore[arg-type]
    y = gather(x, *k.indices, selection=k.selection)
    y = _moved(reshaped(y, k.layout(k.source)), k, k.source, k.destination)
    return reshaped(y, k.shape)


def _truth_value(key: Any) -> Any:
    """Return the mask without axes that a key is, None if it is something else."""
    if isinstance(key, tuple) and len(key) == 1:
        (key,) = key
    key = innermost(key)
    is_value = isinstance(key, bool | np.bool_) or (isinstance(key, np.ndarray | Handle) and shape_of(key) == ())
    return key if is_value and type_of(key).dtype.kind == "b" else None


def _kept(x: Any, flag: Any) -> Any:
    """Return an array with `x` for its only row if a mask without axes says so, else of no rows."""
    if isinstance(flag, Handle):
        from jitdiff.ops.control import fori

        return fori(astype(flag, dtype=np.dtype(np.int64)), lambda _: [x], [])[1][0]
    rows = reshaped(x, (1, *shape_of(x)))
    return rows if flag else ranged(rows, ((0, 1, 0), *((0, 1, n) for n in shape_of(x))))


def index_update(x: Any, key: Any, value: Any) -> Any:
    """Return a copy of `x` with ``x[key] = value``.

    Examples
    --------
    >>> index_update(np.zeros(4), slice(1, 3), 5.0)
    array([0., 5., 5., 0.])
    """
    value = operand(value)
    if _is_traced_mask(key, x, value):
        return where(key, astype(value, dtype=type_of(x).dtype), x)
    if (flag := _truth_value(key)) is not None:
        return where(flag, index_update(x, ..., value), x)
    k = _understood(x, key)
    distinct = k.distinct or any(is_range(i) and shape_of(i) == k.index_shape for i in k.indices)
    return index_set_(x, _laid_out(value, k), *k.indices, selection=k.selection, distinct=distinct)


def index_add(x: Any, key: Any, value: Any) -> Any:
    """Return a copy of `x` with `value` added at `key`, as often as a position is selected.

    Examples
    --------
    >>> index_add(np.zeros(3), [0, 2, 2], 1.0)
    array([1., 0., 2.])
    """
    value = operand(value)
    if _is_traced_mask(key, x, value):
        return where(key, add(x, astype(value, dtype=type_of(x).dtype)), x)
    if (flag := _truth_value(key)) is not None:
        return where(flag, index_add(x, ..., value), x)
    k = _understood(x, key)
    return index_add_(x, _laid_out(value, k), *k.indices, selection=k.selection)


def _understood(x: Any, key: Any) -> Key:
    try:
        return understand(key, type_of(x))
    except JitdiffError as error:
        if error.where is not None or isinstance(error, NeedsConcreteSize):
            raise
        raise type(error)(error.what, where=describe(caller()), hint=error.hint) from None


def _moved(y: Any, key: Key, source: int, destination: int) -> Any:
    """Return `y` with the axes of the index operands moved from one place among the others to another."""
    if source == destination:
        return y
    width = range(len(key.index_shape))
    return moveaxis(y, [source + k for k in width], [destination + k for k in width])


def _laid_out(value: Any, key: Key) -> Any:
    """Return `value`, broadcast to the shape that `key` selects, in the axes of its selection."""
    sizes = shape_of(value)
    if sizes == ():
        return value
    while len(sizes) > len(key.shape) and sizes[0] == 1:
        sizes = sizes[1:]
    try:
        fits = broadcast_shapes(sizes, key.shape) == key.shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"a value of shape {list(sizes)} does not fit where {list(key.shape)} elements are selected",
            where=describe(caller()),
        )
    v = broadcast(reshaped(value, sizes), key.shape)
    v = _moved(reshaped(v, key.layout(key.destination)), key, key.destination, key.source)
    return reshaped(v, selected_shape(key.selection, key.index_shape))


def _is_traced_mask(key: Any, x: Any, value: Any) -> bool:
    """Whether `key` is a mask over all of `x` that has no numbers yet; one value can still be written there."""
    key = innermost(key)
    if not isinstance(key, Handle) or type_of(value).shape:
        return False
    return type_of(key).dtype.kind == "b" and shape_of(key) == shape_of(x)


_INDICES = array(2, 2, domain=Domain(-3, 3, integers=True))


@implements(
    np.take,
    samples=[sample(array(3, 4), 1, axis=0), sample(array(2, 3), _INDICES, axis=-1), sample(array(3, 2), _INDICES)],
)
def take(a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    """Return the elements of `a` at positions along an axis, or in its flat order."""
    if out is not None:
        raise unsupported("take", "the argument out= has no rule")
    axis = along(axis, len(shape_of(a)))
    if axis is None:
        a, axis = ravel(a), 0
    k = normalized_axis(axis, len(shape_of(a)))
    if mode == "clip":
        indices = minimum(maximum(operand(indices), 0), shape_of(a)[k] - 1)
    elif mode == "wrap":
        indices = operand(indices) % shape_of(a)[k]
    elif mode != "raise":
        raise ArgumentError(f"take: mode must be 'raise', 'wrap' or 'clip', not {mode!r}")
    return getitem(a, (slice(None),) * k + (indices,))


@implements(
    np.take_along_axis,
    samples=[
        sample(array(3, 4), array(3, 2, domain=Domain(0, 4, integers=True)), axis=1),
        sample(array(3, 4), array(1, 4, domain=Domain(-3, 3, integers=True)), axis=0),
        sample(array(2, 3), array(5, domain=Domain(0, 6, integers=True)), axis=None),
    ],
)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return elements of `arr`, each at its own position along an axis."""
    if axis is None:
        arr, axis = ravel(arr), 0
    return getitem(arr, _along_axis("take_along_axis", arr, indices, axis))


def _along_axis(function: str, arr: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """Return the index that takes each of `indices` along an axis, and along the others every position in its turn."""
    sizes = shape_of(arr)
    if len(shape_of(indices)) != len(sizes):
        raise ShapeError(f"{function}: {type_of(indices)} and {type_of(arr)} differ in their number of axes")
    k = normalized_axis(axis, len(sizes))
    mesh = ix_(*map(positions, sizes))
    return (*mesh[:k], indices, *mesh[k + 1 :])


@implements(np.put_along_axis, changes=True)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """Set elements of `arr` in place, each at its own position along an axis."""
    if not isinstance(arr, Handle):
        raise unsupported("put_along_axis", "a NumPy array is changed in place with values under differentiation")
    if axis is None:
        arr[...] = reshaped(index_update(ravel(arr), indices, values), shape_of(arr))  # type: ignore[index]
    else:
        arr[_along_axis("put_along_axis", arr, indices, axis)] = values  # type: ignore[index]
