"""Comparisons, logic and bits: results that carry no derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, broadcast_shapes, type_of
from jitdiff.ops.batching import elementwise
from jitdiff.ops.emission import Element, broadcast_index
from jitdiff.ops.families import general, pointwise
from jitdiff.ops.samples import BITS, BOOLEANS, REALS, array, sample
from jitdiff.ops.table import UFUNCS, Op

equal = pointwise("equal", np.equal, "{0} == {1}", samples=REALS)
not_equal = pointwise("not_equal", np.not_equal, "{0} != {1}", samples=REALS)
less = pointwise("less", np.less, "{0} < {1}", samples=REALS)
less_equal = pointwise("less_equal", np.less_equal, "{0} <= {1}", samples=REALS)
greater = pointwise("greater", np.greater, "{0} > {1}", samples=REALS)
greater_equal = pointwise("greater_equal", np.greater_equal, "{0} >= {1}", samples=REALS)

isnan = pointwise("isnan", np.isnan, "isnan({0})", samples=REALS)
isfinite = pointwise("isfinite", np.isfinite, "isfinite({0})", samples=REALS)
isinf = pointwise("isinf", np.isinf, "abs({0}) == np.inf", samples=REALS)


def _logical(name: str, ufunc: np.ufunc, template: str) -> Op:
    """Declare a connective: operands of any dtype are taken as truth values."""

    def infer(*types: ArrayType) -> ArrayType:
        return ArrayType(np.dtype(bool), broadcast_shapes(*(t.shape for t in types)))

    def expression(at: Any, read: Any, site: Any) -> str:
        return template.format(*(read(k, broadcast_index(at, t.shape)) for k, t in enumerate(site.types)))

    op = general(
        name,
        ufunc,
        infer,
        Element(expression),
        None,
        operands=lambda *types: [np.dtype(bool)] * len(types),
        batch=elementwise,
        samples=[sample(*[array(2, 3, domain=d)] * ufunc.nin) for d in (BOOLEANS, REALS)],
    )
    UFUNCS[ufunc] = op
    return op


logical_and = _logical("logical_and", np.logical_and, "{0} and {1}")
logical_or = _logical("logical_or", np.logical_or, "{0} or {1}")
logical_xor = _logical("logical_xor", np.logical_xor, "{0} != {1}")
logical_not = _logical("logical_not", np.logical_not, "not {0}")

bitwise_and = pointwise("bitwise_and", np.bitwise_and, "{0} & {1}", samples=BITS)
bitwise_or = pointwise("bitwise_or", np.bitwise_or, "{0} | {1}", samples=BITS)
bitwise_xor = pointwise("bitwise_xor", np.bitwise_xor, "{0} ^ {1}", samples=BITS)
invert = pointwise("invert", np.invert, "~{0}", samples=BITS)

# By more places than there are, as NumPy shifts, and not as the processor does.
left_shift = pointwise("left_shift", np.left_shift, "{0} << {1} if 0 <= {1} < 64 else 0", samples=BITS)
right_shift = pointwise("right_shift", np.right_shift, "{0} >> {1} if 0 <= {1} < 64 else {0} >> 63 >> 1", samples=BITS)


def _on_truth_values(ufunc: np.ufunc, logical: Callable[..., Any], bitwise: Callable[..., Any]) -> None:
    """Let a bitwise ufunc be the connective where all operands are truth values: Python's ``~True`` is -2."""

    def choose(*xs: Any) -> Any:
        return logical(*xs) if all(type_of(x).dtype.kind == "b" for x in xs) else bitwise(*xs)

    UFUNCS[ufunc] = choose


_on_truth_values(np.bitwise_and, logical_and, bitwise_and)
_on_truth_values(np.bitwise_or, logical_or, bitwise_or)
_on_truth_values(np.bitwise_xor, logical_xor, bitwise_xor)
_on_truth_values(np.invert, logical_not, invert)
