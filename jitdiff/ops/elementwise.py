"""Arithmetic, comparison and selection, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, broadcast_shapes
from jitdiff.ops.emission import Element, broadcast_index
from jitdiff.ops.families import general, pointwise, promoted_dtype
from jitdiff.ops.samples import POSITIVE, REALS, array, sample

add = pointwise("add", np.add, "{0} + {1}", 1.0, 1.0, samples=REALS)
subtract = pointwise("subtract", np.subtract, "{0} - {1}", 1.0, -1.0, samples=REALS)
negative = pointwise("negative", np.negative, "-{0}", -1.0, samples=REALS)
multiply = pointwise("multiply", np.multiply, "{0} * {1}", lambda x, y, z: y, lambda x, y, z: x, samples=REALS)
divide = pointwise(
    "divide", np.divide, "{0} / {1}", lambda x, y, z: reciprocal(y), lambda x, y, z: -z / y, samples=[REALS, POSITIVE]
)
reciprocal = pointwise("reciprocal", np.reciprocal, "1.0 / {0}", lambda x, y: -y * y, samples=POSITIVE)

equal = pointwise("equal", np.equal, "{0} == {1}", samples=REALS)
not_equal = pointwise("not_equal", np.not_equal, "{0} != {1}", samples=REALS)
less = pointwise("less", np.less, "{0} < {1}", samples=REALS)
less_equal = pointwise("less_equal", np.less_equal, "{0} <= {1}", samples=REALS)
greater = pointwise("greater", np.greater, "{0} > {1}", samples=REALS)
greater_equal = pointwise("greater_equal", np.greater_equal, "{0} >= {1}", samples=REALS)

where = general(
    "where",
    np.where,
    lambda c, x, y: ArrayType(promoted_dtype(x, y), broadcast_shapes(c.shape, x.shape, y.shape)),
    Element(
        lambda at, read, site: "({1} if {0} else {2})".format(
            *(read(k, broadcast_index(at, t.shape)) for k, t in enumerate(site.types))
        )
    ),
    lambda xs, y, g: (None, where(xs[0], g, 0.0), where(xs[0], 0.0, g)),
    operands=lambda c, x, y: (np.dtype(bool), promoted_dtype(x, y), promoted_dtype(x, y)),
    masks=True,
    samples=[sample(np.array([True, False, True]), array(2, 3), array(3))],
)


def _multiply_no_nan(g: Any, d: Any) -> Any:
    return np.where(np.equal(g, 0), np.zeros_like(g), g * d)


multiply_no_nan = pointwise(
    "multiply_no_nan",
    _multiply_no_nan,
    "({0} * {1} if {0} != 0.0 else 0.0)",
    lambda g, d, y: where(equal(g, 0.0), 0.0, d),
    lambda g, d, y: g,
    samples=REALS,
)

stop_gradient = pointwise("stop_gradient", lambda x: x, "{0}", samples=[REALS])

astype = general(
    "astype",
    lambda x, *, dtype: np.asarray(x).astype(dtype),
    lambda t, *, dtype: ArrayType(np.dtype(dtype), t.shape),
    Element(lambda at, read, site: f"np.{site.out.dtype.name}({read(0, at)})"),
    lambda xs, y, g, *, dtype: (g if np.dtype(dtype).kind == "f" else None,),
    samples=[sample(array(2, 3), dtype=np.dtype(np.float32)), sample(array(3), dtype=np.dtype(np.int64))],
)
