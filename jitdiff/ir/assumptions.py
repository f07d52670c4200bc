"""What a trace assumes of symbolic sizes: comparisons go by the sizes of the call, and become conditions."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jitdiff.ir.dims import Dim

_OWN = "jitdiff"


class Assumptions:
    """Sizes of the call that a trace is made for, and what it came to depend on.

    Parameters
    ----------
    sizes : mapping
        The number of each symbol, at least 1.

    Attributes
    ----------
    conditions : set of Dim
        What must be at least zero for the traced program to be right.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self.conditions: set[Dim] = set()

    def runs(self, size: Dim) -> bool:
        """Say whether a loop over so many items runs at least once whatever the numbers of the call's symbols are."""
        return size.symbols <= self.sizes.keys() and _always_natural(size - 1)

    def is_natural(self, size: Dim) -> bool | None:
        """Decide whether ``size >= 0`` and note what it depends on; None if a symbol has no number yet."""
        if not size.symbols <= self.sizes.keys():
            return None
        if _always_natural(size):
            return True
        negated: Dim = -size - 1
        if _always_natural(negated):
            return False
        holds = bool(size.substitute(self.sizes) >= 0)
        self.conditions.add(size if holds else negated)
        return holds


def _always_natural(size: Dim) -> bool:
    """Say whether a size is at least zero for all numbers of its symbols from 1."""
    factors = [factor for monomial, factor in size.terms if monomial]
    return min(factors) >= 0 and sum(factors) + size.constant >= 0


class _Active(threading.local):
    assumptions: Assumptions | None = None


_active = _Active()


def assumptions() -> Assumptions | None:
    """Return what the running trace assumes, None outside of traces."""
    return _active.assumptions


@contextmanager
def assuming(sizes: Mapping[str, int]) -> Iterator[Assumptions]:
    """Let comparisons of symbolic sizes go by these numbers meanwhile."""
    previous, _active.assumptions = _active.assumptions, Assumptions(sizes)
    try:
        yield _active.assumptions
    finally:
        _active.assumptions = previous


_for_program: set[CodeType] = set()
"""Code of jitdiff's own that performs what the traced program says, such as its operators."""


def acts_for_program(*codes: CodeType) -> None:
    """Declare code of jitdiff's that compares values because the traced program does."""
    _for_program.update(codes)


def asked_by_program(depth: int) -> bool:
    """Say whether the frame `depth` levels up acts for the traced program, not for what traces it."""
    frame = sys._getframe(depth + 1)
    name = frame.f_globals.get("__name__") or ""
    return bool(name.partition(".")[0] != _OWN) or frame.f_code in _for_program
