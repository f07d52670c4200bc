"""Arithmetic and selection, element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentTypeError
from jitdiff.ir import ArrayType, broadcast_shapes
from jitdiff.ir.dtypes import supported
from jitdiff.ops.batching import elementwise
from jitdiff.ops.emission import Element, Index, Read, Site, broadcast_index
from jitdiff.ops.families import general, pointwise, promoted_dtype
from jitdiff.ops.logic import isfinite, logical_not, logical_or, not_equal
from jitdiff.ops.samples import POSITIVE, REALS, array, sample
from jitdiff.ops.table import OPS, UFUNCS, Level, Op, implements

add = pointwise("add", np.add, "{0} + {1}", 1.0, 1.0, samples=REALS)
subtract = pointwise("subtract", np.subtract, "{0} - {1}", 1.0, -1.0, samples=REALS)
negative = pointwise("negative", np.negative, "-{0}", -1.0, samples=REALS)


def _beside_a_number(xs: Sequence[Any], k: int, only: bool) -> bool:
    """Whether the other operand is a constant number, or one for a whole array, which is taken to be finite."""
    return not getattr(xs[1 - k], "shape", ()) and (only or bool(getattr(xs[k], "shape", ())))


def _where_constants_are_not_zero(xs: Sequence[Any], k: int, only: bool) -> Callable[[], Any] | None:
    other = xs[1 - k]
    if not only or not getattr(other, "shape", ()) or (isinstance(other, np.ndarray) and bool(np.all(other))):
        return None
    # Zero times what is infinite is NaN, and so is its derivative.
    return lambda: logical_or(not_equal(other, 0), logical_not(isfinite(xs[k])))


multiply = pointwise(
    "multiply",
    np.multiply,
    "{0} * {1}",
    lambda x, y, z: y,
    lambda x, y, z: x,
    counts=_where_constants_are_not_zero,
    guards=lambda xs, k, only: not _beside_a_number(xs, k, only),
    samples=REALS,
)


def _divide_vjp(xs: Any, z: Any, g: Any) -> Any:
    share = divide(g, xs[1])
    return share, lambda: negative(multiply(share, z))


def _inverse(y: Any) -> Any:
    # A number stays a Python number, which does not widen float32.
    return 1.0 / y if isinstance(y, int | float) and y else divide(1.0, y)


divide: Op = pointwise(
    "divide",
    np.divide,
    "{0} / {1}",
    lambda x, y, z: _inverse(y),
    lambda x, y, z: negative(divide(z, y)),
    vjp=_divide_vjp,
    guards=lambda xs, k, only: k == 1 or not _beside_a_number(xs, k, only),
    steep=Level.PART,
    samples=[REALS, POSITIVE],
)
square = pointwise("square", np.square, "{0} * {0}", lambda x, y: 2.0 * x, samples=REALS)
absolute = pointwise(
    "absolute",
    np.absolute,
    "abs({0})",
    0.0,
    vjp=lambda xs, y, g: [OPS["signed"](g, xs[0])],
    steep=Level.FACTOR,
    samples=REALS,
)
sign: Op = pointwise("sign", np.sign, "sign({0})", 0.0, samples=REALS)

identity = pointwise("identity", lambda x: x, "{0}", 1.0, samples=REALS)
stop_gradient = pointwise("stop_gradient", lambda x: x, "{0}", samples=REALS)
UFUNCS[np.positive] = UFUNCS[np.conjugate] = identity


@implements(np.fabs, samples=[sample(array(2, 3))])
def fabs(x: Any) -> Any:
    """Return the absolute value as a floating number."""
    return absolute(multiply(x, 1.0))


def _zeros_like_element(at: Index, read: Read, site: Site) -> str:
    return {"f": "0.0", "b": "False"}.get(site.out.dtype.kind, "0")


zeros_like: Op = general(
    "zeros_like",
    lambda x: np.zeros_like(x)[()],
    lambda t: ArrayType(t.dtype, t.shape),
    Element(_zeros_like_element),
    lambda xs, y, g: (zeros_like(g),),
    batch=elementwise,
    samples=[sample(array(2, 3)), sample(array())],
)


def _astype_element(at: Index, read: Read, site: Site) -> str:
    x = read(0, at)
    return f"{x} != 0" if site.out.dtype.kind == "b" else f"np.{site.out.dtype.name}({x})"


astype = general(
    "astype",
    lambda x, *, dtype, weak=False: np.asarray(x).astype(supported(dtype, "astype: the result"))[()],
    lambda t, *, dtype, weak=False: ArrayType(supported(dtype, "astype: the result"), t.shape, weak),
    Element(_astype_element),
    lambda xs, y, g, *, dtype, weak=False: (g if np.dtype(dtype).kind == "f" else None,),
    batch=elementwise,
    samples=[
        sample(array(2, 3), dtype=np.dtype(np.float32)),
        sample(array(3), dtype=np.dtype(np.int64)),
        sample(array(3), dtype=np.dtype(np.bool_)),
        sample(array(), dtype=np.dtype(np.float64), weak=True),
    ],
)


def _where_element(at: Index, read: Read, site: Site) -> str:
    return "{1} if {0} else {2}".format(*(read(k, broadcast_index(at, t.shape)) for k, t in enumerate(site.types)))


where: Op = general(
    "where",
    lambda c, x, y: np.asarray(np.where(c, x, y))[()],
    lambda c, x, y: ArrayType(promoted_dtype(x, y), broadcast_shapes(c.shape, x.shape, y.shape)),
    Element(_where_element),
    lambda xs, y, g: (None, lambda: where(xs[0], g, 0.0), lambda: where(xs[0], 0.0, g)),
    operands=lambda c, x, y: (np.dtype(bool), promoted_dtype(x, y), promoted_dtype(x, y)),
    counts=lambda xs, k, only: lambda: xs[0] if k == 1 else logical_not(xs[0]),
    batch=elementwise,
    samples=[
        sample(np.array([True, False, True]), array(2, 3), array(3)),
        sample(np.array([[True], [False]]), array(3), array()),
    ],
)


@implements(np.where, samples=[sample(np.array([True, False, True]), array(2, 3), 0.0)])
def np_where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """Return `x` where the condition holds and `y` elsewhere; the derivative sees the branch taken only."""
    if x is None or y is None:
        raise ArgumentTypeError(
            "np.where with the condition alone returns as many indices as there are true elements, unknown in a trace",
            hint="give the values too: np.where(condition, x, y)",
        )
    return where(condition, x, y)
