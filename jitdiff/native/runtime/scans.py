"""Running sums and products, and the places of extremes, along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types

from jitdiff.native.extending import jitable, overload
from jitdiff.native.views import seen_as


def cumsum(a: Any, axis: Any, out: Any) -> None:
    """Write the running sums of `a` along `axis` into `out`."""
    np.cumsum(a, axis=axis, out=out)


def cumprod(a: Any, axis: Any, out: Any) -> None:
    """Write the running products of `a` along `axis` into `out`."""
    np.cumprod(a, axis=axis, out=out)


def recurrence(a: Any, b: Any, axis: Any, out: Any) -> None:
    """Write the y with ``y[0] = b[0]`` and ``y[i] = a[i] * y[i - 1] + b[i]`` along `axis` into `out`."""
    out[...] = b
    rows, factors = np.moveaxis(out, axis, 0), np.moveaxis(a, axis, 0)
    for i in range(1, len(rows)):
        rows[i] += factors[i] * rows[i - 1]


def argmax(a: Any, axis: Any = None, out: Any = None) -> Any:
    """Write the places of the first maximum or NaN along `axis` into `out`, or return that of all of `a`."""
    if axis is None:
        return np.argmax(a)
    np.argmax(a, axis=axis, out=out)
    return None


def argmin(a: Any, axis: Any = None, out: Any = None) -> Any:
    """Write the places of the first minimum or NaN along `axis` into `out`, or return that of all of `a`."""
    if axis is None:
        return np.argmin(a)
    np.argmin(a, axis=axis, out=out)
    return None


def _contiguous(a: Any) -> Callable[[Any], Any]:
    """Return what makes an array of Numba type `a` C-contiguous, so that it can be seen as (before, axis, after)."""
    return _as_it_is if a.layout == "C" else _copied


@jitable
def _as_it_is(a: Any) -> Any:
    return a


@jitable
def _copied(a: Any) -> Any:
    return np.ascontiguousarray(a)


@jitable
def _around(shape: Any, axis: int) -> tuple[int, int, int]:
    """Return how many elements lie before, along and after an axis."""
    if axis < -len(shape) or axis >= len(shape):
        raise ValueError("the axis is out of range")
    axis %= len(shape)
    before = after = 1
    for k in range(len(shape)):
        if k < axis:
            before *= shape[k]
        if k > axis:
            after *= shape[k]
    return before, shape[axis], after


@jitable
def _add(x: Any, y: Any) -> Any:
    return x + y


@jitable
def _multiply(x: Any, y: Any) -> Any:
    return x * y


def _scan(function: Callable[..., Any], combine: Callable[..., Any], start: int) -> None:
    @overload(function)
    def _choose(a: Any, axis: Any, out: Any) -> Any:
        contiguous, kind = _contiguous(a), out.dtype

        def implementation(a: Any, axis: Any, out: Any) -> None:
            if a.shape != out.shape:
                raise ValueError("the result has another shape")
            before, length, after = _around(a.shape, axis)
            x = seen_as(contiguous(a), (before, length, after))
            y = seen_as(out, (before, length, after))
            for i in range(before):
                for j in range(after):
                    total = kind(start)
                    for k in range(length):
                        total = combine(total, kind(x[i, k, j]))
                        y[i, k, j] = total

        return implementation


@overload(recurrence)
def _recurrence(a: Any, b: Any, axis: Any, out: Any) -> Any:
    contiguous_a, contiguous_b = _contiguous(a), _contiguous(b)

    def implementation(a: Any, b: Any, axis: Any, out: Any) -> None:
        if a.shape != out.shape or b.shape != out.shape:
            raise ValueError("the result has another shape")
        before, length, after = _around(out.shape, axis)
        factors = seen_as(contiguous_a(a), (before, length, after))
        terms = seen_as(contiguous_b(b), (before, length, after))
        y = seen_as(out, (before, length, after))
        for i in range(before):
            for j in range(after):
                for k in range(length):
                    y[i, k, j] = factors[i, k, j] * y[i, k - 1, j] + terms[i, k, j] if k > 0 else terms[i, k, j]

    return implementation


def _place(function: Callable[..., Any], precedes: Callable[..., Any]) -> None:
    @overload(function)
    def _choose(a: Any, axis: Any = None, out: Any = None) -> Any:
        contiguous = _contiguous(a)

        def along(a: Any, axis: Any = None, out: Any = None) -> Any:
            before, length, after = _around(a.shape, axis)
            if length == 0:
                raise ValueError("attempt to get argmax or argmin of an empty sequence")
            if out.size != before * after:
                raise ValueError("the result has another shape")
            x = seen_as(contiguous(a), (before, length, after))
            y = seen_as(out, (before, after))
            for i in range(before):
                for j in range(after):
                    best = 0
                    for k in range(1, length):
                        if precedes(x[i, k, j], x[i, best, j]):
                            best = k
                    y[i, j] = best

        def of_all(a: Any, axis: Any = None, out: Any = None) -> Any:
            if a.size == 0:
                raise ValueError("attempt to get argmax or argmin of an empty sequence")
            x = seen_as(contiguous(a), (a.size,))
            best = 0
            for k in range(1, x.size):
                if precedes(x[k], x[best]):
                    best = k
            return best

        return of_all if axis is None or isinstance(axis, types.NoneType | types.Omitted) else along


@jitable
def _greater(x: Any, y: Any) -> bool:
    return x > y or (np.isnan(x) and not np.isnan(y))


@jitable
def _less(x: Any, y: Any) -> bool:
    return x < y or (np.isnan(x) and not np.isnan(y))


_scan(cumsum, _add, 0)
_scan(cumprod, _multiply, 1)
_place(argmax, _greater)
_place(argmin, _less)
