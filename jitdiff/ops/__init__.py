"""What an operation is: one entry per op, grouped in families."""

from jitdiff.ops import (
    arg,
    basis,
    contraction,
    creation,
    cumulative,
    determinant,
    diagonal,
    einsum,
    elementwise,
    extrema,
    fit,
    gather,
    index,
    join,
    kinks,
    linalg,
    logic,
    math,
    norm,
    positions,
    power,
    reduce,
    rounding,
    shape,
    slices,
    special,
    statistics,
    tiling,
    window,
)
from jitdiff.ops.table import FUNCTIONS, OPS, UFUNCS, Handle, NumPyFunction, Op
from jitdiff.ops.tracer import Tracer, lift

__all__ = ["FUNCTIONS", "OPS", "UFUNCS", "Handle", "NumPyFunction", "Op", "Tracer", "lift"]
