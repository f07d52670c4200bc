"""Programs of cases and of their derivatives, and how closely results must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff import ad
from jitdiff.ir import Block, type_of
from jitdiff.ir.builder import current_builder
from jitdiff.ops import OPS, lift
from tests.ops.cases import Case
from tests.tracing import trace

STENCIL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
STEP = 1e-3


def is_array(x: Any) -> bool:
    """Whether `x` is a NumPy array or scalar."""
    return isinstance(x, np.ndarray | np.generic)


def is_float(x: Any) -> bool:
    """Whether `x` is a floating NumPy array or scalar."""
    return is_array(x) and x.dtype.kind == "f"


def program(call: Callable[..., Sequence[Any]], args: Sequence[Any]) -> Block:
    """Return the program that `call` traces to with arguments like `args`."""
    return trace(call, *args, names=[f"x{k}" for k in range(len(args))])


def evaluate(block: Block, args: Sequence[Any]) -> list[Any]:
    """Return the results of a program on arguments, with the arrays that it captured."""
    return ad.evaluate(block, [*args, *block.captured])


def tolerance(want: Any, double: float = 1e-12, single: float = 2e-6) -> dict[str, float]:
    """Return the tolerance for a result of the precision of `want`."""
    error = single if np.asarray(want).dtype == np.float32 else double
    return {"rtol": error, "atol": error}


def tolerance_of_case(case: Case, double: float, single: float) -> dict[str, float]:
    """Return the tolerance for the derivatives of a case, some of whose results may be in single precision."""
    leaves = case.draw()
    rough = any(x.dtype == np.float32 for x in (*leaves, *case.numpy(*leaves)) if is_float(x))
    return {"rtol": single if rough else double, "atol": single if rough else double / 10}


def cotangents(results: Sequence[Any]) -> list[Any]:
    """Return weights for the floating ones among results."""
    rng = np.random.default_rng(5)
    return [rng.uniform(0.5, 1.5, w.shape).astype(w.dtype)[()] for w in results if is_float(w)]


def directions(leaves: Sequence[Any]) -> list[Any | None]:
    """Return a direction for each leaf, None for those that are not floating."""
    rng = np.random.default_rng(7)
    return [rng.uniform(-1, 1, x.shape)[()] if is_float(x) else None for x in leaves]


def weighted(case: Case, gs: Sequence[Any]) -> Callable[..., Any]:
    """Return the case as a function to a scalar: its floating results times weights, summed."""

    def total(*leaves: Any) -> Any:
        floats = [y for y in case.numpy(*leaves) if is_float(y)]
        return sum(np.sum(y * g) for y, g in zip(floats, gs, strict=True))

    return total


def gradient(case: Case, leaves: Sequence[Any], gs: Sequence[Any]) -> Block:
    """Return the program of the gradients of the weighted case by its leaves, zeros where none is connected."""

    def call(*args: Any) -> list[Any]:
        xs, weights = args[: len(leaves)], args[len(leaves) :]
        builder, fresh = current_builder(), [OPS["identity"](x) for x in xs]
        start = len(builder.block.nodes)
        floats = [lift(y) for y in case(*fresh) if type_of(y).is_float]
        found = ad.pull(builder, start, list(zip(floats, weights, strict=True)), [x.atom for x in fresh])
        return [np.zeros(x.shape) if g is None else g for x, g in zip(leaves, found, strict=True)]

    return program(call, [*leaves, *gs])


def pushed(block: Block, primals: Sequence[Any], tangents: Sequence[Any | None]) -> list[Any]:
    """Return the derivatives of the results of a program along tangents, computed by forward mode."""

    def call(*args: Any) -> list[Any]:
        moving = iter(args[len(primals) :])
        dots = [None if t is None else next(moving) for t in tangents]
        xs = [*args[: len(primals)], *block.captured]
        _, found = ad.push(block, xs, [*dots, *(None for _ in block.captured)])
        return [np.zeros(r.shape) if t is None else t for t, r in zip(found, block.results, strict=True)]

    given = [*primals, *(t for t in tangents if t is not None)]
    return evaluate(program(call, given), given)


def along(f: Callable[..., Any], leaves: Sequence[Any], direction: Sequence[Any | None]) -> Any:
    """Return the derivative of `f` along a direction, by differences of fourth order."""
    total = 0.0
    for k, weight in STENCIL.items():
        moved = [x if d is None else x + k * STEP * d for x, d in zip(leaves, direction, strict=True)]
        total = total + weight / STEP * f(*moved)
    return total


def differences(f: Callable[..., Any], leaves: Sequence[Any]) -> list[Any | None]:
    """Return the derivatives of `f` by every element of the floating leaves."""
    grads: list[Any | None] = []
    for n, x in enumerate(leaves):
        if not is_float(x):
            grads.append(None)
            continue
        grad = np.zeros(x.shape)
        for at in np.ndindex(*x.shape):
            unit = np.zeros(x.shape)
            unit[at] = 1.0
            grad[at] = along(f, leaves, [unit if k == n else None for k in range(len(leaves))])
        grads.append(grad)
    return grads
