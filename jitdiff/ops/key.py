"""Understanding an index: from what stands between the brackets to what it selects and how the result is laid out."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from jitdiff.errors import BoundsError, DtypeError, TracingError
from jitdiff.ir import ArrayType, Dim, Shape, broadcast_shapes, type_of
from jitdiff.ops.gather import Selection, index_place
from jitdiff.ops.slices import Range, from_front, positions
from jitdiff.ops.table import Handle
from jitdiff.ops.tracer import Tracer


@dataclass(frozen=True, slots=True)
class Key:
    """What an index selects, and how the result is laid out.

    Parameters
    ----------
    selection : tuple
        For each axis of the array, a range or the number of an index operand.
    indices : tuple
        The index operands.
    index_shape : tuple
        What the index operands broadcast to.
    kept : tuple
        Sizes of the axes that stay, without those of the index operands and without new ones.
    source, destination : int
        Before how many of the kept axes those of the index operands are when gathered, and where NumPy puts them.
    shape : tuple
        Shape of the result.
    distinct : bool
        Whether no position can be selected twice.
    """

    selection: Selection
    indices: tuple[Any, ...]
    index_shape: Shape
    kept: Shape
    source: int
    destination: int
    shape: Shape
    distinct: bool

    def layout(self, place: int) -> Shape:
        """Return the sizes of all axes but new ones, those of the index operands standing at `place`."""
        return (*self.kept[:place], *self.index_shape, *self.kept[place:])


@dataclass(frozen=True, slots=True)
class _Item:
    """One part of an index: a new axis, a range, a single position, or an index operand."""

    kind: Literal["new", "range", "single", "operand"]
    taken: Range = (0, 1, 1)
    operand: Any = None
    mask: np.ndarray[Any, Any] | None = None


def understand(key: Any, t: ArrayType) -> Key:
    """Return what `key` means for an array of type `t`.

    Examples
    --------
    >>> understand((slice(1, None), None, -1), ArrayType(np.dtype(float), (4, 3))).shape
    (3, 1)
    """
    parts = key if isinstance(key, tuple) else (key,)
    plain: list[Any] = []
    for part in parts:
        if type(part) is slice:
            plain.append((part.start, part.stop, part.step))
        elif type(part) in _PLAIN:
            plain.append(part)
        else:
            return _understand(parts, t)
    if any(type(p) is tuple and not _PLAIN.issuperset(map(type, p)) for p in plain):
        return _understand(parts, t)
    return _understand_plain(tuple(plain), t)


_PLAIN = frozenset({int, type(None), type(Ellipsis)})


@lru_cache(maxsize=1024)
def _understand_plain(parts: tuple[Any, ...], t: ArrayType) -> Key:
    """Return what a key without arrays means; slices come as tuples, which have a hash."""
    return _understand(tuple(slice(*p) if type(p) is tuple else p for p in parts), t)


def _understand(parts: tuple[Any, ...], t: ArrayType) -> Key:
    items = list(_items(parts, t))
    operands = [item.operand for item in items if item.kind == "operand"]
    index_shape = broadcast_shapes(*(type_of(i).shape for i in operands))
    axes = [item for item in items if item.kind != "new"]
    numbers = iter(range(len(operands)))
    selection = tuple(next(numbers) if item.kind == "operand" else item.taken for item in axes)
    # Beside an array, an integer counts as an array too: neighbours leave their axes in place, others go first.
    advanced = [k for k, item in enumerate(items) if item.kind in ("operand", "single")]
    together = bool(advanced) and advanced[-1] - advanced[0] == len(advanced) - 1
    before, after = (items[: advanced[0]], items[advanced[0] :]) if together else ([], items)
    arrays = [item.mask for item in items if item.kind == "operand" and type_of(item.operand).shape]
    return Key(
        selection=selection,
        indices=tuple(operands),
        index_shape=index_shape,
        kept=_sizes(items, "range"),
        source=len(_sizes(axes[: index_place(selection)], "range")),
        destination=len(_sizes(before, "range")),
        shape=(*_sizes(before, "range", "new"), *index_shape, *_sizes(after, "range", "new")),
        distinct=not arrays or (arrays[0] is not None and all(a is arrays[0] for a in arrays)),
    )


def _sizes(items: Sequence[_Item], *kinds: str) -> Shape:
    return tuple(item.taken[2] for item in items if item.kind in kinds)


def _is_array(part: Any) -> bool:
    return part is not None and part is not Ellipsis and not isinstance(part, slice)


def _items(key: tuple[Any, ...], t: ArrayType) -> Iterator[_Item]:
    parts = [_concrete(part) if _is_array(part) else part for part in key]
    used = sum(_axes_of(part) for part in parts)
    if used > t.ndim:
        raise BoundsError(f"too many indices: {t} has {t.ndim} axes, and {used} were indexed")
    ellipses = [k for k, part in enumerate(parts) if part is Ellipsis]
    if len(ellipses) > 1:
        raise BoundsError("an index can only have a single ellipsis ('...')")
    k = ellipses[0] if ellipses else len(parts)
    parts[k : k + 1] = [slice(None)] * (t.ndim - used)
    axis = 0
    for part in parts:
        sizes = t.shape[axis : axis + _axes_of(part)]
        axis += len(sizes)
        if part is None:
            yield _Item("new")
        elif isinstance(part, slice):
            yield _Item("range", positions(part, sizes[0]))
        elif isinstance(part, np.ndarray) and part.dtype.kind == "b":
            for found in _nonzero(part, sizes, axis):
                yield _Item("operand", operand=found, mask=part)
        elif isinstance(part, np.ndarray | Handle):
            _check_array(part, sizes[0], axis - 1)
            yield _Item("operand", operand=part)
        else:
            yield _Item("single", (_checked(part, sizes[0], axis - 1), 1, 1))


def _axes_of(part: Any) -> int:
    """Return how many axes of the array one part of an index takes up."""
    if not _is_array(part):
        return int(isinstance(part, slice))
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


def axes_taken(part: Any) -> int:
    """Return how many axes of the array one part of an index takes up, as it was written.

    Examples
    --------
    >>> axes_taken(None), axes_taken(slice(2)), axes_taken([[True, False], [False, True]])
    (0, 1, 2)
    """
    return _axes_of(_concrete(part) if _is_array(part) else part)


def innermost(x: Any) -> Any:
    """Return the numbers of a handle that has them, since an index has no derivative; a tracer as it is."""
    return np.asarray(x) if isinstance(x, Handle) and not isinstance(x, Tracer) else x


def _concrete(part: Any) -> Any:
    """Return an int or a `Dim` for a single position, otherwise an array, or a handle that has no numbers yet."""
    part = innermost(part)
    if isinstance(part, Dim):
        return part
    if isinstance(part, Handle):
        kind = type_of(part).dtype.kind
        if kind == "b":
            raise TracingError(
                f"a traced mask, {type_of(part)}, selects a number of elements known only at run time",
                hint="use np.where(mask, x, 0), which keeps the shape",
            )
        if kind not in "iu":
            raise DtypeError(f"an index must be an integer, a slice or a mask, not {type_of(part)}")
        return part
    array = np.asarray(part)
    if array.size == 0 and isinstance(part, list):
        array = array.astype(np.int64)
    if array.dtype.kind == "b" and array.ndim:
        return array
    if array.dtype.kind not in "iu":
        raise DtypeError(f"an index must be an integer, a slice or a mask, not {type_of(array)}")
    return array if array.ndim else int(array)


def _checked(position: int | Dim, n: int | Dim, axis: int) -> int | Dim:
    if isinstance(position, int) and isinstance(n, int) and not -n <= position < n:
        raise BoundsError(f"index {position} is out of bounds for axis {axis} with size {n}")
    return from_front(position, n)


def _check_array(indices: Any, n: int | Dim, axis: int) -> None:
    if isinstance(indices, np.ndarray) and isinstance(n, int) and indices.size:
        _checked(int(indices.max()), n, axis)
        _checked(int(indices.min()), n, axis)


def _nonzero(mask: np.ndarray[Any, Any], sizes: Shape, end: int) -> tuple[np.ndarray[Any, Any], ...]:
    for axis, (have, n) in enumerate(zip(mask.shape, map(operator.index, sizes), strict=True), end - len(sizes)):
        if have != n:
            raise BoundsError(f"a mask of {have} elements does not fit axis {axis} with size {n}")
    return np.nonzero(mask)
