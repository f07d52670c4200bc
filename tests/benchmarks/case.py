"""What is timed: a loss with its arguments, in each library's words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """The value and gradient of a scalar loss, or value and Jacobian of a function that contenders have calls for.

    Parameters
    ----------
    name : str
        Shown in the tables.
    args : tuple of ndarray
        The arguments of the loss.
    loss : callable
        Given an array namespace (numpy, jax.numpy, torch, autograd.numpy), returns the loss written in it.
    by_hand : callable
        Value and gradient in NumPy, derived by a person; all contenders must agree with it.
    argnums : tuple of int
        The arguments that the gradient is taken by. Where there are several, so are the gradients, in a tuple.
    calls : mapping
        By contender: its own computation in place of `loss`, from `args` to value and gradient. None leaves it out.
    """

    name: str
    args: tuple[np.ndarray, ...]
    loss: Callable[[ModuleType], Callable[..., Any]]
    by_hand: Callable[..., Any]
    argnums: tuple[int, ...] = (0,)
    calls: Mapping[str, Callable[..., Any] | None] = field(default_factory=dict)

    @property
    def by(self) -> int | tuple[int, ...]:
        """`argnums` as the libraries want it: one number, or several."""
        return self.argnums[0] if len(self.argnums) == 1 else self.argnums


class DisagreementError(AssertionError):
    """A contender computed other numbers than the derivation by hand."""


def check(case: Case, contender: str, result: tuple[Any, Any]) -> None:
    """Raise `DisagreementError` unless `result` is the value and gradient, as NumPy arrays of float64."""
    value, gradient = result
    wanted_value, wanted = case.by_hand(*case.args)
    if len(case.argnums) == 1:
        gradient, wanted = (gradient,), (wanted,)
    if np.ndim(wanted_value) == 0:
        value, wanted_value = np.float64(value), np.float64(wanted_value)
    _compare(f"{case.name}: {contender}: value", value, wanted_value)
    for i, got, expected in zip(case.argnums, gradient, wanted, strict=True):
        _compare(f"{case.name}: {contender}: gradient by argument {i}", got, expected)


def _compare(what: str, got: Any, expected: Any) -> None:
    if not isinstance(got, np.ndarray | np.float64) or got.dtype != np.float64 or got.shape != expected.shape:
        raise DisagreementError(f"{what}: {type(got).__name__}, not a float64 array of shape {expected.shape}")
    error = np.max(np.abs(got - expected)) / np.max(np.abs(expected))
    if not error < 1e-9:
        raise DisagreementError(f"{what}: off by {error:.1e} of its largest element")
