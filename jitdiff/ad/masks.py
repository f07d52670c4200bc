"""Mask cotangents: below a selection, that of an element left out is zero, whatever its slope.

A cotangent that is zero because an element was not taken must stay zero where the slope is infinite or NaN. One that is
zero by its value must not: of the square of a root at 0 it is zero times infinity, and the derivative is 1. So the walk
carries, beside a cotangent, which elements were taken. The rule of a selection says so (`Op.counts`, `Op.selects`),
operations that only move elements move that too, and elementwise ones with a slope choose by it between their share and
zero. That choice is itself a selection, so higher derivatives are right as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np

from jitdiff.ad.steepness import steepness
from jitdiff.ir import ArrayType, Dim, Shape, broadcast_shapes, type_of
from jitdiff.ir.builder import current_builder
from jitdiff.ops import OPS, Op, Tracer, lift
from jitdiff.ops.batching import elementwise
from jitdiff.ops.fit import fit
from jitdiff.ops.shape import broadcast, reshaped
from jitdiff.ops.table import Level, computed


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """Mask one arm of a choice: together with the other it leaves out nothing but what `around` says."""

    choice: Any
    arm: int
    around: Mask | None


class Mask:
    """Hold the elements of a value that count; they are computed when a rule first asks.

    Parameters
    ----------
    make : callable
        ``make(known)`` gives truth values that broadcast to the shape of the value. With `known` it gives NumPy's if
        they depend on no numbers, otherwise None.
    level : Level
        What may stand where nothing counts.
    branch : Branch, optional
        The arm of a choice that it stands for.
    update : callable, optional
        Adds what counts to truth values in place, where that is one element of many.
    """

    __slots__ = ("_found", "_make", "branch", "level", "update")

    def __init__(
        self,
        make: Callable[[bool], Any],
        level: Level,
        branch: Branch | None = None,
        update: Callable[[Any], Any] | None = None,
    ) -> None:
        self._make = make
        self._found: dict[bool, Any] = {}
        self.level = level
        self.branch = branch
        self.update = update

    def taken(self, known: bool = False) -> Any:
        """Return the truth values."""
        if known not in self._found:
            self._found[known] = self._make(known)
        return self._found[known]

    def is_everything(self) -> bool:
        """Whether all elements surely count."""
        found = self.taken(known=current_builder() is not None)
        return isinstance(found, np.ndarray | np.generic) and bool(np.all(found))

    def union(self, other: Mask) -> Mask | None:
        """Return what counts by either, None if that is everything."""
        if self is other:
            return self
        mine, others = self.branch, other.branch
        if mine is not None and others is not None and mine.choice is others.choice and mine.arm != others.arm:
            return mine.around

        def make(known: bool) -> Any:
            if other.update is not None and not known:
                return other.update(self.taken())
            return _combined("logical_or", self.taken(known), other.taken(known))

        return Mask(make, max(self.level, other.level))


class Part(NamedTuple):
    """A cotangent, or None for zero, and what of it counts; None for all."""

    g: Any
    mask: Mask | None = None

    @property
    def is_chosen(self) -> bool:
        """Whether some of it may be what a choice did not take."""
        return self.nothing_counts or (self.mask is not None and self.mask.level is Level.CHOICE)

    @property
    def nothing_counts(self) -> bool:
        """Whether nothing was added so far."""
        return self.g is None or (self.mask is not None and self.mask.level is Level.NOTHING)

    def fixed(self) -> Part:
        """Return it with a mask that regions inside the current block can read, dropped if it is not of a choice."""
        if self.g is None or self.mask is None or not self.is_chosen:
            return Part(self.g)
        return Part(self.g, mask_of(self.mark(self.g.shape), self.mask.level))

    def values(self) -> list[Any]:
        """Return the values of the program that it consists of."""
        return [] if self.g is None else [self.g] if self.mask is None else [self.g, self.mask.taken()]

    def mark(self, shape: Shape) -> Any:
        """Return which elements count as an array of the program."""
        taken = np.bool_(self.g is not None) if self.mask is None else self.mask.taken()
        return broadcast(Tracer(lift(taken)), shape)


def mask_of(mark: Any, level: Level = Level.CHOICE) -> Mask:
    """Return the mask of an array of truth values of the program."""
    return Mask(lambda known: None if known else mark, level)


def _combined(name: str, a: Any, b: Any) -> Any:
    return None if a is None or b is None else OPS[name](a, b)


def joined(masks: Sequence[Mask | None]) -> Mask | None:
    """Return what counts of several results taken together: as one, if any of one counts; None for everything."""
    some = [mask for mask in masks if mask is not None]
    if not masks or len(some) < len(masks):
        return None

    def make(known: bool) -> Any:
        return reduce(lambda a, b: _combined("logical_or", a, b), [_any_of(mask, known) for mask in some])

    return Mask(make, max(mask.level for mask in some))


def passed(
    op: Op, k: int, x: ArrayType, xs: Sequence[Any], y: Any, attrs: Any, mask: Mask | None, only: bool
) -> Mask | None:
    """Return the `Mask` of operand number `k`, of type `x`, given that of the result; None for everything.

    `only` says that the other operands are constants.
    """
    if op.moves:
        return _moved(op, k, x, xs, y, attrs, mask)
    if op.batch is elementwise:
        return _of_elements(op, k, x, xs, mask, only)
    if mask is None or mask.level < Level.CHOICE or op.guards is None:
        return None
    return Mask(partial(_any_of, mask), mask.level)


def _of_elements(op: Op, k: int, x: ArrayType, xs: Sequence[Any], mask: Mask | None, only: bool) -> Mask | None:
    condition = None if op.counts is None else op.counts(xs, k, only)
    if condition is None:
        if mask is None:
            return None
        return mask if _is_whole(xs, x) else Mask(lambda known: _reduced(mask.taken(known), x), mask.level)
    branch = Branch(xs, k, mask) if op.name == "where" and _is_whole(xs, x) else None

    def make(known: bool) -> Any:
        if known:
            return None
        found = condition()
        return _reduced(found if mask is None else OPS["logical_and"](found, mask.taken()), x)

    level = Level.FACTOR if op.name == "multiply" else Level.CHOICE
    return Mask(make, level if mask is None else max(level, mask.level), branch)


def _is_whole(xs: Sequence[Any], x: ArrayType) -> bool:
    """Whether an elementwise operation on `xs` broadcasts no operand of type `x`."""
    return broadcast_shapes(*(type_of(each).shape for each in xs)) == x.shape


def _moved(op: Op, k: int, x: ArrayType, xs: Sequence[Any], y: Any, attrs: Any, mask: Mask | None) -> Mask | None:
    chooses = None if op.selects is None else op.selects(xs, k)
    if _is_at_one_place(xs):
        return None if mask is None else _at_one_place(op, k, x, xs, y, attrs, mask)
    if chooses is None and mask is None:
        return None

    def make(known: bool) -> Any:
        out = type_of(y)
        # The rule of an operation with one operand, which only moves, reads nothing of it.
        if known and (len(xs) > 1 or op.vjp is None or any(isinstance(n, Dim) for n in out.shape)):
            return None
        taken = np.True_ if mask is None else mask.taken(known)
        if taken is None:
            return None
        if not known and current_builder() is not None:
            taken = Tracer(lift(taken))
            if op.name == "slice":
                return _placed(taken, mask is None, x.shape, out.shape, attrs["ranges"])
        weights = broadcast(_weights(taken, out), out.shape)
        return OPS["not_equal"](fit(computed(op.vjp(xs, y, weights, **attrs)[k]), x), 0.0)  # type: ignore[misc]

    level = Level.CHOICE if chooses else Level.PART
    return Mask(make, level if mask is None else mask.level if chooses is None else max(level, mask.level))


def _placed(taken: Any, whole: bool, shape: Shape, size: Shape, ranges: Sequence[Any]) -> Any:
    """Return which elements of an array of `shape` count, of a slice of which `taken` do: all if it is `whole`."""
    if not whole or any(abs(step) != 1 for _, step, _ in ranges):
        return OPS["place"](broadcast(taken, size), shape=shape, ranges=ranges, fill=0)
    found: Any = np.True_
    for axis, (n, (start, step, count)) in enumerate(zip(shape, ranges, strict=True)):
        low = start if step == 1 else start - count + 1
        position = OPS["arange"](Tracer(lift(0)), size=n)
        bounds = [OPS["greater_equal"](position, low)] if low != 0 else []
        bounds += [OPS["less"](position, low + count)] if low + count != n else []
        if bounds:
            inside = reshaped(reduce(OPS["logical_and"], bounds), (n, *(1,) * (len(shape) - axis - 1)))
            found = inside if found is np.True_ else OPS["logical_and"](found, inside)
    return found


def _is_at_one_place(xs: Sequence[Any]) -> bool:
    """Whether an operation reads or writes at a traced position, as in a loop over elements."""
    return any(isinstance(x, Tracer) and not x.shape and x.dtype.kind in "iu" for x in xs[1:])


def _at_one_place(op: Op, k: int, x: ArrayType, xs: Sequence[Any], y: Any, attrs: Any, mask: Mask) -> Mask | None:
    """Return the mask of an array that is read or changed at one place: only of choices, since it is an array too."""
    if mask.level < Level.CHOICE or steepness(xs[k]) is Level.CHOICE:
        return None
    if op is not OPS["gather"]:
        more = {**attrs, "distinct": True} if "distinct" in attrs else attrs

        def make(known: bool) -> Any:
            pulled = None if known else op.vjp(xs, y, broadcast(mask.taken(), type_of(y).shape), **more)  # type: ignore[misc]
            return None if pulled is None else computed(pulled[k])

        return Mask(make, mask.level)

    def update(before: Any) -> Any:
        before = broadcast(Tracer(lift(before)), x.shape)
        counts = OPS["logical_or"](op(before, *xs[1:], **attrs), mask.taken())
        return OPS["index_set"](before, counts, *xs[1:], **attrs, distinct=True)

    return Mask(lambda known: None if known else update(np.False_), mask.level, update=update)


def guarded(op: Op, k: int, xs: Sequence[Any], share: Any, mask: Mask, only: bool) -> Any:
    """Return the cotangent of operand `k` with zeros where the result does not count."""
    if op.guards is None or not op.guards(xs, k, only) or mask.level < _level_guarded(op, xs, mask):
        return share
    if isinstance(share, np.ndarray | np.generic) and np.all(np.isfinite(share)):
        return share
    if op.batch is not elementwise:
        mask = Mask(partial(_any_of, mask), mask.level)
    return share if mask.is_everything() else OPS["where"](mask.taken(), share, 0.0)


def _level_guarded(op: Op, xs: Sequence[Any], mask: Mask) -> Level:
    """Return from which level on what does not count may be infinite or NaN times the cotangent."""
    if op.steep < Level.CHOICE or op.batch is not elementwise or mask.level != Level.PART:
        return op.steep
    return Level.PART if any(steepness(x) < Level.CHOICE for x in xs) else Level.CHOICE


def counted(op: Op, xs: Sequence[Any], tangents: Sequence[Any | None], dy: Any) -> Any:
    """Return the tangent of a result, zero where a constant factor is zero and the slope of the other infinite."""
    moving = [k for k, t in enumerate(tangents) if t is not None]
    if op is not OPS["multiply"] or len(moving) != 1 or dy is None:
        return dy
    (k,) = moving
    counts = op.counts(xs, k, True) if op.counts is not None and steepness(xs[k]) is Level.FACTOR else None
    return dy if counts is None else OPS["where"](counts(), dy, 0.0)


def _weights(taken: Any, t: ArrayType) -> Any:
    return OPS["where"](taken, t.dtype.type(1), t.dtype.type(0))


def _reduced(taken: Any, t: ArrayType) -> Any:
    """Return for each element of a value of type `t` whether any counts that it was spread to."""
    if taken is None:
        return None
    if broadcast_shapes(type_of(taken).shape, t.shape) == t.shape:
        return taken
    return OPS["not_equal"](fit(_weights(taken, t), t), 0.0)


def _any_of(mask: Mask, known: bool) -> Any:
    taken = mask.taken(known)
    if taken is None:
        return None
    ndim = len(type_of(taken).shape)
    return OPS["any"](taken, axes=tuple(range(ndim))) if ndim else taken
