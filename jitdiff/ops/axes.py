"""Arguments that say where: axes and shapes, as NumPy takes them, made canonical."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

from jitdiff.errors import ArgumentError, AxisError, ShapeError
from jitdiff.ir import Dim, Shape, product, type_of
from jitdiff.ops.admission import admitted

Axes = int | Sequence[int] | None


def operand(x: Any) -> Any:
    """Return `x` if it is a handle, an array or a scalar, and the array of it if it is a list or a tuple.

    Raises
    ------
    ArgumentTypeError, DtypeError
        If it cannot be computed with.
    """
    return admitted(x, "an operand")


def shape_of(x: Any) -> Shape:
    """Return the shape of a handle or an array."""
    shape: Shape | None = getattr(x, "shape", None)
    return type_of(x).shape if shape is None else shape


def normalized_axis(axis: Any, ndim: int) -> int:
    """Return `axis` counted from the front.

    Examples
    --------
    >>> normalized_axis(-1, 3)
    2
    """
    k = operator.index(axis)
    if not -ndim <= k < ndim:
        raise AxisError(f"axis {k} is out of bounds for array of dimension {ndim}")
    return k % ndim


def normalized_axes(axis: Axes, ndim: int) -> tuple[int, ...]:
    """Return axes counted from the front, in the order given; None is all of them.

    Examples
    --------
    >>> normalized_axes(None, 2), normalized_axes((-1, 0), 3)
    ((0, 1), (2, 0))
    """
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(normalized_axis(a, ndim) for a in (axis if isinstance(axis, Iterable) else (axis,)))
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"an axis stands twice in {axis}")
    return axes


def along(axis: Any, ndim: int) -> Any:
    """Return `axis`, or None for that of a value without axes: NumPy takes it for one of one element.

    Examples
    --------
    >>> along(-1, 2), along(-1, 0)
    (-1, None)
    """
    return None if ndim == 0 and not isinstance(axis, Iterable) and axis in (0, -1) else axis


def as_size(size: Any) -> int | Dim:
    """Return one size as an int, or as the `Dim` it is."""
    return size if isinstance(size, Dim) else operator.index(size)


def as_shape(shape: Any) -> Shape:
    """Return a shape given as NumPy takes it, one size or several.

    Examples
    --------
    >>> as_shape(3), as_shape([2, 3])
    ((3,), (2, 3))
    """
    return tuple(map(as_size, shape)) if isinstance(shape, Iterable) else (as_size(shape),)


def completed_shape(shape: Any, size: int | Dim) -> Shape:
    """Return a shape in which one -1 stands for whatever makes `size` elements.

    Examples
    --------
    >>> completed_shape((2, -1), 6)
    (2, 3)
    """
    sizes = as_shape(shape)
    unknown = [k for k, n in enumerate(sizes) if n == -1]
    if not unknown:
        return sizes
    known = product(tuple(n for n in sizes if n != -1))
    if len(unknown) > 1 or known == 0 or (not isinstance(size, Dim) and not isinstance(known, Dim) and size % known):
        raise ShapeError(f"cannot reshape an array of {size} elements to {list(sizes)}")
    return tuple(size // known if k == unknown[0] else n for k, n in enumerate(sizes))


def described(x: Any) -> str:
    """Return the type of `x` for an error message, after its name if it has one."""
    name = getattr(getattr(x, "atom", None), "name", "")
    return f"{name} {type_of(x)}" if name else repr(type_of(x))
