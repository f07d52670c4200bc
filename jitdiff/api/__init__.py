"""What users call: `compile` and the transforms."""

from jitdiff.api.compiled import Compiled
from jitdiff.api.decorator import compile
from jitdiff.api.jacobians import hessian, jacfwd, jacobian, jacrev
from jitdiff.api.mapping import map, vmap
from jitdiff.api.numerical import check_grads
from jitdiff.api.transforms import grad, hvp, jvp, stop_gradient, value_and_grad, vjp

__all__ = [
    "Compiled",
    "check_grads",
    "compile",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "map",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
