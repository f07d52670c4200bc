"""Tracing, emitting and running small programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jitdiff as jd
from jitdiff.codegen import emit
from jitdiff.ir import ArrayType, Block, Builder, Emitted, Value, type_of, verify
from jitdiff.ir.builder import building
from jitdiff.ops import Tracer
from jitdiff.ops.replay import evaluate
from jitdiff.ops.tracer import lift

Function = Callable[..., Any]


def trace(function: Function, args: Sequence[Any], names: str = "", shapes: Sequence[Any] = ()) -> Block:
    """The program of a function of arrays that returns an array or a tuple of arrays."""
    labels = names.split() or [""] * len(args)
    types = [ArrayType(t.dtype, t.shape) for t in map(type_of, args)]
    types = [ArrayType(t.dtype, tuple(s)) for t, s in zip(types, shapes, strict=True)] if shapes else types
    params = tuple(Value(t, n) for t, n in zip(types, labels, strict=True))
    builder = Builder(params, name="f")
    with building(builder):
        results = function(*map(Tracer, params))
        block = builder.finish([lift(r) for r in (results if isinstance(results, tuple) else (results,))])
    return verify(block)


def load(emitted: Emitted, wrap: Function = lambda f: f) -> Function:
    """The entry function of an emitted module, each function in it passed through `wrap`."""
    scope: dict[str, Any] = {}
    source = emitted.source
    exec(compile(source, "<emitted>", "exec"), scope)
    for name in emitted.functions:
        scope[name] = wrap(scope[name])
    return scope[emitted.entry]


def workspace(emitted: Emitted, size: int | None = None) -> np.ndarray:
    """A workspace in which whatever is read before it is written shows."""
    size = emitted.workspace if size is None else size
    raw = np.full(size + 64, 0xFF, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def prepared(args: Sequence[Any]) -> list[Any]:
    """Arguments as the native layer hands them on: contiguous, read-only where they are arrays."""
    found = []
    for a in args:
        if np.ndim(a):
            a = np.ascontiguousarray(a)
            a.flags.writeable = False
        found.append(a)
    return found


def run(emitted: Emitted, args: Sequence[Any], wrap: Function = lambda f: f, size: int | None = None) -> list[Any]:
    """Results of the emitted text, with `size` bytes of workspace if not as many as it says."""
    with np.errstate(all="ignore"):
        outs = emitted.fresh(args)
        returned = load(emitted, wrap)(workspace(emitted, size), *emitted.arguments(prepared(args), outs))
    return list(emitted.collect(returned, outs))


def agrees_with_the_tape(function: Function, args: Sequence[Any], rtol: float = 1e-11, size: int = 100_000) -> str:
    """The text of value and gradients of a function of two arrays, which agrees with the tape, run and compiled."""
    gradients = jd.value_and_grad(jd.compile(function), argnums=(0, 1))
    emitted = gradients.specialisation(*args).emitted
    value, found = jd.value_and_grad(function, argnums=(0, 1))(*args)
    compiled, of_compiled = gradients(*args)
    for have in (run(emitted, args, size=size), (compiled, *of_compiled)):
        for a, b in zip(have, (value, *found), strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-11, err_msg=emitted.source)
    return emitted.source


def same(have: Sequence[Any], want: Sequence[Any], rtol: float = 1e-12) -> None:
    """Fail unless results agree in value, shape and (arrays) dtype."""
    assert len(have) == len(want)
    for a, b in zip(have, want, strict=True):
        assert np.shape(a) == np.shape(b)
        if np.ndim(b):
            assert a.dtype == np.asarray(b).dtype
            assert a.flags.c_contiguous
        tolerance = 1e-5 if np.asarray(b).dtype == np.float32 else rtol
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def check(function: Function, *args: Any, wrap: Function = lambda f: f, names: str = "") -> Emitted:
    """Emit a function, run the text on arguments, and compare with the program evaluated by NumPy."""
    block = trace(function, args, names)
    args = (*args, *block.captured)
    want = evaluate(block, args)
    emitted = emit(block, "f")
    try:
        have = run(emitted, args, wrap)
        same(have, want)
        for h in have:
            assert not any(np.ndim(h) and np.ndim(a) and np.shares_memory(h, a) for a in args)
    except Exception as error:
        error.add_note(f"{block}\n{emitted.source}")
        raise
    assert emit(trace(function, args[: len(args) - len(block.captured)], names), "f").source == emitted.source
    return emitted
