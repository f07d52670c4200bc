"""Checking derivatives against differences of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from jitdiff.api import worlds
from jitdiff.api.calls import Call
from jitdiff.api.compiled import Compiled
from jitdiff.api.progress import told
from jitdiff.errors import ArgumentError, MismatchError
from jitdiff.frontend import Signature, leaf_names
from jitdiff.ir import type_of

Leaves = Sequence[Any]
Path = tuple[str, ...]
"""A mixture of modes, the first applied first."""


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

    Of a compiled function all first derivatives are compiled as one program. Those of higher order, unless they have
    loops, are computed by NumPy from the program, which takes no compiling. What is under way is logged at level INFO
    by the logger ``jitdiff``, and said on stderr where that is a terminal and it takes more than two seconds.

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
        Tolerances, by default 1e-6, or 2e-2 where an argument or a result is float32, and ten times as much for each
        further order.
    eps : float, optional
        Step of the differences, by default the cube root of the dtype's precision.

    Raises
    ------
    MismatchError
        An AssertionError that names the modes, with a table of both numbers for each argument.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.check_grads(lambda x: np.sum(np.sin(x) * x), (np.array([0.3, 1.2]),))
    """
    if unknown := set(modes) - {"fwd", "rev"}:
        raise ArgumentError(f"check_grads: modes are fwd and rev, not {', '.join(map(repr, sorted(unknown)))}")
    call = Call("check_grads", f, tuple(args), {}, tuple(range(len(args))))
    below = _Level(call, tuple(modes))
    single = any(type_of(x).dtype == np.float32 for x in (*call.leaves, *below.values(call.leaves)[()]))
    tolerance = 2e-2 if single else 1e-6
    step = eps or (5e-3 if single else 6e-6)
    for k in range(order):
        scale = 10.0**k
        with told(f"check_grads: {_ORDINALS.get(k + 1, f'derivatives of order {k + 1}')} of {call.name}"):
            level = below.above(np.random.default_rng(k))
            _compare(level, below, step * scale, (atol or tolerance) * scale, (rtol or tolerance) * scale)
        below = level


_ORDINALS = {1: "first derivatives", 2: "second derivatives"}


@dataclass(eq=False)
class _Level:
    """All derivatives of one order, each mixture of modes along random directions.

    Parameters
    ----------
    call : Call
        The function.
    modes : tuple of str
        Modes to mix.
    tangents, seeds : list
        For each order, the direction in which forward mode goes; and for each derivative of one order less, the
        cotangents that reverse mode pulls back.
    """

    call: Call
    modes: Path
    tangents: list[Leaves] = field(default_factory=list)
    seeds: list[dict[Path, Leaves]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.order = len(self.tangents)
        self.paths: list[Path] = list(product(self.modes, repeat=self.order))
        self._run = self._plain
        if isinstance(self.call.f, Compiled) and self.order:
            self._run = _program(self._plain, f"{self.call.name}_derivatives", self.order)

    def above(self, rng: np.random.Generator) -> _Level:
        """Return the derivatives of one order more."""
        below = self.values(self.call.leaves)
        seeds: dict[Path, Leaves] = {path: [_direction(y, rng) for y in ys] for path, ys in below.items()}
        tangent = [_direction(x, rng) for x in self.call.leaves]
        return _Level(self.call, self.modes, [*self.tangents, tangent], [*self.seeds, seeds])

    def values(self, leaves: Leaves, tangent: Leaves | None = None) -> dict[Path, list[Any]]:
        """Return all derivatives at `leaves`, the last forward mode in another direction if one is given."""
        last = self.tangents[-1] if self.tangents else ()
        found = self._run(list(leaves), list(last if tangent is None else tangent))
        return dict(zip(self.paths, found, strict=True))

    def _plain(self, leaves: Leaves, tangent: Leaves) -> list[list[Any]]:
        tangents = [*self.tangents[:-1], tangent]
        return [list(self._derivative(path, tangents)(*leaves)) for path in self.paths]

    def _derivative(self, path: Path, tangents: Sequence[Leaves]) -> worlds.Flat:
        if not path:
            return lambda *xs: [y for y in self.call(*xs) if type_of(y).is_float]
        *before, mode = path
        k = len(before)
        inner = self._derivative(tuple(before), tangents)
        if mode == "fwd":
            return lambda *xs: worlds.jvp(inner, xs, tangents[k])[1]
        return lambda *xs: worlds.vjp(inner, xs)[1](self.seeds[k][tuple(before)])


def _program(function: Callable[..., Any], name: str, order: int) -> Callable[..., Any]:
    """Return a function compiled, or computed by NumPy as the program it is traced to."""

    def run(leaves: Leaves, tangent: Leaves) -> list[list[Any]]:
        return function(leaves, tangent)  # type: ignore[no-any-return]

    run.__name__ = name
    compiled: Compiled[..., Any] = Compiled(run)
    if order == 1:
        return compiled
    return lambda *args: compiled(*args) if compiled.specialisation(*args).has_loops else compiled.interpreted(*args)


def _compare(level: _Level, below: _Level, eps: float, atol: float, rtol: float) -> None:
    """Compare derivatives with differences of those of one order less."""
    leaves, tangent = level.call.leaves, level.tangents[-1]
    differences = _differences(below, leaves, tangent, eps)
    for path, found in level.values(leaves).items():
        *before, mode = path
        changes, seeds = differences[tuple(before)], level.seeds[-1][tuple(before)]
        # Forward mode gives the changes of results, reverse mode that of their sum weighted by the seeds.
        pairs = [(_dot(found, tangent), _dot(seeds, changes))] if mode == "rev" else zip(found, changes, strict=True)
        if not all(np.allclose(got, want, rtol, atol, equal_nan=True) for got, want in pairs):
            raise MismatchError(_report(level, below, path, eps, atol, rtol))


def _differences(level: _Level, leaves: Leaves, tangent: Leaves, eps: float) -> dict[Path, list[Any]]:
    ahead, behind = (
        level.values([_moved(x, t, by) for x, t in zip(leaves, tangent, strict=True)]) for by in (eps, -eps)
    )
    return {p: [(a - b) / (2 * eps) for a, b in zip(ahead[p], behind[p], strict=True)] for p in ahead}


def _report(level: _Level, below: _Level, path: Path, eps: float, atol: float, rtol: float) -> str:
    """Return a table of what each argument alone contributes, by the derivative and by differences."""
    *before, mode = path
    call, seeds = level.call, level.seeds[-1][tuple(before)]
    names = [n for k, s in enumerate(call.specs) for n in leaf_names(s, Signature(call.f).argument_name(k))]
    rows = []
    for k, name in enumerate(call.moving(names)):
        only = [t if n == k else 0 * t for n, t in enumerate(level.tangents[-1])]
        found = level.values(call.leaves, only)[path]
        got = _dot(found, only) if mode == "rev" else _dot(seeds, found)
        want = _dot(seeds, _differences(below, call.leaves, only, eps)[tuple(before)])
        off = "" if np.allclose(got, want, rtol, atol, equal_nan=True) else "  <--"
        rows.append(f"  {name:<16} {got:>15.8g} {want:>15.8g} {abs(got - want):>10.2g}{off}")
    title = " of ".join(reversed(path))
    return "\n".join(
        [
            f"check_grads of {call.name}, {title}: the derivative differs from differences",
            f"  {'argument':<16} {'derivative':>15} {'differences':>15} {'error':>10}",
            *rows,
        ]
    )


def _moved(x: Any, tangent: Any, by: float) -> Any:
    """Return a leaf moved along a tangent, of the same type: a Python float stays one."""
    moved = x + tangent * type_of(x).dtype.type(by)
    return float(moved) if type(x) is float else moved


def _dot(xs: Leaves, ys: Leaves) -> Any:
    return sum(np.vdot(x, y) for x, y in zip(xs, ys, strict=True))


def _direction(x: Any, rng: np.random.Generator) -> Any:
    """Return a random direction in the shape of an array or a scalar."""
    return rng.standard_normal(np.shape(x)).astype(type_of(x).dtype)[()]
