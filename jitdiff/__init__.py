"""A JIT-compiled static-graph differentiator for NumPy programs on the CPU.

Examples
--------
>>> import numpy as np
>>> import jitdiff as jd
>>> @jd.compile
... def loss(w, x):
...     return np.sum(np.tanh(w * x))
>>> loss.grad(np.zeros(2), np.array([1.0, 2.0]))
array([1., 2.])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jitdiff.config import config

if TYPE_CHECKING:
    from jitdiff import numpy
    from jitdiff.api import (
        Compiled,
        check_grads,
        compile,
        grad,
        hessian,
        hvp,
        jacfwd,
        jacobian,
        jacrev,
        jvp,
        map,
        stop_gradient,
        value_and_grad,
        vjp,
        vmap,
    )
    from jitdiff.eager import (
        ForwardAccumulator,
        GradientTape,
        Tensor,
        UnconnectedGradients,
        Variable,
        checkpoint,
        constant,
        custom_gradient,
        custom_jvp,
        custom_vjp,
        grad_pass_through,
        gradients_function,
        implicit_gradients,
        implicit_value_and_gradients,
        make_vjp,
        recompute_grad,
        value_and_gradients_function,
    )
    from jitdiff.frontend import cond, fori_loop, range, scan, while_loop
    from jitdiff.native import cache

_HOMES = {
    "jitdiff.api": "Compiled check_grads compile grad hessian hvp jacfwd jacobian jacrev jvp map "
    "stop_gradient value_and_grad vjp vmap",
    "jitdiff.eager": "ForwardAccumulator GradientTape Tensor UnconnectedGradients Variable checkpoint constant "
    "custom_gradient custom_jvp custom_vjp grad_pass_through gradients_function implicit_gradients "
    "implicit_value_and_gradients make_vjp recompute_grad value_and_gradients_function",
    "jitdiff.frontend": "cond fori_loop range scan while_loop",
}
# What needs Numba or takes time to import is imported when it is first used.
_NAMES = {name: home for home, names in _HOMES.items() for name in names.split()}
_MODULES = {"cache": "jitdiff.native.cache", "errors": "jitdiff.errors", "numpy": "jitdiff.numpy"}

__version__ = "0.1.0"

__all__ = [
    "Compiled",
    "ForwardAccumulator",
    "GradientTape",
    "Tensor",
    "UnconnectedGradients",
    "Variable",
    "cache",
    "check_grads",
    "checkpoint",
    "compile",
    "cond",
    "config",
    "constant",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "fori_loop",
    "grad",
    "grad_pass_through",
    "gradients_function",
    "hessian",
    "hvp",
    "implicit_gradients",
    "implicit_value_and_gradients",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "make_vjp",
    "map",
    "numpy",
    "range",
    "recompute_grad",
    "scan",
    "stop_gradient",
    "value_and_grad",
    "value_and_gradients_function",
    "vjp",
    "vmap",
    "while_loop",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found: Any = import_module(_MODULES[name])
    elif name in _NAMES:
        found = getattr(import_module(_NAMES[name]), name)
    else:
        raise AttributeError(f"module 'jitdiff' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
