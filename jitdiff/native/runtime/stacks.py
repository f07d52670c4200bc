"""Functions of matrices applied to stacks of matrices, as NumPy broadcasts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitdiff.native.extending import jitable


@jitable
def _part(stack: Any, i: int, out: Any) -> int:
    """Return which part of a stack, perhaps broadcast, goes into part `i` of the result."""
    if stack.shape[0] == out.shape[0]:
        return i
    if stack.shape[0] != 1:
        raise ValueError("the stacks of matrices do not broadcast")
    return 0


def over_stack(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply ``function(a, out)`` to every part of `a`."""

    def implementation(a: Any, out: Any) -> None:
        if a.shape[0] != out.shape[0]:
            raise ValueError("the stacks of matrices differ in length")
        for i in range(out.shape[0]):
            function(a[i], out[i])

    return implementation


def over_stacks(function: Callable[..., Any], rank_a: int, rank_b: int) -> Callable[..., Any]:
    """Apply ``function(a, b, out)`` to every pair of parts.

    An operand of lower rank takes part in every pair as it is; a vector ranks as a matrix, never as a stack.
    """

    def both(a: Any, b: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            function(a[_part(a, i, out)], b[_part(b, i, out)], out[i])

    def only_a(a: Any, b: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            function(a[_part(a, i, out)], b, out[i])

    def only_b(a: Any, b: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            function(a, b[_part(b, i, out)], out[i])

    left, right = max(rank_a, 2), max(rank_b, 2)
    return both if left == right else only_a if left > right else only_b
