"""How the user's functions are pickled: by name, or by value where the pickler does so, as cloudpickle does.

What goes by value loses its file, which conversion reads; so the text of the file goes along.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, SupportsIndex


def imported(module: str | None, name: str) -> Any:
    """Return what a module that is imported has under a name, None if there is no such thing.

    Examples
    --------
    >>> imported("jitdiff.ops.pickled", "Source.__init__") is Source.__init__
    True
    """
    found: Any = sys.modules.get(module or "")
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def goes_by_value(module: str | None) -> bool:
    """Say whether the pickler at work takes functions of a module by value, found by that name or not."""
    pickler = _pickler()
    if pickler is None:
        return False
    registered = pickler.get("list_registry_pickle_by_value", frozenset)()
    parts = (module or "").split(".")
    return parts == ["__main__"] or any(".".join(parts[: k + 1]) in registered for k in range(len(parts)))


def takes_values() -> bool:
    """Say whether the pickler at work takes by value the functions that have no name."""
    return _pickler() is not None


class Named:
    """A callable object in the place of a function of the user's, pickled as that function is: by name if it can be."""

    __qualname__: str

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        if imported(self.__module__, self.__qualname__) is self and not goes_by_value(self.__module__):
            return str(self.__qualname__)
        return super().__reduce_ex__(protocol)


def _pickler() -> dict[str, Any] | None:
    """Return the globals of the pickler at work if it takes functions by value, as cloudpickle and dill do.

    A pickler says nothing about itself to what it pickles, but it is what calls. What dask tries first is pickle, and
    cloudpickle takes what that refuses.
    """
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        module = str(frame.f_globals.get("__name__"))
        if {"cloudpickle", "dill", "distributed"} & set(module.split(".")):
            return frame.f_globals
        if module != "pickle" and not module.startswith("jitdiff."):
            return None
    return None


class Source:
    """The text of a file that functions were read from.

    Where it is made, functions of that text are known by their code: cloudpickle takes the name of the file away.
    """

    def __init__(self, filename: str, text: str) -> None:
        self.filename = filename
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self.filename, self.text)


_files: dict[CodeType, str] = {}
"""The files of code that came by value. Code is equal to other code whatever its file."""


def _received(filename: str, text: str) -> Source:
    if "".join(linecache.getlines(filename)) != text:
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    _files.update(dict.fromkeys(_codes_in(compile(text, filename, "exec", dont_inherit=True)), filename))
    return _source(filename, text)


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes_in(const)


def located(code: CodeType) -> CodeType:
    """Return the code of a function with the name of the file that it was read from."""
    filename = _files.get(code, code.co_filename) if _files else code.co_filename
    return code if filename == code.co_filename else code.replace(co_filename=filename)


def source_of(function: Any) -> Source | None:
    """Return the source of a function that the pickler at work takes by value, None for any other."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType) or not takes_values():
        return None
    if imported(function.__module__, function.__qualname__) is function and not goes_by_value(function.__module__):
        return None
    filename = located(function.__code__).co_filename
    text = "".join(linecache.getlines(filename, function.__globals__))
    return _source(filename, text) if text else None


# One object for all functions of a file, so that a pickle has the text once.
_source = lru_cache(maxsize=8)(Source)
