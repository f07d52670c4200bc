"""Checking derivatives against differences of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.api.transforms import jvp, vjp
from jitdiff.errors import ArgumentError
from jitdiff.frontend import flatten, unflatten
from jitdiff.ir import type_of


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of a function against central differences, along random directions.

    Parameters
    ----------
    f : callable
        Function, plain or compiled.
    args : sequence
        Where to check; floating leaves are varied.
    order : int
        Highest order of derivative to check.
    modes : sequence of "fwd", "rev"
        Whether to check `jvp`, `vjp` or both; of higher orders, every mixture.
    atol, rtol : float, optional
        Tolerances, by default 1e-6 for float64 and 2e-2 for float32, and ten times as much for each further order.
    eps : float, optional
        Step of the differences, by default the cube root of the dtype's precision.

    Raises
    ------
    AssertionError
        Naming mode, order, and both numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.check_grads(lambda x: np.sum(np.sin(x) * x), (np.array([0.3, 1.2]),))
    """
    if unknown := set(modes) - {"fwd", "rev"}:
        raise ArgumentError(f"check_grads: modes are fwd and rev, not {', '.join(map(repr, sorted(unknown)))}")
    single = any(getattr(x, "dtype", None) == np.float32 for x in flatten(tuple(args))[0])
    tolerance = 2e-2 if single else 1e-6
    step = eps or (5e-3 if single else 6e-6)
    rng = np.random.default_rng(0)
    _check(f, tuple(args), order, modes, atol or tolerance, rtol or tolerance, step, rng, "")


def _check(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    modes: Sequence[str],
    atol: float,
    rtol: float,
    eps: float,
    rng: np.random.Generator,
    path: str,
) -> None:
    if order <= 0:
        return
    tangents = tuple(_direction(x, rng) for x in args)
    ahead, behind = f(*_moved(args, tangents, eps)), f(*_moved(args, tangents, -eps))
    differences = [(a - b) / (2 * eps) for a, b in zip(_floats(ahead), _floats(behind), strict=True)]
    more = (order - 1, modes, 10 * atol, 10 * rtol, 10 * eps, rng)
    if "fwd" in modes:
        _, dots = jvp(f, args, tangents)
        for got, want in zip(_floats(dots, f(*args)), differences, strict=True):
            _compare(got, want, atol, rtol, f"{path}fwd")
        _check(lambda *xs: jvp(f, xs, tangents)[1], args, *more, f"{path}fwd of ")
    if "rev" in modes:
        y, pullback = vjp(f, *args)
        seed = _direction(y, rng)
        cotangents = pullback(seed)
        got = sum(np.vdot(g, t) for g, t in zip(_floats(cotangents, args), _floats(tangents, args), strict=True))
        want = sum(np.vdot(s, d) for s, d in zip(_floats(seed, y), differences, strict=True))
        _compare(got, want, atol, rtol, f"{path}rev")
        _check(lambda *xs: _present(vjp(f, *xs)[1](seed)), args, *more, f"{path}rev of ")


def _compare(got: Any, want: Any, atol: float, rtol: float, mode: str) -> None:
    np.testing.assert_allclose(got, want, rtol, atol, err_msg=f"{mode}: the derivative differs from differences")


def _floating(x: Any) -> bool:
    return isinstance(x, float | np.ndarray | np.generic) and type_of(x).is_float


def _direction(tree: Any, rng: np.random.Generator) -> Any:
    """Return a random direction in the shape of a tree, None for what cannot move."""
    leaves, spec = flatten(tree)
    return unflatten(
        spec, [rng.standard_normal(np.shape(x)).astype(type_of(x).dtype)[()] if _floating(x) else None for x in leaves]
    )


def _moved(args: tuple[Any, ...], tangents: tuple[Any, ...], by: float) -> tuple[Any, ...]:
    leaves, spec = flatten(args)
    steps: list[Any] = spec.flatten_up_to(tangents)  # type: ignore[arg-type]
    return tuple(
        unflatten(
            spec, [x if t is None else x + t * type_of(x).dtype.type(by) for x, t in zip(leaves, steps, strict=True)]
        )
    )


def _floats(tree: Any, like: Any = None) -> list[Any]:
    """Return the leaves of `tree` where those of `like` (the tree itself by default) are floating."""
    likes, spec = flatten(tree if like is None else like)
    return [x for x, y in zip(spec.flatten_up_to(tree), likes, strict=True) if _floating(y)]


def _present(cotangents: tuple[Any, ...]) -> list[Any]:
    return [x for x in flatten(cotangents)[0] if x is not None]
