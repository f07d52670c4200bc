"""Running a function once on tracers: what it does becomes a block."""

from __future__ import annotations

import inspect
import keyword
import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from optree import PyTreeSpec

from jitdiff.errors import JitdiffError, TraceWarning, TracingError
from jitdiff.frontend.layout import Layout
from jitdiff.frontend.leaves import Kind, Static
from jitdiff.frontend.objects import assigned, attributes, closed
from jitdiff.frontend.settled import note_object, note_references
from jitdiff.frontend.trees import flatten
from jitdiff.ir import (
    ArrayType,
    Atom,
    Block,
    Builder,
    Dim,
    Location,
    NeedsConcreteSize,
    Value,
    assuming,
    free_values,
    outs_of,
    reads_of,
)
from jitdiff.ir.builder import building
from jitdiff.ir.location import describe, raised_at, warn
from jitdiff.ops import Handle, Tracer, lift


@dataclass(frozen=True, slots=True)
class Traced:
    """A function traced for one kind of arguments.

    Parameters
    ----------
    block : Block
        The program. Its parameters are the traced leaves of the arguments, then the arrays that the function read
        from around it (``block.captured``), of which each call takes what they hold then.
    kinds : tuple of ArrayType or Static
        How each leaf took part.
    out_spec : PyTreeSpec
        Structure of the result.
    layout : Layout
        Of the arguments.
    sizes : mapping
        The numbers that symbolic sizes had in the call.
    assumed : frozenset of Dim
        What must be at least zero for comparisons of sizes to come out as they did.
    """

    block: Block
    kinds: tuple[Kind, ...]
    out_spec: PyTreeSpec
    layout: Layout
    sizes: Mapping[str, int]
    assumed: frozenset[Dim]


def trace(
    function: Callable[..., Any],
    layout: Layout,
    kinds: Sequence[Kind],
    name: str = "",
    sizes: Mapping[str, int] = MappingProxyType({}),
) -> Traced:
    """Trace a call of `function`.

    Parameters
    ----------
    function : callable
        The user's function.
    layout : Layout
        Structure of the arguments and names of their leaves.
    kinds : sequence of ArrayType or Static
        How each leaf takes part; sizes may be symbolic.
    name : str, optional
        Name of the block, by default the function's.
    sizes : mapping, optional
        The numbers of symbolic sizes in this call, by which comparisons of them go.

    Raises
    ------
    TracingError
        If the function asks for numbers, or returns what is no array.
    NeedsConcreteSize
        If the function asks for the number behind a symbolic size.
    """
    name = name or layout.signature.name
    identifier = name if name.isidentifier() and not keyword.iskeyword(name) else "function"
    params: list[Value] = []
    leaves: list[Any] = []
    for kind, label in zip(kinds, layout.names, strict=True):
        if isinstance(kind, Static):
            leaves.append(kind.value)
            note_object(label, kind.value)
        else:
            params.append(Value(kind, label))
            leaves.append(Tracer(params[-1]))
    (args, kwargs), objects = closed(layout.spec, leaves)
    before = [(x, attributes(x)) for x in objects]
    for x in objects:
        note_object(type(x).__name__, type(x))
    builder = Builder(params, name=identifier)
    with building(builder), assuming(sizes) as assumptions, _undone(builder):
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            if builder.failure is not None:
                raise builder.failure from error
            given = {s for p in params for size in p.type.shape if isinstance(size, Dim) for s in size.symbols}
            if isinstance(error, NeedsConcreteSize) and error.dim.symbols & given:
                raise
            final = _final(error, function)
            positions = [k for k, kind in enumerate(kinds) if not isinstance(kind, Static)]
            asked = _integers_behind(builder, params)
            if integers := asked or _integers(params):
                raise NeedsStatic(frozenset(positions[k] for k in integers), final, surely=bool(asked)) from error
            if final is error:
                raise
            raise final from error
        if builder.failure is not None:
            raise builder.failure
        atoms, spec = result_atoms(result, name, function_location(function))
        block = _without_unread(builder.finish(atoms))
        note_references(block.captured)
    if changed := assigned(before):
        warn(
            f"{name} assigns {', '.join(changed)}, which happens while it is traced only: the objects that it is "
            "called with stay as they are",
            TraceWarning,
        )
    return Traced(block, tuple(kinds), spec, layout, dict(sizes), frozenset(assumptions.conditions))


@contextmanager
def _undone(builder: Builder) -> Iterator[None]:
    """Give containers that say why they cannot be read what they held before, since they may be the caller's."""
    try:
        yield
    finally:
        if (outdated := builder.notes.get("outdated")) is not None:
            outdated.undo()


def _without_unread(block: Block) -> Block:
    """Return the block without parameters for captured arrays that nothing reads."""
    read = set(free_values(Block((), block.nodes, block.results)))
    given = len(block.params) - len(block.captured)
    held = [(p, a) for p, a in zip(block.params[given:], block.captured, strict=True) if p in read]
    return replace(
        block, params=(*block.params[:given], *(p for p, _ in held)), captured=tuple(array for _, array in held)
    )


class NeedsStatic(TracingError):
    """A trace failed with traced integer arguments: it is to be tried again with these static.

    Attributes
    ----------
    leaves : frozenset of int
        Positions of the leaves.
    error : Exception
        What to raise where that cannot be tried.
    surely : bool
        Whether the trace asked for their numbers, rather than failed for another reason.
    """

    def __init__(self, leaves: frozenset[int], error: Exception, *, surely: bool) -> None:
        super().__init__("the number of an integer argument is needed")
        self.leaves = leaves
        self.error = error
        self.surely = surely


def _final(error: Exception, function: Callable[..., Any]) -> Exception:
    """Return what the user sees of an exception of a trace."""
    where = describe(raised_at(error))
    if isinstance(error, NeedsConcreteSize):
        return TracingError(
            f"a number is needed that depends on how often a loop runs ({error.dim}), which is known only when the "
            "compiled function runs",
            where=where,
            hint="let the loop run over a range of known length",
        )
    if isinstance(error, RecursionError):
        return TracingError(
            "a function calls itself too deeply while it is traced: where what ends it depends on traced values, both "
            "ways are traced each time, without end",
            where=where,
            hint="write a loop, or let an integer argument or a shape end it within some hundred calls",
        )
    if (better := explained(error)) is not None:
        return better
    if type(error) is TracingError and getattr(function, "convertible", True) is False:
        return TracingError(
            error.what,
            where=error.where,
            hint="the source of this function cannot be had, so its if, for and while are not converted: "
            "define it in a file or a notebook cell",
        )
    return error


def _integers(params: Sequence[Value]) -> list[int]:
    """Return the parameters that are single integers."""
    return [k for k, p in enumerate(params) if p.type.dtype.kind in "iub" and p.type.shape == ()]


def _integers_behind(builder: Builder, params: Sequence[Value]) -> list[int]:
    """Return the integer parameters that the value whose number was asked for depends on."""
    if builder.refused is None:
        return []
    integers = _integers(params)
    behind = {builder.refused}
    for node in reversed(builder.block.nodes):
        if any(out in behind for out in outs_of(node)):
            behind.update(reads_of(node))
    found = [k for k in integers if params[k] in behind]
    # What an unfinished branch or loop computed is not in the block yet: then any integer may be behind it.
    known = any(p in behind for p in params) or any(builder.refused in outs_of(node) for node in builder.block.nodes)
    return found if known else integers


def result_atoms(result: Any, name: str, loc: Location | None) -> tuple[list[Atom], PyTreeSpec]:
    """Return the leaves of a traced function's result as atoms, and their structure.

    Raises
    ------
    TracingError
        If the result is None or empty, or a leaf is neither a number nor an array.
    """
    leaves, spec = flatten(result)
    if not leaves:
        what = "None; did you forget to return a value?" if result is None else f"{result!r}, without any value in it"
        raise TracingError(f"{name} returned {what}", where=describe(loc))
    return [result_atom(leaf, name, loc) for leaf in leaves], spec


def result_atom(leaf: Any, name: str, loc: Location | None) -> Atom:
    """Return one leaf of a result as an atom."""
    if isinstance(leaf, Handle | np.ndarray | np.generic | bool | int | float | complex):
        return lift(leaf)
    raise TracingError(
        f"{name} returned a {type(leaf).__name__}, {leaf!r}; a compiled function returns arrays and numbers",
        where=describe(loc),
        hint="return other things from an ordinary function around it",
    )


def explained(error: Exception) -> JitdiffError | None:
    """Return what to raise instead of an exception of a trace, so that ours is not hidden in one of NumPy's.

    An exception of ours gets the user's line if it has none yet.
    """
    if isinstance(error, JitdiffError):
        if error.where is None and not isinstance(error, NeedsConcreteSize):
            JitdiffError.__init__(error, error.what, where=describe(raised_at(error)), hint=error.hint)
        return None
    cause = error.__cause__ or error.__context__
    if not isinstance(cause, TracingError):
        return None
    if "setting an array element" in str(error):
        return TracingError(
            "a traced value is put into a NumPy array in place",
            where=cause.where,
            hint="build the array with np.stack, np.concatenate or np.where",
        )
    return cause


def function_location(function: Callable[..., Any]) -> Location | None:
    """Return the line where a Python function begins."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return None
    first = line = code.co_firstlineno
    # Decorators stand above.
    while linecache.getline(code.co_filename, line).lstrip().startswith(("@", "#")) and line < first + 20:
        line += 1
    return Location(code.co_filename, line, code.co_name)


def symbolic_kinds(
    history: Sequence[Sequence[Kind]], taken: Sequence[str], concrete: frozenset[str] = frozenset()
) -> tuple[tuple[Kind, ...], frozenset[str]]:
    """Return kinds with a symbol for each size that varies over a history of calls.

    Sizes that were equal in every call share a symbol. Symbols in `concrete` keep the number of the last call.

    Examples
    --------
    >>> f8 = np.dtype(float)
    >>> calls = [[ArrayType(f8, (3,)), ArrayType(f8, (7, 3))], [ArrayType(f8, (4,)), ArrayType(f8, (7, 4))]]
    >>> symbolic_kinds(calls, ["x", "A"])[0]
    (f64[n], f64[7,n])
    """
    letters = iter([c for c in "nmpqrs" if c not in taken] + [f"n{k}" for k in range(1000) if f"n{k}" not in taken])
    symbols: dict[tuple[Any, ...], Dim] = {}

    def size(column: tuple[Any, ...]) -> int | Dim:
        if len(set(column)) == 1:
            return int(column[-1])
        if column not in symbols:
            symbols[column] = Dim.symbol(next(letters))
        dim = symbols[column]
        return int(column[-1]) if dim.symbols <= concrete else dim

    kinds: list[Kind] = []
    for k, last in enumerate(history[-1]):
        if isinstance(last, Static):
            kinds.append(last)
            continue
        columns = zip(*(_shape(kinds_[k]) for kinds_ in history), strict=True)
        kinds.append(ArrayType(last.dtype, tuple(map(size, columns)), last.weak))
    used = frozenset(s for d in symbols.values() for s in d.symbols) - concrete
    return tuple(kinds), used


def _shape(kind: Kind) -> Any:
    assert isinstance(kind, ArrayType)
    return kind.shape
