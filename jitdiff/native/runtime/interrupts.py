"""Ctrl-C in loops that may not end: native code asks Python now and then whether a signal has come."""

from __future__ import annotations

from typing import Any

from numba.core import types

from jitdiff.native.extending import jitable, overload

EVERY = 4096
"""Iterations between two looks; a power of two."""


class Interrupt(Exception):
    """What compiled code raises for a KeyboardInterrupt, which is no `Exception` and so nothing that it can raise."""

    def __new__(cls, *args: Any) -> Any:
        """Return what is raised instead."""
        return KeyboardInterrupt()


def _of_python(name: str, result: Any, *args: Any) -> Any:
    return types.ExternalFunction(name, result(*args))


_acquire = _of_python("PyGILState_Ensure", types.int32)
_release = _of_python("PyGILState_Release", types.void, types.int32)
_check = _of_python("PyErr_CheckSignals", types.int32)
_clear = _of_python("PyErr_Clear", types.void)


def _signalled() -> int:
    """Run the handlers of signals that have come; -1 if one raised an exception."""
    return 0


@overload(_signalled)
def _signalled_natively() -> Any:
    def signalled() -> Any:
        # The function runs without the lock of the interpreter.
        state = _acquire()
        found = _check()
        if found != 0:
            _clear()
        _release(state)
        return found

    return signalled


@jitable
def interruptible(turns: int) -> int:
    """Return the number of iterations with this one; raise KeyboardInterrupt if Ctrl-C was pressed.

    Examples
    --------
    >>> interruptible(7)
    8
    """
    if turns & (EVERY - 1) == EVERY - 1 and _signalled() != 0:
        raise Interrupt
    return turns + 1
