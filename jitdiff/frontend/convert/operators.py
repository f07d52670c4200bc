"""What converted expressions call: Python's own meaning on Python values, nodes of the program on traced ones."""

from __future__ import annotations

import operator
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from jitdiff.eager import Tensor
from jitdiff.errors import TraceWarning, TracingError, UnsupportedError
from jitdiff.frontend.convert.arrays import holds_followed
from jitdiff.frontend.convert.changes import born, note_items, noting
from jitdiff.frontend.convert.lists import List
from jitdiff.frontend.convert.merge import branch
from jitdiff.frontend.convert.rows import Rows
from jitdiff.frontend.convert.state import Undefined, is_conditional, is_number, is_traced
from jitdiff.frontend.convert.tables import table_of
from jitdiff.frontend.convert.text import shown
from jitdiff.ir import Apply, Dim, location, type_of
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import OPS, Tracer, control, lift
from jitdiff.ops.emission import Element
from jitdiff.ops.methods import as_operand
from jitdiff.ops.positions import grid, positions
from jitdiff.ops.tracer import has_size

Thunk = Callable[[], Any]


def truth(test: Any) -> Any:
    """Return a traced condition as a scalar, anything else as its truth value."""
    if not is_traced(test):
        return bool(test)
    return test.reshape(()) if test.shape and test.size == 1 else test


def and_(first: Any, *rest: Thunk) -> Any:
    """Return the truth of ``first and ...``, for a condition."""
    return _joined(first, rest, lambda value, operand: _both(truth(value), operand, "logical_and", until=False), False)


def or_(first: Any, *rest: Thunk) -> Any:
    """Return the truth of ``first or ...``, for a condition."""
    return _joined(first, rest, lambda value, operand: _both(truth(value), operand, "logical_or", until=True), True)


def and_value(first: Any, *rest: Thunk) -> Any:
    """Return ``first and ...``: one of the operands."""
    return _joined(first, rest, lambda value, operand: _operand(value, operand, until=False), False)


def or_value(first: Any, *rest: Thunk) -> Any:
    """Return ``first or ...``: one of the operands."""
    return _joined(first, rest, lambda value, operand: _operand(value, operand, until=True), True)


def _joined(first: Any, rest: Iterable[Thunk], traced: Callable[[Any, Thunk], Any], until: bool) -> Any:
    value = first
    for operand in rest:
        if is_traced(value):
            value = traced(value, operand)
        elif bool(value) is until:
            return value
        else:
            value = operand()
    return value


def _operand(first: Any, operand: Thunk, until: bool) -> Any:
    """Return the operand that decides: of bools as conditions are joined, of others as a branch chooses."""
    if type_of(first).dtype.kind == "b":
        _, second = control.tried(_undone(operand))
        if is_number(second) and type_of(second).dtype.kind == "b":
            return _both(truth(first), operand, "logical_or" if until else "logical_and", until)
    kept = first if isinstance(first, Tracer) else Tracer(lift(first))
    return ifexp(first, lambda: kept, operand) if until else ifexp(first, operand, lambda: kept)


def _both(first: Any, operand: Thunk, op: str, until: bool) -> Any:
    """Return a traced condition joined with another, which is computed only if the first leaves it open.

    Where computing it can do no harm it is computed always.
    """
    changes: list[Any] = []
    trial, second = control.tried(_undone(lambda: truth(operand()), changes))
    if not is_traced(second) and not changes:
        return first if second is not until else until
    if not trial.changes and not changes and all(isinstance(n, Apply) and _is_harmless(n) for n in trial.block.nodes):
        return OPS[op](first, truth(operand()))
    if until:
        return ifexp(first, lambda: True, lambda: truth(operand()))
    return ifexp(first, lambda: truth(operand()), lambda: False)


def _undone(function: Thunk, changes: list[Any] | None = None) -> Thunk:
    """Return what runs a function and undoes what it changes in containers and objects, which go into `changes`."""

    def run() -> Any:
        with noting() as scope:
            found = function()
            if changes is not None:
                changes.extend(scope.changes())
            return found

    return run


def _is_harmless(node: Apply) -> bool:
    op: Any = node.op
    return isinstance(op.emission, Element) and op.name != "gather" and all(o.shape == () for o in node.outs)


def not_(x: Any) -> Any:
    """Return ``not x``."""
    return OPS["logical_not"](truth(x)) if is_traced(x) else not x


def compare(left: Any, *rest: tuple[Callable[[Any, Any], Any], Thunk]) -> Any:
    """Return a chain of comparisons."""
    (compared, operand), *others = rest
    right = operand()
    verdict = compared(left, right)
    return and_(verdict, lambda: compare(right, *others)) if others else verdict


def ifexp(test: Any, then: Thunk, orelse: Thunk) -> Any:
    """Return ``then if test else orelse``."""
    if not is_traced(test):
        return then() if test else orelse()
    return branch(truth(test), ("the conditional expression",), lambda: [then()], lambda: [orelse()])[0]


_CONCATENATORS = (type(np.r_), type(np.c_))


def getitem(x: Any, key: Any) -> Any:
    """Return ``x[key]``."""
    if isinstance(x, dict):
        key = looked_up(key, x)
        if isinstance(x, defaultdict) and key not in x:
            note_items(x)
        return x[key]
    key = _index(key)
    if (x is np.mgrid or x is np.ogrid) and has_size((key,)):
        return grid(key, sparse=x is np.ogrid)
    if isinstance(x, _CONCATENATORS) and holds_followed(key):
        return _concatenated(x, key if isinstance(key, tuple) else (key,))
    if isinstance(x, np.ndarray) and _has_traced(key):
        return Tracer(lift(x))[key]
    if isinstance(x, list | tuple | range) and is_traced(key):
        x = list(x) if isinstance(x, range) else x
        table = table_of(x)
        return (table if table is not None else (x if isinstance(x, List) else List(x)).stacked())[key]
    found = x[key]
    return born(found) if type(found) is list and isinstance(key, slice) else found


def looked_up(key: Any, among: Any) -> Any:
    """Return a key of a dict or a member of a set, which of a Tensor without dimensions is its number."""
    if is_traced(key) and not key.shape and key not in among:
        key._refuse("a key of a dict or a member of a set", "compare it with each key, or use an array")
    if isinstance(key, Tensor) and not key.shape and key not in among:
        return shown(key).item()
    return key


def _index(key: Any) -> Any:
    """Return a key with the ranges in it that have no numbers yet as arrays."""
    if isinstance(key, tuple):
        return tuple(map(_index, key)) if any(isinstance(part, Rows | List) for part in key) else key
    if isinstance(key, Rows) and isinstance(key.size, Dim):
        return key.item(positions(key.size))
    return key.stacked() if isinstance(key, List) and key.is_stacked else key


def _concatenated(x: Any, parts: tuple[Any, ...]) -> Any:
    """Return what ``np.r_`` and ``np.c_`` give for parts of which some are followed."""
    if any(isinstance(part, str) for part in parts):
        raise UnsupportedError("np.r_ with a string has no rule", where=describe(caller()), hint="use np.concatenate")
    arrays = [as_operand(x[part] if isinstance(part, slice) else part) for part in parts]
    arrays = [np.reshape(a, (1,)) if np.ndim(a) == 0 else a for a in arrays]
    if x is np.r_:
        return np.concatenate(arrays)
    return np.concatenate([np.expand_dims(a, 1) if np.ndim(a) == 1 else a for a in arrays], axis=-1)


def _has_traced(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return any(is_traced(p) or (isinstance(p, slice) and any(map(is_traced, (p.start, p.stop)))) for p in parts)


def setitem(x: Any, key: Any, value: Any) -> None:
    """Run ``x[key] = value``."""
    key = looked_up(key, x) if isinstance(x, dict) else _index(key)
    if isinstance(x, np.ndarray) and current_builder() is not None:
        if x.dtype.kind == "O":
            raise TracingError(
                "an array of objects is changed in place",
                where=describe(caller()),
                hint="use a list, or an array of numbers",
            )
        raise TracingError(
            "an array from outside of the compiled function is changed in place, which would happen only while tracing",
            where=describe(caller()),
            hint="pass it as an argument, copy it first (y = np.copy(x)), and return the changed copy",
        )
    if not isinstance(x, List):
        note_items(x)
    x[key] = value


def delitem(x: Any, key: Any) -> None:
    """Run ``del x[key]``."""
    if not isinstance(x, List):
        note_items(x)
    del x[looked_up(key, x) if isinstance(x, dict) else _index(key)]


def augment(x: Any, op: str, value: Any) -> Any:
    """Return what ``x op= value`` binds the variable to."""
    if isinstance(x, np.ndarray) and current_builder() is not None:
        setitem(x, ..., value)
    if isinstance(x, list | dict | set | deque) and not isinstance(x, List):
        note_items(x)
    return _IN_PLACE[op](x, value)


def augment_masked(x: Any, mask: Any, op: str, value: Any) -> bool:
    """Run ``x[mask] op= value`` if that is as many elements as a traced mask says; say whether it is."""
    if not (is_traced(mask) and isinstance(x, Tracer) and mask.dtype.kind == "b" and mask.shape == x.shape):
        return False
    if np.shape(value):
        return False
    # At the same places: the others stay.
    setitem(x, ..., OPS["where"](mask, _IN_PLACE[op](x + 0, value).astype(x.dtype), x))
    return True


_IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.iadd, "sub": operator.isub, "mul": operator.imul, "truediv": operator.itruediv,
    "floordiv": operator.ifloordiv, "mod": operator.imod, "pow": operator.ipow, "matmul": operator.imatmul,
    "and": operator.iand, "or": operator.ior, "xor": operator.ixor, "lshift": operator.ilshift,
    "rshift": operator.irshift,
}  # fmt: skip


def assert_(test: Any, message: Thunk) -> None:
    """Run ``assert test, message``; a traced test is not checked, and a warning says so."""
    if is_traced(test):
        warn("an assertion on traced values is not checked when the compiled function runs", "check it outside of it")
        return
    if not test:
        raise AssertionError(*(m for m in [message()] if m is not None))


def decided(test: Any) -> Any:
    """Return what decides which statements of a generator run, which cannot be traced."""
    if is_traced(test):
        raise TracingError(
            "what a generator yields, or when it ends, depends on a traced value",
            where=describe(caller()),
            hint="yield a value each time, such as np.where(condition, a, b), or write the loop where it is used",
        )
    return test


def raised(error: Any) -> Any:
    """Return what a ``raise`` statement raises; refuse it where a traced condition decides if it runs."""
    if not is_conditional():
        return error
    kind = error if isinstance(error, type) else type(error)
    raise TracingError(
        f"{kind.__name__} is raised in a traced branch or loop, and the compiled function cannot raise it",
        where=describe(caller()),
        hint="check before the function is called, or return a value that says so, such as np.nan",
    )


def returned(flag: Any, result: Thunk) -> Any:
    """Return the result of a function that may reach its end without a ``return``."""
    if is_traced(flag):
        raise TracingError(
            "the function returns a value on some ways only",
            where=describe(caller()),
            hint="return a value of the same kind on every way, also at the end",
        )
    return result() if flag else None


def checked(result: Any) -> Any:
    """Return the result of a function, which has to have a value."""
    for part in result if type(result) is tuple else (result,):
        if isinstance(part, Undefined):
            part.refuse()
    return result


def list_(items: Any) -> List:
    """Return a list that may grow in loops of the program."""
    return List(items)


def warn(what: str, hint: str) -> None:
    """Warn of something that means less in a trace than in Python, once for each line."""
    location.warn(f"{what}\n  hint: {hint}", TraceWarning)
