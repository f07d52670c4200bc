"""What a program is: a loss, and how to make its arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Size = tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A loss written as a NumPy user would, with loops, branches and assignment in place.

    Parameters
    ----------
    loss : callable
        Returns a number. It may change its arguments, as NumPy lets it.
    make : callable
        The arguments for a size, the same at each call.
    small, other, large : tuple of int
        Sizes: for differences along every element, for a second specialisation, and for timing.
    by : tuple of int
        The arguments to differentiate by.
    """

    loss: Callable[..., Any]
    make: Callable[..., tuple[Any, ...]]
    small: Size
    other: Size
    large: Size
    by: tuple[int, ...] = (0,)

    @property
    def name(self) -> str:
        return self.loss.__name__

    def __repr__(self) -> str:
        return self.name


def draw(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Any:
    return np.random.default_rng(seed).uniform(low, high, shape)
