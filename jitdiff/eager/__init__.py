"""Differentiation of code as it runs: Tensors, Variables, tapes, and transforms of plain functions."""

from jitdiff.eager.arguments import UnconnectedGradients
from jitdiff.eager.checkpoint import checkpoint, recompute_grad
from jitdiff.eager.convert import constant, convert
from jitdiff.eager.custom import custom_gradient, grad_pass_through
from jitdiff.eager.forward import ForwardAccumulator
from jitdiff.eager.functions import (
    gradients_function,
    implicit_gradients,
    implicit_value_and_gradients,
    make_vjp,
    value_and_gradients_function,
)
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.recorder import is_recording
from jitdiff.eager.rules import custom_jvp, custom_vjp
from jitdiff.eager.tape import GradientTape
from jitdiff.eager.tensor import Tensor, constant_array, tensor_of
from jitdiff.eager.transforms import jvp, vjp
from jitdiff.eager.variable import Variable

__all__ = [
    "EagerHandle",
    "ForwardAccumulator",
    "GradientTape",
    "Tensor",
    "UnconnectedGradients",
    "Variable",
    "checkpoint",
    "constant",
    "constant_array",
    "convert",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "grad_pass_through",
    "gradients_function",
    "implicit_gradients",
    "implicit_value_and_gradients",
    "is_recording",
    "jvp",
    "make_vjp",
    "recompute_grad",
    "tensor_of",
    "value_and_gradients_function",
    "vjp",
]
