"""Functions beside a rule in traces: those that cannot be traced are called back, with numbers, when the program runs.

The types of what such a function gives are found by calling it once with made-up numbers while it is traced.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.eager.arguments import flatten
from jitdiff.eager.calls import Result
from jitdiff.eager.recorder import recording
from jitdiff.errors import ShapeError, TracingError
from jitdiff.ir import ArrayType, Dim, NeedsConcreteSize, type_of
from jitdiff.ir.builder import building
from jitdiff.ops import Tracer
from jitdiff.ops.callback import Array, callback, numbered
from jitdiff.ops.elementwise import astype
from jitdiff.ops.join import joined
from jitdiff.ops.shape import ravel, reshaped
from jitdiff.ops.tracer import builder_now

_FLOAT = np.dtype(np.float64)
_MADE_UP = (0.5, 1.0, 2.0, 0.25, 0.0)
"""Numbers to call a function with, of which it may not take all."""


def traced_or_called(name: str, function: Callable[..., Any], args: Sequence[Any], linear: Sequence[Any] = ()) -> Any:
    """Return ``function(*args, *linear)`` in a trace: traced if that can be, else called back by the program.

    In `linear`, which are cotangents, the function is linear.

    Raises
    ------
    TracingError
        If it can neither be traced nor called with made-up numbers.
    """
    builder = builder_now()
    start, refused = len(builder.block.nodes), builder.root.refused
    try:
        return function(*args, *linear)
    except Exception as error:
        asked = builder.root.refused
        may_be_static = asked is not refused and asked is not None and asked.type.dtype.kind in "iu"
        if isinstance(error, NeedsConcreteSize) or may_be_static:
            raise
        builder.replace(start, [])
        builder.root.refused = refused
        return _called_back(name, function, args, linear, error)


def _called_back(
    name: str, function: Callable[..., Any], args: Sequence[Any], linear: Sequence[Any], why: Exception
) -> Any:
    leaves, spec = flatten((*args, *linear))
    leaves = [operator.index(x) if isinstance(x, Dim) else x for x in leaves]
    places = [k for k, x in enumerate(leaves) if isinstance(x, Tracer)]
    first_linear = len(flatten(tuple(args))[0])
    types = [_concrete(leaves[k].type) for k in places if k < first_linear]
    linear_types = [_concrete(leaves[k].type) for k in places if k >= first_linear]

    def result_for(numbers: Sequence[Any]) -> Result:
        given = list(leaves)
        for k, x in zip(places, numbers, strict=True):
            given[k] = x
        with building(None), recording(()):
            return Result(function(*spec.unflatten(given)))

    result = _example(result_for, [*types, *linear_types], why)
    for x in result.leaves:
        if x is not None and type_of(np.asarray(x)).dtype.kind not in "fiub":
            raise TracingError(
                f"{name} gives a {type(x).__name__}, and from a call out of compiled code come numbers and arrays",
                hint="return arrays, also for what the rule keeps",
            ) from why
    outs = [type_of(np.asarray(x)) for x in result.leaves if x is not None]

    def run(x: Array, moving: Array) -> Array:
        found = result_for([*_split(x, types), *_split(moving, linear_types)])
        numbers = [x for x in found.leaves if x is not None]
        have = [type_of(np.asarray(x)) for x in numbers]
        if found.spec != result.spec or [t.shape for t in have] != [t.shape for t in outs]:
            raise ShapeError(
                f"{name} gave {_listed(outs)} when it was traced, with made-up numbers, and gives {_listed(have)} now"
            )
        return _flat(numbers)

    vectors = [_vector([leaves[k] for k in places if (k >= first_linear) is later]) for later in (False, True)]
    flat = callback(numbered(run), *vectors, size=sum(map(_size, outs)), name=name, transposed=False)
    pieces = zip(_pieces(flat, outs), outs, strict=True)
    parts = iter([astype(reshaped(piece, t.shape), dtype=t.dtype) for piece, t in pieces])
    return result.nested([None if x is None else next(parts) for x in result.leaves])


def _vector(xs: Sequence[Any]) -> Any:
    """Return all elements of traced values."""
    return joined([ravel(astype(x, dtype=_FLOAT)) for x in xs], 0) if xs else np.empty(0)


def _example(result_for: Callable[[Sequence[Any]], Result], types: Sequence[ArrayType], why: Exception) -> Result:
    """Return the result for made-up numbers."""
    error: Exception = why
    for number in _MADE_UP:
        try:
            with np.errstate(all="ignore"):
                return result_for([_filled(t, number) for t in types])
        except Exception as found:  # noqa: BLE001  (it is the user's, and may dislike these numbers)
            error = found
    raise why from error


def _filled(type: ArrayType, number: float) -> Any:
    """Return an array, of increasing elements if they are floating: knots and times have to be."""
    steps = np.arange(_size(type)) / max(_size(type), 1) if type.is_float else np.zeros(_size(type))
    return (number + 0.5 * steps).reshape(type.shape).astype(type.dtype)[()]


def _listed(types: Sequence[ArrayType]) -> str:
    return ", ".join(map(str, types))


def _concrete(type: ArrayType) -> ArrayType:
    return ArrayType(type.dtype, tuple(map(operator.index, type.shape)))


def _size(type: ArrayType) -> int:
    return math.prod(map(operator.index, type.shape))


def _pieces(flat: Any, types: Sequence[ArrayType]) -> list[Any]:
    """Return the parts of a vector that hold the elements of arrays."""
    ends = list(itertools.accumulate(map(_size, types), initial=0))
    return [flat[first:end] for first, end in itertools.pairwise(ends)]


def _split(flat: Array, types: Sequence[ArrayType]) -> list[Any]:
    return [x.reshape(t.shape).astype(t.dtype)[()] for x, t in zip(_pieces(flat, types), types, strict=True)]


def _flat(arrays: Sequence[Any]) -> Array:
    parts = [np.ravel(np.asarray(x, _FLOAT)) for x in arrays]
    return np.concatenate(parts) if parts else np.empty(0)
