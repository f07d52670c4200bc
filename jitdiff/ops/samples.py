"""Sample arguments: an op's entry carries the points that the op suite tests it at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Domain:
    """An open interval that test points are drawn from.

    Parameters
    ----------
    low, high : float
        Ends of the interval.
    integers, booleans : bool
        Draw integers, or truth values, instead of floating numbers.
    """

    low: float
    high: float
    integers: bool = False
    booleans: bool = False

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray[Any, Any]:
        """Return random points, no two alike where that is possible."""
        if self.integers or self.booleans:
            return rng.integers(int(self.low), int(self.high), size=shape).astype(bool if self.booleans else np.int64)
        size = int(np.prod(shape))
        # A jittered grid keeps points apart, so that max, sort and differences of points are well conditioned.
        grid = (rng.permutation(size) + rng.uniform(0.2, 0.8, size)) / max(size, 1)
        return (self.low + (self.high - self.low) * grid).reshape(shape).astype(dtype)


REALS = Domain(-2.0, 2.0)
POSITIVE = Domain(0.3, 3.0)
UNIT = Domain(-0.9, 0.9)
ABOVE_ONE = Domain(1.1, 4.0)
PROBABILITIES = Domain(0.1, 0.9)
BITS = Domain(-8, 8, integers=True)
BOOLEANS = Domain(0, 2, booleans=True)


@dataclass(frozen=True, slots=True)
class Array:
    """An array argument to draw: its shape and the domain of its elements."""

    shape: tuple[int, ...]
    domain: Domain = REALS
    kind: str = "general"

    def draw(self, rng: np.random.Generator, dtype: Any = np.float64) -> np.ndarray[Any, Any]:
        """Return a random array; ``kind`` "spd" is symmetric positive definite, "invertible" far from singular."""
        a = self.domain.draw(rng, self.shape, dtype)
        n = self.shape[-1] if self.shape else 1
        if self.kind == "spd":
            a = a @ np.swapaxes(a, -1, -2) + n * np.eye(n)
        elif self.kind == "invertible":
            a = a + 2 * n * np.eye(n)
        return a.astype(dtype) if a.dtype.kind == "f" else a


@dataclass(frozen=True, slots=True)
class Sample:
    """Arguments of one test call: arrays to draw (in lists and tuples too), and literal values."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, rng: np.random.Generator, dtype: Any = np.float64) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments, with arrays drawn."""

        def fill(x: Any) -> Any:
            if isinstance(x, Array):
                return x.draw(rng, dtype)
            if isinstance(x, list | tuple):
                return type(x)(map(fill, x))
            return x

        return fill(self.args), {k: fill(v) for k, v in self.kwargs.items()}

    def __repr__(self) -> str:
        def text(x: Any) -> str:
            if isinstance(x, Array):
                return f"[{','.join(map(str, x.shape))}]"
            if isinstance(x, list | tuple):
                return f"({','.join(map(text, x))})"
            return np.array_repr(x) if isinstance(x, np.ndarray) else repr(x)

        parts = [text(a) for a in self.args] + [f"{k}={text(v)}" for k, v in self.kwargs.items()]
        return "_".join(parts).replace(" ", "")


def sample(*args: Any, **kwargs: Any) -> Sample:
    """Return a `Sample` of these arguments."""
    return Sample(args, kwargs)


def array(*shape: int, domain: Domain = REALS, kind: str = "general") -> Array:
    """Return an `Array` argument of this shape."""
    return Array(shape, domain, kind)
