"""Moments to come back to: what changes in place can be read again as it was when a rule or checkpoint was called."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jitdiff.threads import Lock

_clock = itertools.count(1)
_lock = Lock()
_live: list[weakref.ref[Moment]] = []


class _Hidden(threading.local):
    spans: tuple[tuple[int, int], ...] = ()
    """Between which pairs of times changes do not show in this thread."""


_hidden = _Hidden()


class Moment:
    """The time of its making; while it lives, histories keep what they held then."""

    __slots__ = ("__weakref__", "_spans", "_time")
    _time: int

    def __init__(self) -> None:
        self._spans = _hidden.spans
        with _lock:
            self._time = next(_clock)
            _live.append(weakref.ref(self))

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Return a context in which everything reads as it was at this moment; what is changed in it shows."""
        before, _hidden.spans = _hidden.spans, (*self._spans, (self._time, next(_clock)))
        try:
            yield
        finally:
            _hidden.spans = before

    @staticmethod
    def newest() -> int:
        """Return the time of the newest moment that lives, 0 if there is none."""
        with _lock:
            while _live:
                moment = _live[-1]()
                if moment is not None:
                    return moment._time
                _live.pop()
        return 0


def is_restored() -> bool:
    """Whether a moment is restored in this thread."""
    return bool(_hidden.spans)


class History:
    """The values of something that changes: the present one, and those at moments that live.

    Attributes
    ----------
    value : object
        What it holds.
    time : int
        Since when.
    """

    __slots__ = ("_past", "time", "value")

    def __init__(self, value: Any, time: int = 0) -> None:
        self.value = value
        self.time = time
        self._past: list[tuple[int, Any]] = []

    def put(self, value: Any, time: int | None = None) -> None:
        """Let it hold `value` from now on, or since `time`."""
        newest = Moment.newest()
        if newest > self.time:
            self._past.append((self.time, self.value))
        elif not newest:
            self._past.clear()
        self.value = value
        self.time = next(_clock) if time is None else time

    def shown(self) -> int:
        """Return since when it holds what shows in this thread."""
        times = [self.time, *(time for time, _ in reversed(self._past))]
        shown = (time for time in times if not any(after < time <= until for after, until in _hidden.spans))
        return next(shown, self.time)

    def at(self, time: int) -> Any:
        """Return what it held since `time`, None if that is not known."""
        if time == self.time:
            return self.value
        return next((value for since, value in reversed(self._past) if since == time), None)

    def now(self) -> Any:
        """Return what shows in this thread."""
        return self.at(self.shown()) if _hidden.spans else self.value

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Return a context whose changes are taken back at its end."""
        before = self.value, self.time, list(self._past)
        try:
            yield
        finally:
            self.value, self.time, self._past = before
