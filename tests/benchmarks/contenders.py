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


def _jax_jitted(case: Case) -> Callable[..., Any] | None:
    import jax

    jax.config.update("jax_enable_x64", True)
    loss = case.loss(jax.numpy)
    sizes = tuple(i for i, arg in enumerate(case.args) if isinstance(arg, int))
    return loss and jax.jit(jax.value_and_grad(loss, argnums=case.by), static_argnums=sizes)


def _from_jax(result: tuple[Any, Any]) -> tuple[Any, Any]:
    value, gradient = result
    return float(value), tuple(map(np.asarray, gradient)) if isinstance(gradient, tuple) else np.asarray(gradient)


def _jax(case: Case) -> Call | None:
    value_and_grad = _jax_jitted(case)
    return value_and_grad and ((lambda *args: _from_jax(value_and_grad(*args))), case.args)


def _jax_resident(case: Case) -> Call | None:
    import jax

    value_and_grad = _jax_jitted(case)
    args = tuple(jax.device_put(a) if isinstance(a, np.ndarray) else a for a in case.args)
    return value_and_grad and ((lambda *args: jax.block_until_ready(value_and_grad(*args))), args)


def _torch(case: Case) -> Call | None:
    import torch

    loss = case.loss(torch)
    if loss is None:
        return None

    def value_and_grad(*args: Any) -> tuple[Any, Any]:
        tensors = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in args]
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


def _autograd(case: Case) -> Call | None:
    import autograd
    import autograd.numpy

    loss = case.loss(autograd.numpy)
    return loss and (autograd.value_and_grad(loss, case.by), case.args)


def _by_hand(case: Case) -> Call | None:
    return case.by_hand and (case.by_hand, case.args)


def _own_only(case: Case) -> None:
    """No case is written for this contender, other than by a call of its own."""


def _value_only(value: Any) -> tuple[Any, None]:
    return value, None


BY_HAND = Contender("numpy by hand", "numpy", _by_hand)
NUMBA_BY_HAND = Contender("numba by hand", "numba", _own_only)
JITDIFF = Contender("jitdiff", "jitdiff", _jitdiff)
JITDIFF_VALUE = Contender("jitdiff value", "jitdiff", _own_only, after=_value_only)
NUMBA_VALUE = Contender("numba value", "numba", _own_only, after=_value_only)
JAX = Contender("jax", "jax", _jax)
CONTENDERS = (
    JITDIFF,
    JITDIFF_VALUE,
    JAX,
    Contender("jax resident", "jax", _jax_resident, after=_from_jax),
    Contender("torch", "torch", _torch, before=_torch_threads(None)),
    Contender("torch 1 thread", "torch", _torch, before=_torch_threads(1)),
    Contender("autograd", "autograd", _autograd),
    # Eager tapes, in the cases that are about those.
    Contender("tensorflow", "tensorflow", _own_only),
    Contender("mygrad", "mygrad", _own_only),
    Contender("numpy forward", "numpy", _own_only),
    BY_HAND,
    NUMBA_BY_HAND,
    NUMBA_VALUE,
)
