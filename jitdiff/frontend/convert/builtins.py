"""Python's builtins as converted code calls them: on followed values they give followed values."""

from __future__ import annotations

import builtins
import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentTypeError
from jitdiff.frontend.convert.arrays import argument
from jitdiff.frontend.convert.changes import born
from jitdiff.frontend.convert.kinds import KINDS
from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.operators import truth, warn
from jitdiff.frontend.convert.protocols import del_attribute, iterated, set_attribute
from jitdiff.frontend.convert.rows import Rows, enumerate_, reversed_, rows_of, zip_
from jitdiff.frontend.convert.rows import range as rolled_range
from jitdiff.frontend.convert.state import check_keys, is_followed, is_traced
from jitdiff.frontend.convert.text import TELLING, give, reading, shown, values_in
from jitdiff.ir import Dim
from jitdiff.ir.location import caller, describe
from jitdiff.ops import OPS, Tracer
from jitdiff.ops.elementwise import astype
from jitdiff.ops.methods import called
from jitdiff.ops.positions import positions


def _range(*bounds: Any) -> Any:
    if any(is_traced(b) or isinstance(b, Dim) for b in bounds):
        rows = rolled_range(*bounds)
        rows.rolled = False
        return rows
    return builtins.range(*map(operator.index, bounds))


def _len(x: Any) -> Any:
    if isinstance(x, Tracer) and x.shape:
        return x.shape[0]
    check_keys(x)
    rows = rows_of(x) if isinstance(x, List) else None
    return builtins.len(x) if rows is None else rows.size


def _converting(name: str, dtype: Any) -> Callable[..., Any]:
    kind = getattr(builtins, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        give(args)
        if len(args) == 1 and isinstance(args[0], Dim):
            # A size is an integer; times 1.0 it is the Python float.
            return args[0] * 1.0 if name == "float" else args[0] if name == "int" else bool(args[0])
        if len(args) == 1 and is_followed(args[0]) and not kwargs and args[0].size == 1:
            # A Python number gives way to the dtype of what it meets.
            x = args[0].reshape(())
            return astype(x, dtype=np.dtype(dtype), weak=name != "bool") if is_traced(x) else x
        if len(args) == 1 and is_followed(args[0]) and name != "bool":
            raise ArgumentTypeError(
                f"{name} takes an array of one element, not {args[0].type}", where=describe(caller())
            )
        return kind(*args, **kwargs)

    return run


def _extreme(name: str, op: str, reduction: Callable[..., Any]) -> Callable[..., Any]:
    builtin = getattr(builtins, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and len(args) > 1 and any(map(is_followed, args)):
            return functools.reduce(lambda a, b: OPS[op](a, b), args)
        if not kwargs and len(args) == 1:
            items = argument(args[0])
            if is_followed(items) and items.ndim == 1:
                return called(reduction, (items,), {})
            if isinstance(items, list | tuple) and any(map(is_followed, items)):
                return run(*items) if len(items) > 1 else items[0]
        return builtin(*args, **kwargs)

    return run


def _pow(base: Any, exp: Any, mod: Any = None) -> Any:
    given = base, exp, mod
    if mod is None or not any(map(is_followed, given)):
        return builtins.pow(*given)
    for x in given:
        if is_followed(x) and (x.ndim or x.dtype.kind not in "iub"):
            raise ArgumentTypeError(
                f"pow() with a modulus takes integers, and was given a {x.type}", where=describe(caller())
            )
    return builtins.pow(*map(operator.index, given))


def _sum(items: Any, /, start: Any = 0) -> Any:
    array = argument(iterated(items))
    if isinstance(array, Tracer) and is_traced(array) and array.shape:
        total = called(np.sum, (array,), {"axis": 0})
        return total if isinstance(start, int) and start == 0 else start + total
    return builtins.sum(array, start)


def _any_all(name: str, reduction: Callable[..., Any], op: str) -> Callable[[Any], Any]:
    builtin = getattr(builtins, name)

    def run(items: Any, /) -> Any:
        if isinstance(items, Tracer) and is_traced(items) and items.ndim == 1:
            return called(reduction, (items,), {})
        if isinstance(items, list | tuple) and any(map(is_traced, items)):
            return functools.reduce(lambda a, b: OPS[op](a, b), [truth(x) for x in items])
        return builtin(items)

    return run


def _print(*args: Any, **kwargs: Any) -> None:
    builtins.print(*args, **kwargs)  # noqa: T201
    if any(is_traced(value) for a in args for value in values_in(a)):
        warn("print runs once, while tracing, and shows types instead of numbers", "print outside, or use the tape")


def _list(items: Any = (), /) -> List:
    if isinstance(items, Rows) and isinstance(items.size, Dim):
        return List.of_stack(items.item(positions(items.size)))
    return items if isinstance(items, List) and items.is_stacked else List(items)


def _print_values(*args: Any, **kwargs: Any) -> None:
    builtins.print(*map(shown, args), **kwargs)  # noqa: T201


BUILTINS: dict[Any, Callable[..., Any]] = {
    builtins.float: _converting("float", np.float64),
    builtins.min: _extreme("min", "minimum", np.min),
    builtins.max: _extreme("max", "maximum", np.max),
    builtins.pow: _pow,
    **KINDS,
    **TELLING,
    builtins.setattr: reading(set_attribute),
    builtins.delattr: reading(del_attribute),
}
"""What runs for builtins in traces and on values."""

TRACED: dict[Any, Callable[..., Any]] = {
    builtins.range: _range,
    builtins.zip: zip_,
    builtins.enumerate: enumerate_,
    builtins.reversed: reversed_,
    builtins.len: _len,
    builtins.int: _converting("int", np.int64),
    builtins.bool: _converting("bool", np.bool_),
    builtins.sum: _sum,
    builtins.open: reading(builtins.open),
    builtins.any: _any_all("any", np.any, "logical_or"),
    builtins.all: _any_all("all", np.all, "logical_and"),
    builtins.print: _print,
    builtins.iter: lambda *args: born(builtins.iter(*args)),
    builtins.list: _list,
}
"""What runs for builtins in traces only."""

VALUES: dict[Any, Callable[..., Any]] = {builtins.print: _print_values}
"""What runs for builtins on values only."""
