"""Powers of roots: the derivative of ``sqrt(u)**n``, n at least 2, by `u`, which is finite where the root's is not.

Rule by rule it is zero times infinity where `u` is 0, as that of the square of a distance computed by a root. So a walk
that comes to such a power goes on at `u` with the one rule for both: the derivative of the square is 1. What moves
elements, and constant factors, may stand between root and power: each turns the square of its operand into that of its
result, and a derivative of the one into that of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from jitdiff.ops import OPS
from jitdiff.ops.power import power
from jitdiff.ops.table import Handle, computed

POWERS = frozenset({"square", "multiply", "integer_power", "constant_power", "power"})
_MOVES = frozenset({"astype", "broadcast_to", "diagonal", "from_diagonal", "gather", "identity", "item", "place"})
_MOVES |= {"reshape", "slice", "transpose", "triangle"}
_SCALES = frozenset({"divide", "multiply"})
_MAKERS = _MOVES | _SCALES | {"sqrt"}

Test = Callable[[Any], bool]


def makers_of(steps: Sequence[Any]) -> dict[Hashable, Any]:
    """Return the steps that may stand between a root and its power, by what they make."""
    return {step.outs[0]: step for step in steps if getattr(step, "op", None) is not None and step.op.name in _MAKERS}


def exponent(step: Any, xs: Sequence[Any]) -> float | None:
    """Return the exponent of a power that is 2 or more, None for another step."""
    name, n = step.op.name, 2.0
    if name == "multiply" and step.args[0] is not step.args[1]:
        return None
    if name == "integer_power":
        n = step.attrs["exponent"]
    elif name in ("power", "constant_power"):
        known = isinstance(xs[1], int | float | np.generic) and not isinstance(step.args[1], Handle)
        n = float(xs[1]) if known else 0.0
    elif name not in POWERS:
        return None
    return n if n >= 2 else None


def slope(d: Any, z: Any, n: float) -> Any:
    """Return a derivative of ``z**n``, given that of its square, `d`."""
    return d if n == 2 else OPS["multiply"](d, OPS["multiply"](0.5 * n, power(z, int(n) - 2 if n == int(n) else n - 2)))


def chain(step: Any, makers: Mapping[Hashable, Any], wanted: Test, keep: Collection[Hashable]) -> list[Any] | None:
    """Return the steps from below a power down to a root, last first; None if there is no root, or one asks between."""
    found: list[Any] = []
    key = step.args[0]
    while key not in keep and (maker := makers.get(key)) is not None:
        found.append(maker)
        if maker.op.name == "sqrt":
            return found
        k = operand(maker, wanted)
        if k is None:
            return None
        key = maker.args[k]
    return None


def operand(step: Any, wanted: Test) -> int | None:
    """Return which operand's elements a step moves, or multiplies by a constant; None if it does neither."""
    moving = [k for k, arg in enumerate(step.args) if wanted(arg)]
    if len(moving) != 1:
        return None
    (k,) = moving
    scales = step.op.name in _SCALES and (k == 0 or step.op.name == "multiply")
    return k if scales or (step.op.name in _MOVES and k == 0) else None


def pulled(step: Any, k: int, xs: Sequence[Any], y: Any, g: Any) -> Any:
    """Return the cotangent of the square of operand `k`, given that of the square of the result."""
    return _scaled(step, k, xs, g) if step.op.name in _SCALES else computed(step.op.vjp(xs, y, g, **step.attrs)[k])


def pushed(step: Any, k: int, xs: Sequence[Any], t: Any) -> Any:
    """Return the tangent of the square of the result, given that of the square of operand `k`."""
    return _scaled(step, k, xs, t) if step.op.name in _SCALES else step.op(t, *xs[1:], **step.attrs)


def _scaled(step: Any, k: int, xs: Sequence[Any], d: Any) -> Any:
    return step.op(d, OPS["square"](xs[1 - k]))


def below(step: Any, xs: Sequence[Any], tangents: Sequence[Any | None], squares: Sequence[Any | None]) -> Any | None:
    """Return the tangent of the square of a step's result, None where it comes of no root.

    `tangents` are those of the operands, and `squares` those of their squares.
    """
    if step.op.name == "sqrt":
        return tangents[0]
    if step.op.name not in _MAKERS:
        return None
    moving = {id(arg) for arg, t in zip(step.args, tangents, strict=True) if t is not None}
    k = operand(step, lambda arg: id(arg) in moving)
    return None if k is None or squares[k] is None else pushed(step, k, xs, squares[k])
