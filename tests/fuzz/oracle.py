"""What NumPy says of a program: its value, and derivatives along directions by differences whose error is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from tests.fuzz.program import Point, Program, copied

STEPS = (4e-3, 2e-3, 1e-3)


class NotSmooth(Exception):
    """The program cannot be differentiated by differences here: a kink, a jump, a number that is not finite."""


@dataclass(frozen=True)
class Slope:
    """First and second derivative along a direction, with the errors that they may have."""

    first: float
    second: float
    error: float
    second_error: float


def value(program: Program, point: Point) -> Any:
    """Return the value that NumPy gives."""
    with np.errstate(all="ignore"):
        return program.f(*point.contiguous())


def slope(program: Program, point: Point, direction: tuple[Any, ...]) -> Slope:
    """Return the derivatives of the program along a direction, in double precision.

    Raises
    ------
    NotSmooth
        If differences of several steps, or of the two sides, disagree.
    """
    args = wide(point.contiguous())

    def along(t: float) -> float:
        with np.errstate(all="ignore"):
            return float(program.f(*moved(args, direction, t)))

    return by_differences(along)


def by_differences(along: Callable[[float], float]) -> Slope:
    """Return the derivatives at zero of a function of a number, by central differences of three steps."""
    for shrink in (1.0, 0.1):
        steps = [shrink * h for h in STEPS]
        middle = along(0.0)
        sides = [(along(h), along(-h)) for h in steps]
        if not np.all(np.isfinite([middle, *(y for pair in sides for y in pair)])):
            continue
        first, error = _extrapolated([(up - down) / (2 * h) for h, (up, down) in zip(steps, sides, strict=True)])
        bends = [(up - 2 * middle + down) / h**2 for h, (up, down) in zip(steps, sides, strict=True)]
        second, second_error = _extrapolated(bends)
        noise = 1e-15 * max(abs(middle), abs(sides[0][0]), 1.0) / steps[-1]
        scale = max(abs(first), 1.0)
        # At a kink the second differences grow as the step shrinks.
        kink = abs(bends[-1]) > 1.5 * abs(bends[0]) + 100 * noise / steps[-1]
        if error < 1e-7 * scale and not kink:
            return Slope(first, second, error + 100 * noise, second_error + 1000 * noise / steps[-1])
    raise NotSmooth


def _extrapolated(estimates: list[float]) -> tuple[float, float]:
    """Return the limit of estimates of halved steps, whose errors are even powers of the step, and its error."""
    a, b, c = estimates
    ab, bc = b + (b - a) / 3, c + (c - b) / 3
    return bc + (bc - ab) / 15, abs(bc - ab)


def wide(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments with single precision made double."""
    return optree.tree_map(
        lambda x: x.astype(np.float64) if getattr(x, "dtype", None) == np.float32 else x, args, none_is_leaf=True
    )


def moved(args: tuple[Any, ...], direction: tuple[Any, ...], t: float) -> tuple[Any, ...]:
    """Return arguments moved along a direction; what changes in place has memory of its own."""

    def leaf(x: Any, dx: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x + t * dx
        # In place, so that the memory layout stays.
        x += t * dx
        return x

    return tuple(
        copied(arg) if d is None else optree.tree_map(leaf, copied(arg), wide((d,))[0])
        for arg, d in zip(args, direction, strict=True)
    )


def elements(program: Program, point: Point) -> list[np.ndarray]:
    """Return the derivatives by every element of every leaf of the arguments to differentiate by."""
    found = []
    for k in point.argnums:
        leaves, spec = optree.tree_flatten(point.args[k])
        for n, leaf in enumerate(leaves):
            grad = np.zeros(np.shape(leaf))
            for at in np.ndindex(*np.shape(leaf)):
                units = [np.zeros(np.shape(x))[()] for x in leaves]
                unit = np.zeros(np.shape(leaf))
                unit[at] = 1.0
                units[n] = unit[()]
                direction = [None] * len(point.args)
                direction[k] = optree.tree_unflatten(spec, units)
                grad[at] = slope(program, point, tuple(direction)).first
            found.append(grad)
    return found


def inner(grads: Any, direction: Any) -> tuple[float, float]:
    """Return the product of gradients with a direction, and the sum of the sizes of its terms."""
    gs, ds = optree.tree_leaves(grads), optree.tree_leaves(direction)
    terms = [np.asarray(g, float) * np.asarray(d, float) for g, d in zip(gs, ds, strict=True)]
    return float(sum(np.sum(t) for t in terms)), float(sum(np.sum(np.abs(t)) for t in terms))
