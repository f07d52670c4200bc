"""Numba, asked to compile one emitted module. Importing this imports Numba."""

from __future__ import annotations

import gc
import hashlib
import itertools
import linecache
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import finalize

import llvmlite
import numba
import numpy as np
from numba.core import types
from numba.core.bytecode import FunctionIdentity
from numba.core.registry import cpu_target
from numba.np.numpy_support import from_dtype

import jitdiff as jd
from jitdiff.ir import ArrayType, Emitted
from jitdiff.native import vecmath
from jitdiff.native.fortran import LARGE_INTEGERS
from jitdiff.native.libraries import linked_only
from jitdiff.native.locator import numba_files
from jitdiff.native.tree import NAMES, tree_of

# Never nnan or ninf: NaN and inf behave as in NumPy.
FASTMATH = frozenset({"reassoc", "contract", "arcp", "nsz"})
_COUNTED = re.compile(r"\bnp\.(?!bool_|float|int|uint)\w+\(|\.copy\(|\benlarged\(|\braise \w+\(")
_USER_LINE = re.compile(r" +# \S+:\d+$", re.MULTILINE)
_NUMBA_SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT")


def digest(emitted: Emitted, *, parallel: bool) -> str:
    """Hash all that the machine code of a module depends on."""
    parts = (
        stored(emitted.source),
        emitted.entry,
        *emitted.functions,
        *(f"{param.dtype.str}{param.ndim}" for param in emitted.params),
        *(f"{emitted.results[k].dtype.str}{emitted.results[k].ndim}" for k in emitted.outs),
        f"parallel={parallel}",
        f"packed={emitted.packed}",
        *_surroundings(),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def stored(source: str) -> str:
    """Return the text without the comments that name the user's lines: moving a function compiles nothing again.

    Examples
    --------
    >>> stored("    z = x * y        # model.py:7")
    '    z = x * y'
    """
    return _USER_LINE.sub("", source)


@cache
def _surroundings() -> tuple[str, ...]:
    """Return versions, processor, vector functions and options, and a digest of this folder, whose code is inlined."""
    here = Path(__file__).parent
    own = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(here.rglob("*.py")))).hexdigest()
    versions = (jd.__version__, numba.__version__, llvmlite.__version__, np.__version__, sys.version)
    # As Numba sees it, so that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES count.
    processor = map(str, cpu_target.target_context.codegen().magic_tuple())
    options = (f"{name}={getattr(numba.config, name, None)}" for name in _NUMBA_SETTINGS)
    return (*versions, *processor, vecmath.fingerprint(), str(LARGE_INTEGERS), *options, own)


def signature(emitted: Emitted) -> tuple[Any, ...]:
    """Return the Numba types of the entry's workspace, parameters and outs.

    Array parameters are read-only ones in C order. Numba passes a writable array where a read-only one is declared
    as it is, so this one signature takes both.
    """
    workspace = types.Array(types.uint8, 1, "C")
    if emitted.packed:
        return (workspace, types.Array(types.intp, 1, "C"), *(_numba_type(p) for p in emitted.params if not p.ndim))
    outs = [emitted.results[k] for k in emitted.outs]
    written = (types.Array(from_dtype(out.dtype), out.ndim, "C") for out in outs)
    return (workspace, *(_numba_type(param) for param in emitted.params), *written)


def _numba_type(param: ArrayType) -> Any:
    element = from_dtype(param.dtype)
    return types.Array(element, param.ndim, "C", readonly=True) if param.ndim else element


def compile_text(emitted: Emitted, name: str, path: str, *, folder: Path | None, parallel: bool) -> Any:
    """Compile the text of a module, or load what Numba kept of it in `folder`; return the entry's dispatcher.

    The module's name is unique, and Numba puts it before the names of the functions, so that their symbols are unique.
    """
    module = ModuleType(name)
    module.__file__ = path
    lines = emitted.source.splitlines(keepends=True)
    # Tracebacks show the text even when there is no file, or no more.
    linecache.cache[path] = (len(emitted.source), None, lines, path)
    # Numba imports the module of what it loads. Nothing else does, so it can go when the dispatcher goes.
    sys.modules[name] = module
    try:
        module.__dict__.update(NAMES)
        tree = tree_of(emitted, stored(emitted.source), path)
        exec(compile(tree, path, "exec"), module.__dict__)  # noqa: S102  the text that codegen wrote
        dispatcher = _compile_module(module, emitted, path, folder=folder, parallel=parallel)
    finally:
        del sys.modules[name]
    finalize(dispatcher, linecache.cache.pop, path, None)
    return dispatcher


def _compile_module(module: ModuleType, emitted: Emitted, path: str, *, folder: Path | None, parallel: bool) -> Any:
    """Compile the functions for the types of the entry's parameters, and for no others later."""
    options: dict[str, Any] = {
        "nopython": True,
        "nogil": True,
        "fastmath": set(FASTMATH),
        "error_model": "numpy",
        "boundscheck": False,
        "parallel": parallel,
        # Counting takes a third of the time to compile, and of a short call.
        "_nrt": counts_references(emitted),
        # A second way in, for C, that nobody takes.
        "no_cfunc_wrapper": True,
    }
    *helpers, entry = (getattr(module, name) for name in emitted.functions)
    for helper in helpers:
        setattr(module, helper.__name__, numba.jit(**options | {"no_cpython_wrapper": True})(helper))
    try:
        files = numba_files(folder, path) if folder else nullcontext()
        with _unique_symbols(), _no_search_for_cycles(), files, linked_only():
            dispatcher = numba.jit(cache=folder is not None, **options)(entry)
            try:
                dispatcher.compile(signature(emitted))
            except OSError:
                # It may be compiled, and not written.
                if not dispatcher.signatures:
                    raise
            dispatcher.disable_compile()
            return dispatcher
    finally:
        # Numba keeps the module as long as the dispatcher lives, so it must not hold a dispatcher in turn.
        for helper in helpers:
            setattr(module, helper.__name__, helper)


def counts_references(emitted: Emitted) -> bool:
    """Say whether a text makes or returns arrays, or raises what holds a value: such are freed by their counts."""
    returned = {k for k, result in enumerate(emitted.results) if result.ndim} - set(emitted.outs)
    functions = emitted.source.partition("\ndef ")[2]
    return bool(returned) or _COUNTED.search(functions) is not None


@contextmanager
def _unique_symbols() -> Iterator[None]:
    """Let the functions that are compiled meanwhile be numbered from a random start.

    Numba tells instances of the same function apart by a counter in their symbols. Counters of two processes agree, so
    cached code of one would be linked against another instance in cached code of the other (numba#10486).
    """
    before = FunctionIdentity._unique_ids
    FunctionIdentity._unique_ids = itertools.count(secrets.randbits(62))
    try:
        yield
    finally:
        FunctionIdentity._unique_ids = before


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Let Python look for no unreachable cycles meanwhile, which takes a seventh of the time and finds little."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
