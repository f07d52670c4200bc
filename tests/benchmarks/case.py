"""What is timed: a loss with its arguments, in each library's words."""

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Case:
    """The value and gradient of a scalar loss, or value and Jacobian of a function that contenders have calls for.

    Parameters
    ----------
    name : str
        Shown in the tables.
    args : tuple of ndarray, float or int
        The arguments of the loss. Ints are sizes: JAX takes them as static.
    loss : callable
        Given an array namespace (numpy, jax.numpy, torch, autograd.numpy), returns the loss written in it, or None.
    by_hand : callable, optional
        Value and gradient in NumPy, derived by a person; all contenders must agree with it. Where nobody derived it,
        they must agree with the value by NumPy and its differences along a direction.
    argnums : tuple of int
        The arguments that the gradient is taken by. Where there are several, so are the gradients, in a tuple.
    calls : mapping
        By contender: its own computation in place of `loss`, from `args` to value and gradient. None leaves it out.
    """

    name: str
    args: tuple[Any, ...]
    loss: Callable[[ModuleType], Callable[..., Any] | None]
    by_hand: Callable[..., Any] | None = None
    argnums: tuple[int, ...] = (0,)
    calls: Mapping[str, Callable[..., Any] | None] = field(default_factory=dict)

    @property
    def by(self) -> int | tuple[int, ...]:
        """`argnums` as the libraries want it: one number, or several."""
        return self.argnums[0] if len(self.argnums) == 1 else self.argnums


class DisagreementError(AssertionError):
    """A contender computed other numbers than the derivation by hand, or than NumPy."""


def check(case: Case, contender: str, result: tuple[Any, Any]) -> None:
    """Raise `DisagreementError` unless `result` is the value and gradient, as NumPy arrays of float64.

    A gradient of None is not compared: some contenders compute the value only.
    """
    value, gradient = result
    name = f"{case.name}: {contender}"
    wanted_value, wanted = (_plain_value(case), None) if case.by_hand is None else case.by_hand(*case.args)
    if np.ndim(wanted_value) == 0:
        value, wanted_value = np.float64(value), np.float64(wanted_value)
    _compare(f"{name}: value", value, wanted_value)
    if gradient is None:
        return
    if len(case.argnums) == 1:
        gradient, wanted = (gradient,), (wanted,)
    if case.by_hand is None:
        for i, got, (direction, slope) in zip(case.argnums, gradient, _slopes(case), strict=True):
            _compare_along(f"{name}: gradient by argument {i}", got, direction, slope)
        return
    for i, got, expected in zip(case.argnums, gradient, wanted, strict=True):
        _compare(f"{name}: gradient by argument {i}", got, expected)


@functools.cache
def _plain_value(case: Case) -> Any:
    return _plain(case, *case.args)


@functools.cache
def _slopes(case: Case) -> list[tuple[Any, Any]]:
    """Return for each argument to differentiate by a random direction, and the slope along it by differences."""
    rng = np.random.default_rng(20240229)
    found = []
    for i in case.argnums:
        direction = rng.normal(size=np.shape(case.args[i]))
        after, before = (
            _plain(case, *case.args[:i], case.args[i] + s * direction, *case.args[i + 1 :]) for s in (1e-6, -1e-6)
        )
        found.append((direction, (after - before) / 2e-6))
    return found


def _plain(case: Case, *args: Any) -> Any:
    """Return the loss by NumPy, which may change what it is given."""
    loss = case.loss(np)
    assert loss is not None
    return loss(*copy.deepcopy(args))


def _compare(what: str, got: Any, expected: Any) -> None:
    _compare_type(what, got, expected.shape)
    error = np.max(np.abs(got - expected)) / np.max(np.abs(expected))
    if not error < 1e-9:
        raise DisagreementError(f"{what}: off by {error:.1e} of its largest element")


def _compare_along(what: str, got: Any, direction: Any, slope: Any) -> None:
    _compare_type(what, got, direction.shape)
    error = abs(np.vdot(got, direction) - slope) / (np.linalg.norm(got) * np.linalg.norm(direction))
    if not error < 1e-6:
        raise DisagreementError(f"{what}: off by {error:.1e} along a direction")


def _compare_type(what: str, got: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(got, np.ndarray | np.float64) or got.dtype != np.float64 or got.shape != shape:
        raise DisagreementError(f"{what}: {type(got).__name__}, not a float64 array of shape {shape}")
