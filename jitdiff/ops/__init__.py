"""What an operation is: one entry per op, grouped in families."""

from jitdiff.ops import (
    arg,
    creation,
    cumulative,
    elementwise,
    extrema,
    fit,
    index,
    logic,
    math,
    power,
    reduce,
    rounding,
    shape,
    special,
    statistics,
)
from jitdiff.ops.table import FUNCTIONS, OPS, UFUNCS, Handle, NumPyFunction, Op
from jitdiff.ops.tracer import Tracer, lift

__all__ = ["FUNCTIONS", "OPS", "UFUNCS", "Handle", "NumPyFunction", "Op", "Tracer", "lift"]
