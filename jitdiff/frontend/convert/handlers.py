"""Handlers of exceptions in the user's code: what jitdiff refuses is no exception that the program has."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from jitdiff.errors import JitdiffError, MissingAttributeError, TracingError, UnsupportedError
from jitdiff.frontend.convert.plan import Anew


def _is_refusal(error: BaseException | None) -> bool:
    """Whether NumPy would not have raised an exception: with numbers, and all of NumPy, the program goes on."""
    if isinstance(error, MissingAttributeError):
        return hasattr(np.ndarray, error.name or "")
    return isinstance(error, TracingError | UnsupportedError | Anew)


def _names_ours(kinds: Iterable[Any]) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, JitdiffError) for kind in kinds)


def caught(kinds: Any = ()) -> None:
    """Raise again what an ``except`` caught of jitdiff's refusals, unless it names them."""
    error = sys.exc_info()[1]
    if error is not None and _is_refusal(error) and not _names_ours(kinds if isinstance(kinds, tuple) else (kinds,)):
        raise error


class Suppressing:
    """A `contextlib.suppress` that does not suppress refusals."""

    def __init__(self, manager: contextlib.suppress) -> None:
        self.manager = manager

    def __enter__(self) -> None:
        self.manager.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> Any:
        if _is_refusal(error) and not _names_ours(self.manager._exceptions):  # type: ignore[attr-defined]
            return False
        return self.manager.__exit__(kind, error, trace)
