"""A word on what takes long: to the log, and to a terminal if it takes longer than one waits without asking."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 2.0
"""Seconds after which a terminal is told."""

_log = logging.getLogger("jitdiff")


@contextmanager
def told(what: str) -> Iterator[None]:
    """Log at level INFO what is being done, and write it to stderr if that is a terminal and it takes long."""
    _log.info("%s", what)
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield
        return
    timer = threading.Timer(PATIENCE, lambda: stream.write(f"jitdiff: {what} ...\n"))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
