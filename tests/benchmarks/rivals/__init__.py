"""The programs of tests/loops in the words of JAX, torch and Numba, a file a library and theme.

Nothing here is imported before it is asked for: a library may not be installed, and takes its time to import.
"""

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from tests.benchmarks.case import Case
from tests.loops.programs import PROGRAMS

FAST = {"reassoc", "contract", "arcp", "nsz"}
"""What jitdiff allows of `fastmath`."""


@dataclass(frozen=True)
class Words:
    """One loss in several libraries: by NumPy, and by functions of this folder given as "file.function"."""

    numpy: Callable[..., Any]
    others: dict[str, str]

    def __call__(self, namespace: ModuleType) -> Callable[..., Any] | None:
        library = namespace.__name__.partition(".")[0]
        if library == "numpy":
            return self.numpy
        return find(self.others[library]) if library in self.others else None


def find(path: str) -> Callable[..., Any]:
    """Return a function of this folder."""
    module, _, function = path.partition(".")
    return getattr(importlib.import_module(f"{__name__}.{module}"), function)


def loop_case(title: str, name: str, *, by: tuple[int, ...] | None = None, **words: str) -> Case:
    """Make a case of a program at its large size.

    Parameters
    ----------
    title : str
        Shown in the tables.
    name : str
        The program in tests/loops.
    by : tuple of int, optional
        The arguments that the gradient is taken by, if not all that the program names.
    **words : str
        "file.function" of this folder: `jax` and `torch` give the loss, `numba_by_hand` value and gradient.
        `numba_value` names a program whose text Numba takes as it stands.
    """
    program = PROGRAMS[name]
    calls: dict[str, Callable[..., Any] | None] = {"jitdiff value": _by_jitdiff(name)}
    if forward := words.pop("numba_value", None):
        calls["numba value"] = _by_numba(forward)
    if adjoint := words.pop("numba_by_hand", None):
        calls["numba by hand"] = lambda *args: find(adjoint)(*args)
    return Case(title, program.make(*program.large), Words(program.loss, words), argnums=by or program.by, calls=calls)


def _by_jitdiff(name: str) -> Callable[..., Any]:
    """The value of a program by jitdiff."""

    @functools.cache
    def compiled() -> Callable[..., Any]:
        import jitdiff as jd

        return jd.compile(PROGRAMS[name].loss)

    return lambda *args: compiled()(*args)


def _by_numba(name: str) -> Callable[..., Any]:
    """The value of a program by Numba, from the text that NumPy's users write."""

    @functools.cache
    def compiled() -> Callable[..., Any]:
        import numba

        return numba.njit(PROGRAMS[name].loss, fastmath=FAST, error_model="numpy")

    def value(*args: Any) -> Any:
        # Programs overwrite their arguments.
        return compiled()(*(arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args))

    return value
