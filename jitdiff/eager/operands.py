"""What may stand beside a Tensor as an operand, and what to say when it does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jitdiff.eager.handle import EagerHandle
from jitdiff.errors import JitdiffError
from jitdiff.ir import type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Op, Tracer
from jitdiff.ops.admission import admitted
from jitdiff.ops.methods import as_operand
from jitdiff.ops.tracer import builder_now

Array = np.ndarray[Any, Any]


def operand(x: Any, name: str) -> Any:
    """Return `x` as an operand of the op `name`: a Tensor, a traced value, an array or a number.

    Raises
    ------
    ArgumentTypeError, DtypeError
        If it is no number and no array of numbers, or one that cannot be computed with.
    """
    if isinstance(x, EagerHandle):
        return x.read()
    x = admitted(as_operand(x), f"{name}: an operand")
    return np.asarray(x) if isinstance(x, np.ndarray) else x


def captured(x: EagerHandle) -> Tracer:
    """Return the traced value that stands for a Tensor or Variable met in a trace; each run reads it anew."""
    found = Tracer(builder_now().capture(x))  # type: ignore[arg-type]
    found.fixed = "it comes from outside of the compiled function"
    return found


def leaves_of(x: Any) -> Iterator[Any]:
    """Yield what is in nested lists and tuples."""
    if isinstance(x, list | tuple):
        for y in x:
            yield from leaves_of(y)
    else:
        yield x


def kept(x: Array) -> Array:
    """Return an array that will not change: a recorded step needs the numbers of this moment."""
    return x if x.flags.owndata and not x.flags.writeable else x.copy()


def explained(error: Exception, op: Op, values: Sequence[Any], attrs: Mapping[str, Any]) -> Exception:
    """Return the error of the op's typing rule, which names shapes, if it has one to say; else NumPy's."""
    try:
        op.infer(*map(type_of, values), **attrs)
    except JitdiffError as better:
        return type(better)(f"{op.name}: {better.what}", where=better.where or describe(caller()), hint=better.hint)
    return error
