"""Arrays of positions along axes: ranges, grids and what is computed of them; symbolic sizes stay symbols."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, ShapeError
from jitdiff.ir import ArrayType, Dim, NeedsConcreteSize, Value, type_of
from jitdiff.ir.dims import as_size as exact_size
from jitdiff.ops.axes import as_shape, as_size, operand, shape_of
from jitdiff.ops.elementwise import astype, identity, where
from jitdiff.ops.emission import Element, Index, Read, Site, plus
from jitdiff.ops.families import general, promoted_dtype
from jitdiff.ops.join import stack
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import broadcast, moveaxis, ravel, reshaped
from jitdiff.ops.table import Handle, implements, of_sizes
from jitdiff.ops.tracer import Tracer, builder_now, has_size, lift


def _arange_element(at: Index, read: Read, site: Site) -> str:
    start = read(0, ())
    return str(at[0]) if start == "0" else str(plus(at[0], start))


arange_ = general(
    "arange",
    lambda start, *, size: start + np.arange(size),
    lambda start, *, size: ArrayType(np.dtype(np.int64), (size,)),
    Element(_arange_element),
    None,
    operands=lambda start, *, size: (np.dtype(np.int64),),
    samples=[sample(3, size=4), sample(0, size=0)],
)
"""``arange(start, size=n)`` is the vector of n integers from `start` on."""


def positions(n: int | Dim) -> Any:
    """Return the positions along an axis of `n` elements: numbers where `n` is one.

    Examples
    --------
    >>> positions(3)
    array([0, 1, 2])
    """
    return arange_(_handle(0), size=n) if isinstance(n, Dim) else np.arange(n)


def is_range(x: Any) -> bool:
    """Say whether a traced vector is known to hold successive integers, no two of them alike."""
    if not isinstance(x, Tracer) or x.numbers is not None or not isinstance(atom := x.atom, Value):
        return False
    node = builder_now().definition(atom)
    return node is not None and node.op is arange_


@of_sizes(np.arange)
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, **options: Any) -> Any:
    """Return the numbers from `start` to `stop`, as many as a symbolic size says."""
    if stop is None:
        start, stop = 0, start
    bounds = [start, stop, step]
    for k, bound in enumerate(bounds):
        if isinstance(bound, float) and bound.is_integer():
            bounds[k] = int(bound)
    first, last, by = bounds
    whole = math.floor(first) if isinstance(first, float) and by == 1 else first
    if not (isinstance(by, int) and exact_size(whole) is not None and exact_size(last) is not None) or by == 0:
        raise NeedsConcreteSize(next(b for b in (start, stop, step) if isinstance(b, Dim)))
    extent = last - whole if by > 0 else whole - last
    numbers = positions(extent if abs(by) == 1 else extent // abs(by))
    if by != 1:
        numbers = numbers * by
    if not (isinstance(first, int) and first == 0):
        numbers = numbers + first
    floating = any(isinstance(b, float) for b in (start, stop, step))
    kind = np.dtype(dtype if dtype is not None else float if floating else np.int64)
    return numbers if numbers.dtype == kind else astype(numbers, dtype=kind)


@implements(
    np.linspace,
    samples=[
        sample(array(), array(), 5),
        sample(array(3), 2.0, num=4, endpoint=False),
        sample(0.5, array(2), 1, axis=-1),
        sample(array(), 1.0, 3, retstep=True),
    ],
)
@of_sizes(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Return `num` numbers at equal distances from `start` to `stop`."""
    num = as_size(num)
    if not isinstance(num, Dim) and num < 0:
        raise ArgumentError(f"linspace: the number of samples is {num}, below zero")
    start, stop = (Dim.traced(x) if isinstance(x, Dim) else operand(x) for x in (start, stop))
    kind = promoted_dtype(type_of(start), type_of(stop), ArrayType(np.dtype(float), weak=True))
    start, stop = astype(start, dtype=kind), astype(stop, dtype=kind)
    intervals = num - 1 if endpoint else num
    # A single number at the start needs no step.
    step = (stop - start) / astype(np.maximum(intervals, 1), dtype=kind)
    ones = (1,) * len(shape_of(step))
    k = reshaped(astype(positions(num), dtype=kind), (num, *ones))
    y = start + k * step
    if endpoint:
        y = where((k == intervals) & (k > 0), stop, y)
    y = moveaxis(y, 0, axis)
    if dtype is not None:
        y = astype(np.floor(y) if np.dtype(dtype).kind in "iu" else y, dtype=np.dtype(dtype))
    return (y, step if _is_many(intervals) else step * np.nan) if retstep else y


def _is_many(intervals: int | Dim) -> bool:
    return bool(intervals > 0)


@implements(np.meshgrid, samples=[sample(array(3), array(2)), sample(array(2), array(3), indexing="ij", sparse=True)])
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Return the coordinates of the points of a grid, an array for each axis."""
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', not {indexing!r}")
    columns = [ravel(operand(x)) for x in xi]
    order = list(range(len(columns)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = 1, 0
    grids = [_along(x, order.index(k), len(order)) for k, x in enumerate(columns)]
    sizes = tuple(shape_of(columns[k])[0] for k in order)
    return tuple(grids if sparse else (identity(broadcast(_handle(x), sizes)) for x in grids))


@implements(np.ix_, samples=[sample(np.arange(3), np.array([0, 2]))])
def ix_(*args: Any) -> tuple[Any, ...]:
    """Return positions along each axis so that together they index a block."""
    parts = [operand(x) for x in args]
    for x in parts:
        if len(shape_of(x)) != 1:
            raise ShapeError(f"ix_: positions along an axis are a vector, not {type_of(x)}")
        if type_of(x).dtype.kind == "b":
            # A mask of numbers is turned into positions, and a traced one says why it cannot be.
            return np.ix_(*(np.asarray(p) for p in parts))
    return tuple(_along(x, k, len(parts)) for k, x in enumerate(parts))


@of_sizes(np.indices)
def indices(dimensions: Any, dtype: Any = np.int64, sparse: bool = False) -> Any:
    """Return the positions along each axis of the points of a grid of symbolic sizes."""
    sizes = as_shape(dimensions)
    parts = [_along(astype(positions(n), dtype=np.dtype(dtype)), k, len(sizes)) for k, n in enumerate(sizes)]
    return tuple(parts) if sparse else stack([broadcast(_handle(x), sizes) for x in parts])


def grid(key: Any, *, sparse: bool) -> Any:
    """Return ``np.mgrid[key]``, or ``np.ogrid[key]``, of symbolic sizes."""
    parts = [_stepped(part) for part in (key if isinstance(key, tuple) else (key,))]
    if not isinstance(key, tuple):
        return parts[0]
    dtype = np.result_type(*(type_of(x).dtype for x in parts))
    sizes = tuple(shape_of(x)[0] for x in parts)
    axes = [_along(astype(_handle(x), dtype=dtype), k, len(parts)) for k, x in enumerate(parts)]
    return tuple(axes) if sparse else stack([broadcast(x, sizes) for x in axes])


def _stepped(part: slice) -> Any:
    """Return the numbers that a slice stands for in a grid; an imaginary step is a number of points."""
    start, step = 0 if part.start is None else part.start, 1 if part.step is None else part.step
    if isinstance(step, complex):
        return linspace(start, part.stop, int(abs(step)))
    return arange(start, part.stop, step) if has_size((start, part.stop, step)) else np.arange(start, part.stop, step)


@of_sizes(np.diag_indices)
def diag_indices(n: Any, ndim: int = 2) -> tuple[Any, ...]:
    """Return the positions of the diagonal of an array of symbolic size."""
    return (positions(n),) * ndim


@of_sizes(np.eye)
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, order: str = "C", **options: Any) -> Any:
    """Return a matrix of symbolic size with ones on a diagonal."""
    rows, columns = _matrix_positions(N, M)
    return astype(rows + operator.index(k) == columns if k else rows == columns, dtype=np.dtype(dtype))


@of_sizes(np.identity)
def identity_matrix(n: Any, dtype: Any = None, **options: Any) -> Any:
    """Return the identity of symbolic size."""
    return eye(n, dtype=float if dtype is None else dtype)


@of_sizes(np.tri)
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, **options: Any) -> Any:
    """Return a matrix of symbolic size with ones on and below a diagonal."""
    rows, columns = _matrix_positions(N, M)
    return astype(columns <= rows + operator.index(k), dtype=np.dtype(dtype))


def _matrix_positions(n: Any, m: Any) -> tuple[Any, Any]:
    return _along(positions(as_size(n)), 0, 2), _along(positions(as_size(n if m is None else m)), 1, 2)


def _along(x: Any, axis: int, ndim: int) -> Any:
    """Return a vector as an array of `ndim` axes that lies along one of them."""
    return reshaped(x, tuple(shape_of(x)[0] if k == axis else 1 for k in range(ndim)))


def _handle(x: Any) -> Any:
    return x if isinstance(x, Handle) else Tracer(lift(x))
