"""Variables that have a value on some ways only, and the flags of jumps that tell which ways those are.

What a loop assigns before a ``break`` has a value if the loop was broken; what its ``else`` assigns has one otherwise.
After both it has one on every way, which follows from the flag that the ``break`` sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jitdiff.frontend.convert.state import Undefined


@dataclass(frozen=True, slots=True)
class Guarantee:
    """Tell by flags whether a variable has a value.

    Attributes
    ----------
    when : frozenset of str
        Flags of which each, when it is set, means that there is a value.
    unless : frozenset of str or None
        Flags of which none being set means so too; None if there are no such flags.
    """

    when: frozenset[str] = frozenset()
    unless: frozenset[str] | None = None

    def covers(self, flags: Iterable[str], are_set: bool) -> bool:
        """Say whether there is a value where one of `flags` is set, or where none of them is."""
        given = frozenset(flags)
        if are_set:
            return bool(given) and given <= self.when
        return self.unless is not None and self.unless <= given

    def both(self, other: Guarantee) -> Guarantee:
        """Return what two guarantees have in common."""
        unless = None if self.unless is None or other.unless is None else self.unless | other.unless
        return Guarantee(self.when & other.when, unless)

    def __bool__(self) -> bool:
        return bool(self.when) or self.unless is not None


class Sometimes(Undefined):
    """Hold the value of a variable that has one on the ways that a guarantee names.

    Attributes
    ----------
    value : object
        The value; on other ways zeros of its types.
    guarantee : Guarantee
        When it is the value.
    """

    __slots__ = ("guarantee", "value")

    def __init__(self, value: Any, guarantee: Guarantee, why: str) -> None:
        super().__init__(why)
        self.value = value
        self.guarantee = guarantee


def settled(names: Sequence[str], values: Sequence[Any], flags: Sequence[str], are_set: bool) -> list[Any]:
    """Return what variables hold where one of `flags` is set, or where none of them is."""
    values = [_where(value, flags, are_set) for value in values]
    return [False if name in flags and not are_set else value for name, value in zip(names, values, strict=True)]


def _where(value: Any, flags: Sequence[str], are_set: bool) -> Any:
    if not isinstance(value, Sometimes):
        return value
    guarantee = value.guarantee
    if guarantee.covers(flags, are_set):
        return value.value
    if not are_set or not guarantee.when & set(flags):
        return value
    # One of the flags is set: if none of those that mean nothing is, it is one that means a value.
    return Sometimes(value.value, Guarantee(guarantee.when, frozenset(flags) - guarantee.when), value.why)


def joined(ends: Sequence[tuple[Any, Mapping[str, Any]]]) -> Guarantee:
    """Return when a variable has a value after a branch, given what it and the flags hold at the end of either arm."""
    names = {f for _, flags in ends for f in flags}
    names.update(f for value, _ in ends if isinstance(value, Sometimes) for f in value.guarantee.when)
    when = frozenset(f for f in names if all(_means_value(f, value, flags) for value, flags in ends))
    unless: frozenset[str] | None = frozenset()
    for value, flags in ends:
        if not isinstance(value, Undefined):
            continue
        surely = sorted(f for f, x in flags.items() if x is True)
        if isinstance(value, Sometimes) and value.guarantee.unless is not None:
            needed: frozenset[str] | None = value.guarantee.unless
        else:
            needed = frozenset(surely[:1]) or None
        unless = None if unless is None or needed is None else unless | needed
    return Guarantee(when, unless)


def _means_value(flag: str, value: Any, flags: Mapping[str, Any]) -> bool:
    """Whether on one way a flag that is set means a value; a flag that is surely not set does."""
    if not isinstance(value, Undefined) or flags.get(flag) is False:
        return True
    return isinstance(value, Sometimes) and flag in value.guarantee.when
