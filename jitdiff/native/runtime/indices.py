"""The index check."""

from __future__ import annotations

from typing import Any

from jitdiff.native.extending import jitable


@jitable
def check_index(i: Any, n: Any) -> Any:
    """Return index `i` of an axis of length `n` counted from its start; raise IndexError outside of it.

    Examples
    --------
    >>> check_index(-1, 3)
    2
    """
    if i < -n or i >= n:
        raise IndexError("index is out of bounds")
    # Beside a small NumPy integer the length would have to fit its dtype.
    return int(i) + n if i < 0 else i
