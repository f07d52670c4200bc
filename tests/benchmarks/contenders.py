"""How a NumPy user calls each library for a value and a gradient: NumPy arrays in, NumPy arrays out."""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks.case import Case

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function, and the arguments it is called with over and over."""


@dataclass(frozen=True)
class Contender:
    """A library, used in one way.

    Parameters
    ----------
    name : str
        Shown in the tables.
    package : str
        What must be installed.
    prepare : callable
        Builds the call for a case; None leaves it out, unless the case has one of its own.
    before : callable
        Runs before each round of timing, outside of it.
    after : callable
        Turns what the call returns into NumPy values, for checking.
    """

    name: str
    package: str
    prepare: Callable[[Case], Call | None]
    before: Callable[[], None] = lambda: None
    after: Callable[[Any], tuple[Any, Any]] = lambda result: result

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def call(self, case: Case) -> Call | None:
        """The call for a case, its own for this contender where it has one; None where there is none."""
        if self.name not in case.calls:
            return self.prepare(case)
        own = case.calls[self.name]
        return own and (own, case.args)


def _jitdiff(case: Case) -> Call:
    import jitdiff as jd

    loss = jd.compile(case.loss(np))
    return (loss.value_and_grad if case.by == 0 else jd.value_and_grad(loss, argnums=case.by)), case.args


def _jax_jitted(case: Case) -> Callable[..., Any]:
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax.jit(jax.value_and_grad(case.loss(jax.numpy), argnums=case.by))


def _from_jax(result: tuple[Any, Any]) -> tuple[Any, Any]:
    value, gradient = result
    return float(value), tuple(map(np.asarray, gradient)) if isinstance(gradient, tuple) else np.asarray(gradient)


def _jax(case: Case) -> Call:
    value_and_grad = _jax_jitted(case)
    return (lambda *args: _from_jax(value_and_grad(*args))), case.args


def _jax_resident(case: Case) -> Call:
    import jax

    value_and_grad = _jax_jitted(case)
    return (lambda *args: jax.block_until_ready(value_and_grad(*args))), tuple(map(jax.device_put, case.args))


def _torch(case: Case) -> Call:
    import torch

    loss = case.loss(torch)

    def value_and_grad(*args: np.ndarray) -> tuple[Any, Any]:
        tensors = [torch.from_numpy(a) for a in args]
        sources = [tensors[i].requires_grad_() for i in case.argnums]
        value = loss(*tensors)
        gradients = [g.numpy() for g in torch.autograd.grad(value, sources)]
        return value.item(), gradients[0] if len(gradients) == 1 else gradients

    return value_and_grad, case.args


@functools.cache
def _torch_default_threads() -> int:
    import torch

    return torch.get_num_threads()


def _torch_threads(count: int | None) -> Callable[[], None]:
    def before() -> None:
        import torch

        default = _torch_default_threads()
        torch.set_num_threads(count or default)

    return before


def _autograd(case: Case) -> Call:
    import autograd
    import autograd.numpy

    return autograd.value_and_grad(case.loss(autograd.numpy), case.by), case.args


BY_HAND = Contender("numpy by hand", "numpy", lambda case: (case.by_hand, case.args))
JITDIFF = Contender("jitdiff", "jitdiff", _jitdiff)
JAX = Contender("jax", "jax", _jax)
CONTENDERS = (
    JITDIFF,
    JAX,
    Contender("jax resident", "jax", _jax_resident, after=_from_jax),
    Contender("torch", "torch", _torch, before=_torch_threads(None)),
    Contender("torch 1 thread", "torch", _torch, before=_torch_threads(1)),
    Contender("autograd", "autograd", _autograd),
    # Eager tapes, in the cases that are about those.
    Contender("tensorflow", "tensorflow", lambda case: None),
    Contender("mygrad", "mygrad", lambda case: None),
    Contender("numpy forward", "numpy", lambda case: None),
    BY_HAND,
)
