"""What a trace settles: what names, attributes and static objects meant while it ran, and which of it has changed.

A trace sees numbers where the user's code reads a global name, a variable of the function around it, a default, or an
attribute of an object that is no argument. They are part of the program from then on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.util import resolve_name
from types import CellType, FunctionType
from typing import Any

import numpy as np

from jitdiff.frontend.libraries import is_library
from jitdiff.frontend.marks import MISSING, Mark, Marking, address
from jitdiff.frontend.reads import reads_of
from jitdiff.ops import Tracer

Root = Callable[[], Any]
"""Gives what a name or a place means now."""


@dataclass(slots=True)
class Noted:
    """What traces met: the functions that they ran, and objects that are part of the program.

    Attributes
    ----------
    functions : dict
        The user's functions, by their identity.
    objects : dict
        Static arguments, and the classes of arguments, by their identity, each with its name.
    references : dict
        Arrays from outside that the program reads at each run, by their address.
    """

    functions: dict[int, FunctionType] = field(default_factory=dict)
    objects: dict[int, tuple[str, Any]] = field(default_factory=dict)
    references: dict[int, Any] = field(default_factory=dict)


class _Running(threading.local):
    noted: Noted | None = None


_running = _Running()


@contextmanager
def noting() -> Iterator[Noted]:
    """Collect the functions that are traced in the block."""
    before, _running.noted = _running.noted, Noted()
    try:
        yield _running.noted
    finally:
        _running.noted = before


def note(function: FunctionType, rewritten: bool = True) -> None:
    """Let the trace that is running know that it runs a function of the user's.

    One that is not rewritten calls others without a word: they are noted with it.
    """
    if _running.noted is not None:
        _enter(_running.noted.functions, function, rewritten)


def note_object(label: str, x: Any) -> None:
    """Let the trace that is running know of an object that is part of the program."""
    if _running.noted is not None:
        _running.noted.objects[id(x)] = (label, x)


def note_references(arrays: Iterable[Any]) -> None:
    """Let the trace that is running know of arrays that the program reads anew at each run."""
    if _running.noted is None:
        return
    for x in arrays:
        # A view is read where the array is that it is a view of.
        while isinstance(x, np.ndarray):
            _running.noted.references[address(x)] = x
            x = x.base  # noqa: PLW2901


def _enter(functions: dict[int, FunctionType], function: FunctionType, rewritten: bool) -> None:
    if id(function) in functions or is_library(str(function.__globals__.get("__name__", ""))):
        return
    functions[id(function)] = function
    if not rewritten:
        for _, _, root in _roots_of(function):
            with suppress(KeyError, ValueError):
                if isinstance(called := root(), FunctionType):
                    _enter(functions, called, rewritten=False)


class Settled:
    """What programs took for settled, as it was after the last of their traces."""

    def __init__(self) -> None:
        self._functions: dict[int, FunctionType] = {}
        self._roots: dict[Hashable, tuple[str, Root]] = {}
        self._attributes: set[str] = set()
        self._everything = False
        self._references: dict[int, Any] = {}
        self._marks: dict[Hashable, tuple[str, Mark]] = {}

    def add(self, noted: Noted) -> None:
        """Add what a trace met, and take all for settled as it is now: what the trace changed itself is its own."""
        for label, x in noted.objects.values():
            self._roots.setdefault(id(x), (label, partial(_same, x)))
        self._references |= noted.references
        new = noted.functions
        while True:
            self._add_functions(new)
            now = self._now()
            new = {}
            for function in now.implicit.values():
                _enter(new, function, rewritten=False)
            if new.keys() <= self._functions.keys() and now.named <= self._attributes:
                break
            self._attributes |= now.named
        self._marks = now.marks

    def _add_functions(self, functions: dict[int, FunctionType]) -> None:
        for function in functions.values():
            reads = reads_of(function.__code__)
            self._attributes |= reads.attributes
            self._everything |= reads.everything
            for key, label, root in _roots_of(function):
                if _holds_no_tracer(root):
                    self._roots.setdefault(key, (label, root))
        self._functions |= functions

    def changes(self) -> list[str]:
        """Return what has changed, a sentence for each: ``k has changed from 2.0 to 5.0``."""
        before, now = self._marks, self._now().marks
        found = []
        for key, (label, _) in (before | now).items():
            old, new = (marks[key][1] if key in marks else MISSING for marks in (before, now))
            if old != new:
                found.append(f"{label} {old.change_to(new)}")
        return found

    def _now(self) -> Marking:
        marking = Marking(None if self._everything else self._attributes, self._references.keys())
        for key, (label, root) in self._roots.items():
            marking.root(key, label, root)
        return marking


def _same(x: Any) -> Any:
    return x


def _holds_no_tracer(root: Root) -> bool:
    """Whether a root is of a function from outside, rather than one that the trace made around its values."""
    try:
        return not isinstance(root(), Tracer)
    except (KeyError, ValueError):
        return True


def _roots_of(function: FunctionType) -> Iterator[tuple[Hashable, str, Root]]:
    code, scope = function.__code__, function.__globals__
    reads = reads_of(code)
    for name in sorted(reads.names):
        yield (id(scope), name), name, partial(scope.__getitem__, name)
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        if name in reads.cells:
            yield id(cell), name, partial(_contents, cell)
    for name, level in sorted(reads.modules):
        package = scope.get("__package__") if level else None
        yield (name, level, package), name, partial(_module, name, level, package)
    for name in _defaults(function):
        label = f"the default of {name} of {function.__name__}"
        yield (id(function), name), label, partial(_default, function, name)


def _contents(cell: CellType) -> Any:
    return cell.cell_contents


def _module(name: str, level: int, package: str | None) -> Any:
    try:
        return sys.modules[resolve_name("." * level + name, package)]
    except ImportError as error:
        raise KeyError(name) from error


def _defaults(function: FunctionType) -> dict[str, Any]:
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    last = dict(zip(reversed(positional), reversed(function.__defaults__ or ()), strict=False))
    return {**last, **(function.__kwdefaults__ or {})}


def _default(function: FunctionType, name: str) -> Any:
    return _defaults(function)[name]
