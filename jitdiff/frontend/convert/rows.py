"""What a ``for`` goes through, where its items can be had by their number: ranges, rows of arrays, zips of such."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError
from jitdiff.frontend.bounds import integer
from jitdiff.frontend.convert.state import is_traced
from jitdiff.frontend.convert.tables import is_table, table_of
from jitdiff.ir import Dim
from jitdiff.ir.location import caller, describe
from jitdiff.ops import OPS, Tracer, lift


class Rows:
    """A sequence by its length and its items.

    Parameters
    ----------
    size : int, Dim or Tracer
        Number of items.
    item : callable
        ``item(i)`` gives one; `i` is a number, traced or not.
    again : callable
        Gives an ordinary iterator over the items.
    rolled : bool
        Whether a loop over it always becomes a loop of the program.
    checkpoint : int, "sqrt" or None
        How the adjoint of such a loop saves memory.
    """

    def __init__(
        self,
        size: Any,
        item: Callable[[Any], Any],
        again: Callable[[], Iterator[Any]],
        rolled: bool = False,
        checkpoint: Any = None,
    ) -> None:
        self.size = size
        self.item = item
        self.again = again
        self.rolled = rolled
        self.checkpoint = checkpoint

    def __iter__(self) -> Iterator[Any]:
        return self.again()

    def __len__(self) -> int:
        return operator.index(self.size)


def range(*bounds: Any, checkpoint: Any = None) -> Rows:
    """Return a range that a compiled function always runs as a loop of the program, never unrolled.

    Anywhere else it is ``range``.

    Parameters
    ----------
    *bounds : int
        Start, stop and step, as ``range`` takes them; start and stop may be traced.
    checkpoint : int or "sqrt", optional
        How many iterations lie between the states that the adjoint of the loop keeps; it runs the iterations between
        two of them again. ``"sqrt"``: the square root of their number. Default: what is saved is chosen for speed.

    Raises
    ------
    ArgumentTypeError
        If a bound is not an integer.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> @jd.compile
    ... def power(x):
    ...     y = 1.0
    ...     for _ in jd.range(5):
    ...         y *= x
    ...     return y
    >>> power(2.0), list(jd.range(2))
    (np.float64(32.0), [0, 1])
    """
    if not 1 <= len(bounds) <= 3:
        raise ArgumentError(f"range: takes 1 to 3 bounds, not {len(bounds)}", where=describe(caller()))
    start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    start, stop = integer(start, "range: a bound"), integer(stop, "range: a bound")
    step = operator.index(step) if is_traced(step) else integer(step, "range: the step")
    if step == 0:
        raise ArgumentError("range: the step is zero", where=describe(caller()))

    def item(i: Any) -> Any:
        scaled = i if step == 1 else i * step
        return scaled if isinstance(start, int) and start == 0 else scaled + start

    def again() -> Iterator[int]:
        return iter(builtins.range(start, stop, step))

    return Rows(_trips(start, stop, step), item, again, True, checkpoint)


def _trips(start: Any, stop: Any, step: int) -> Any:
    extent = stop - start if step > 0 else start - stop
    size = extent if abs(step) == 1 else (extent + (abs(step) - 1)) // abs(step)
    if is_traced(size):
        return OPS["maximum"](size, 0)
    return size if isinstance(size, Dim) else max(size, 0)


def rows_of(iterable: Any) -> Rows | None:
    """Return what a loop goes through by number, None where only Python can iterate over it."""
    match iterable:
        case Rows():
            return iterable
        case builtins.range():
            return Rows(len(iterable), range(iterable.start, iterable.stop, iterable.step).item, lambda: iter(iterable))
        case Tracer() | np.ndarray() if iterable.shape:
            traced = iterable if isinstance(iterable, Tracer) else None

            def item(i: Any) -> Any:
                return (traced if traced is not None else Tracer(lift(iterable)) if is_traced(i) else iterable)[i]

            return Rows(iterable.shape[0], item, lambda: (item(i) for i in builtins.range(len(iterable))))
        case list() | tuple() if len(iterable) > SHORT and is_table(iterable):
            return _of_table(iterable)
    stacked = getattr(iterable, "stacked_rows", None)
    return None if stacked is None else stacked()


SHORT = 8
"""Lists of so many numbers are never gone through by number."""


def _of_table(items: Any) -> Rows:
    def item(i: Any) -> Any:
        if not is_traced(i):
            return items[i]
        table = table_of(items)
        assert table is not None
        return table[i]

    return Rows(len(items), item, lambda: iter(items))


def zip_(*iterables: Any, strict: bool = False) -> Any:
    """Return ``zip``, by number where all can be had so."""
    parts = [rows_of(x) for x in iterables]
    known = [p for p in parts if p is not None]
    if (
        len(known) < len(parts)
        or not known
        or not all(isinstance(p.size, int) or p.size == known[0].size for p in known if not is_traced(p.size))
    ):
        return builtins.zip(*iterables, strict=strict)
    if any(is_traced(p.size) for p in known):
        if len(known) > 1:
            return builtins.zip(*iterables, strict=strict)
        size = known[0].size
    else:
        sizes = [p.size for p in known]
        if strict and any(n != sizes[0] for n in sizes):
            raise ArgumentError(f"zip: lengths {sizes} differ", where=describe(caller()))
        size = sizes[0] if isinstance(sizes[0], Dim) else min(sizes)
    rolled = any(p.rolled for p in known)
    return Rows(
        size, lambda i: tuple(p.item(i) for p in known), lambda: builtins.zip(*iterables, strict=strict), rolled
    )


def enumerate_(iterable: Any, start: int = 0) -> Any:
    """Return ``enumerate``, by number where the items can be had so."""
    rows = rows_of(iterable)
    start = integer(start, "enumerate: the start")
    if rows is None:
        return _counted(iterable, start) if is_traced(start) else builtins.enumerate(iterable, start)
    item = rows.item
    return Rows(
        rows.size,
        lambda i: (i if isinstance(start, int) and start == 0 else i + start, item(i)),
        lambda: _counted(iterable, start),
        rows.rolled,
    )


def _counted(iterable: Any, start: Any) -> Iterator[tuple[Any, Any]]:
    return ((start + k, x) for k, x in builtins.enumerate(iterable))


def reversed_(sequence: Any) -> Any:
    """Return ``reversed``, by number where the items can be had so."""
    rows = rows_of(sequence)
    if rows is None:
        return builtins.reversed(sequence)
    size, item = rows.size, rows.item

    def backwards() -> Iterator[Any]:
        return iter(list(rows)[::-1])

    return Rows(size, lambda i: item(size - 1 - i), backwards, rows.rolled)
