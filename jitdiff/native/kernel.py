"""Emitted text, compiled or found in the cache, as a function to call."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from jitdiff.config import settings
from jitdiff.ir import Dim, Emitted
from jitdiff.native import cache as disk
from jitdiff.native import records
from jitdiff.native.entry import Entry
from jitdiff.native.signals import WorkspaceTooSmall
from jitdiff.threads import Lock

_log = logging.getLogger("jitdiff")
_lock = Lock()
_machine_code: WeakValueDictionary[tuple[str, bool], _MachineCode] = WeakValueDictionary()
_kernels: WeakValueDictionary[tuple[Emitted, bool, bool], Kernel] = WeakValueDictionary()
_ALIGNMENT = 64

_while_forking = ExitStack()


def _before_fork() -> None:
    """Wait for what is being compiled: a child would find Numba changed half-way, and locks that nobody releases."""
    _while_forking.enter_context(_lock)
    for module, attribute in (("numba.core.compiler_lock", "global_compiler_lock"), ("llvmlite.binding.ffi", "lib")):
        # The user may compile functions with Numba too.
        lock = getattr(getattr(sys.modules.get(module), attribute, None), "_lock", None)
        if lock is not None:
            _while_forking.enter_context(lock)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_while_forking.close, after_in_child=_while_forking.close)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class _MachineCode:
    """Machine code, which modules share that differ in the shapes and the workspace of their callers only.

    Attributes are those of `Kernel`.
    """

    dispatcher: Any
    path: str
    cache_hit: bool
    compile_seconds: float


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False, repr=False)
class Kernel:
    """A native function.

    Parameters
    ----------
    call : callable
        ``call(*args)`` with arguments of exactly the types of ``emitted.params``: arrays in C order, read-only or not,
        and scalars. Another dtype, rank or order of an array raises TypeError, but scalars are converted as C does,
        silently: the caller makes sure of theirs. Other shapes raise `NotMine`. The interpreter lock is released
        meanwhile.
    emitted : Emitted
        What it was compiled from.
    code : object
        Its machine code, which kernels of equal text share.
    """

    call: Callable[..., Any]
    emitted: Emitted
    code: _MachineCode

    @property
    def dispatcher(self) -> Any:
        """Numba's function, which takes the workspace first; other compiled code can call it."""
        return self.code.dispatcher

    def run(self, workspace: npt.NDArray[np.uint8], args: Sequence[Any], outs: Sequence[Any]) -> Any:
        """Return what the entry returns for arguments and arrays to be filled."""
        return _runner(self.dispatcher, self.emitted)(workspace, args, outs)

    @property
    def path(self) -> str:
        """The file of the text."""
        return self.code.path

    @property
    def cache_hit(self) -> bool:
        """Whether it was loaded, not compiled."""
        return self.code.cache_hit

    @property
    def compile_seconds(self) -> float:
        """Seconds that building it took."""
        return self.code.compile_seconds

    def __repr__(self) -> str:
        return f"<jitdiff kernel {self.emitted.entry}, {self}>"

    def __str__(self) -> str:
        return f"{'loaded from the cache' if self.cache_hit else 'compiled'} in {self.compile_seconds:.2f} s"


def build(emitted: Emitted, *, cache: bool = True, parallel: bool = False) -> Kernel:
    r"""Compile an emitted module, or load it from the cache.

    Parameters
    ----------
    emitted : Emitted
        The module.
    cache : bool
        Whether the machine code is looked up and kept on disk.
    parallel : bool
        Whether Numba may run loops on several threads.

    Returns
    -------
    Kernel
        The same one for the same module, as long as it is in use.

    Raises
    ------
    CacheError
        If the cache folder cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from jitdiff.ir import ArrayType
    >>> vector = ArrayType(np.dtype(float), (3,))
    >>> source = "def total(ws, x):\n    return x[0] + x[1] + x[2]\n"
    >>> kernel = build(Emitted(source, "total", ("total",), (vector,), (ArrayType(np.dtype(float)),), 0))
    >>> kernel.call(np.ones(3))
    3.0
    """
    with _lock:
        key = emitted, cache, parallel
        kernel = _kernels.get(key)
        if kernel is None:
            code = _shared(emitted, cache=cache, parallel=parallel)
            kernel = _kernels[key] = Kernel(_caller(code.dispatcher, emitted), emitted, code)
            _log.info("%s: %s", emitted.entry, kernel)
    return kernel


def _shared(emitted: Emitted, *, cache: bool, parallel: bool) -> _MachineCode:
    from jitdiff.native import compiler

    name = f"{emitted.entry[:80]}_{compiler.digest(emitted, parallel=parallel)}"
    code = _machine_code.get((name, cache))
    if code is None:
        code = _machine_code[(name, cache)] = _built(emitted, name, cache=cache, parallel=parallel)
    return code


def _built(emitted: Emitted, name: str, *, cache: bool, parallel: bool) -> _MachineCode:
    from jitdiff.native import compiler

    start = time.perf_counter()
    entry = Entry(settings().cache_dir, name)
    path = str(entry.module) if cache else f"<jitdiff {name}>"

    def make(folder: Path | None) -> tuple[Any, bool]:
        made = compiler.compile_text(emitted, name, path, folder=folder, parallel=parallel)
        return made, bool(sum(made.stats.cache_hits.values()))

    dispatcher, hit = disk.through(entry, compiler.stored(emitted.source), make) if cache else make(None)
    return _MachineCode(dispatcher, path, hit, time.perf_counter() - start)


def _packed_caller(dispatcher: Any, emitted: Emitted, workspace: _Workspace) -> Callable[..., Any]:
    """Return `dispatcher` as a function of the arguments one by one."""
    run = _runner(dispatcher, emitted)

    def packed(*args: Any) -> Any:
        outs = emitted.fresh(args)
        try:
            returned = run(workspace.bytes, args, outs)
        except WorkspaceTooSmall as error:
            workspace.bytes = aligned(error.args[0])
            returned = run(workspace.bytes, args, outs)
        results = emitted.collect(returned, outs)
        return results if len(results) > 1 else results[0]

    return packed


def _runner(dispatcher: Any, emitted: Emitted) -> Callable[..., Any]:
    """Return `dispatcher` as a function of workspace, arguments and outs."""
    if not emitted.packed:
        return lambda workspace, args, outs: dispatcher(workspace, *args, *outs)

    def run(workspace: npt.NDArray[np.uint8], args: Sequence[Any], outs: Sequence[Any]) -> Any:
        # The name keeps the arrays until native code is done with them.
        arrays, *scalars = emitted.arguments(args, outs)
        return dispatcher(workspace, records.addresses(arrays), *scalars)

    return run


class _Workspace(threading.local):
    """The bytes that one thread gives to one function."""

    def __init__(self, size: int) -> None:
        self.bytes = aligned(size)


def aligned(size: int) -> npt.NDArray[np.uint8]:
    """Return `size` bytes that start on a cache line.

    Examples
    --------
    >>> aligned(100).ctypes.data % 64
    0
    """
    block = np.empty(size + _ALIGNMENT, np.uint8)
    start = -block.ctypes.data % _ALIGNMENT
    return block[start : start + size]


def _caller(dispatcher: Any, emitted: Emitted) -> Callable[..., Any]:
    """Return `dispatcher` with the workspace of the calling thread and fresh arrays for its outs.

    The common kinds of results have a function of their own, for each step takes a tenth of the call.
    """
    workspace = _Workspace(emitted.workspace)
    if emitted.packed:
        return _packed_caller(dispatcher, emitted, workspace)

    def run(*args: Any) -> Any:
        try:
            return dispatcher(workspace.bytes, *args)
        except WorkspaceTooSmall as error:
            workspace.bytes = aligned(error.args[0])
        return dispatcher(workspace.bytes, *args)

    if not emitted.outs:
        return run
    symbolic = any(isinstance(n, Dim) for k in emitted.outs for n in emitted.results[k].shape)
    others = len(emitted.results) - len(emitted.outs)
    if not symbolic and len(emitted.outs) > 1 and others < 2 and emitted.outs[0] == others:
        fresh = [partial(np.empty, emitted.results[k].shape, emitted.results[k].dtype) for k in emitted.outs]

        def several(*args: Any) -> Any:
            outs = [make() for make in fresh]
            other = run(*args, *outs)
            return (other, *outs) if others else tuple(outs)

        return several
    if symbolic or len(emitted.outs) > 1 or len(emitted.results) > 2:

        def general(*args: Any) -> Any:
            outs = emitted.fresh(args)
            results = emitted.collect(run(*args, *outs), outs)
            return results if len(results) > 1 else results[0]

        return general
    empty, (position,) = np.empty, emitted.outs
    shape: Any = emitted.results[position].shape
    dtype = emitted.results[position].dtype
    shape = shape[0] if len(shape) == 1 else shape

    def alone(*args: Any) -> Any:
        out = empty(shape, dtype)
        run(*args, out)
        return out

    def last(*args: Any) -> Any:
        out = empty(shape, dtype)
        return run(*args, out), out

    def first(*args: Any) -> Any:
        out = empty(shape, dtype)
        return out, run(*args, out)

    return alone if len(emitted.results) == 1 else last if position == 1 else first
