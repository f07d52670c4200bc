"""Appending nodes to a block: each is typed as it is appended and stamped with the user's line."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitdiff.errors import JitdiffError, TracingError
from jitdiff.ir.dims import Dim, NeedsConcreteSize
from jitdiff.ir.location import caller, caller_and_target, describe
from jitdiff.ir.nodes import Apply, Atom, Block, Location, Node, Operation, Value, outs_of
from jitdiff.ir.types import ArrayType


class Builder:
    """Builds one block, or a block inside the block of `parent`.

    Parameters
    ----------
    params : sequence of Value
        Parameters of the block.
    parent : Builder, optional
        The builder of the surrounding block; its values can be read here.

    Attributes
    ----------
    captures : dict
        Of the outermost builder: arrays met while tracing, by identity, each with the parameter that stands for it.
    refused : Atom or None
        Of the outermost builder: the last value whose number was asked for.
    failure : TracingError or None
        Of the outermost builder: what was raised in another thread, where it may have reached nobody.
    notes : dict
        What the front end remembers of this block while it is being built.
    changes : dict
        Cells from around this block that it has changed, by identity, each with the state it had before.
    """

    def __init__(self, params: Sequence[Value] = (), parent: Builder | None = None, name: str = "") -> None:
        self.block = Block(tuple(params), name=name)
        self.parent = parent
        self.root: Builder = parent.root if parent else self
        self.loc: Location | None = None
        self.captures: dict[int, tuple[Any, Value]] = {}
        self.refused: Atom | None = None
        self.failure: TracingError | None = None
        self.changes: dict[int, tuple[Any, Any]] = {}
        self.notes: dict[str, Any] = {}
        self._defined: set[Value] = set(params)
        self._last_named: tuple[Value, Location | None] | None = None
        self._symbols = 0
        self._sizes: dict[Value, Dim] = {}

    def apply(self, op: Operation, args: Sequence[Atom], attrs: dict[str, Any]) -> tuple[Value, ...]:
        """Append one operation and return its results, typed.

        Raises
        ------
        JitdiffError
            Of the typing rule, with the user's line added.
        TracingError
            If an operand belongs to another trace, or to a block that has ended.
        """
        loc, target = (self.loc, "") if self.loc else caller_and_target()
        for arg in args:
            self.check_visible(arg, op.name, loc)
        try:
            types = op.infer(*(a.type for a in args), **attrs)
        except JitdiffError as error:
            if error.where is None and not isinstance(error, NeedsConcreteSize):
                raise type(error)(f"{op.name}: {error.what}", where=describe(loc), hint=error.hint) from None
            raise
        outs = tuple(Value(t) for t in types)
        if target and len(outs) == 1:
            self._name(outs[0], target, loc)
        self.append(Apply(op, tuple(args), attrs, outs, loc))
        return outs

    def _name(self, value: Value, target: str, loc: Location | None) -> None:
        """Call a value what the user calls it; of the several operations of one call, the last has the name."""
        last = self._last_named
        if last is not None and last[1] == loc and last[0].name == target:
            last[0].name = ""
        value.name = target
        self._last_named = (value, loc)

    def append(self, node: Node) -> None:
        """Append a node that is already typed."""
        self.block.nodes.append(node)
        self._defined.update(outs_of(node))

    def replace(self, start: int, nodes: Sequence[Node]) -> None:
        """Let `nodes` take the place of those recorded since `start`, all of whose results they make."""
        self.block.nodes[start:] = nodes
        for node in nodes:
            self._defined.update(outs_of(node))

    def fresh_symbol(self, stem: str) -> str:
        """Return a name for a size that only the running program knows, such as the trips of a loop."""
        self.root._symbols += 1
        return f"{stem}{self.root._symbols - 1}"

    def size_of(self, count: Value, stem: str) -> Dim:
        """Return the symbolic size equal to `count`, the same one each time."""
        root = self.root
        if count not in root._sizes:
            root._sizes[count] = Dim.symbol(root.fresh_symbol(stem))
        return root._sizes[count]

    def known_size(self, count: Value) -> Dim | None:
        """Return the symbolic size equal to `count`, if there is one."""
        return self.root._sizes.get(count)

    def name_size(self, count: Value, size: Dim) -> None:
        """Declare that `size` is the symbolic size equal to `count`."""
        self.root._sizes[count] = size

    def define(self, value: Value) -> Value:
        """Declare `value` readable here without a node that makes it; whoever does so removes its readers again."""
        self._defined.add(value)
        return value

    def sees(self, value: Value) -> bool:
        """Whether `value` is defined here or in a surrounding block."""
        builder: Builder | None = self
        while builder is not None:
            if value in builder._defined:
                return True
            builder = builder.parent
        return False

    def is_within(self, other: Builder | None) -> bool:
        """Whether this is `other`, or builds a block inside it."""
        builder: Builder | None = self
        while builder is not None:
            if builder is other:
                return True
            builder = builder.parent
        return False

    def definition(self, value: Value) -> Apply | None:
        """Return the operation here or in a surrounding block that computes `value`, if one does."""
        builder: Builder | None = self
        while builder is not None:
            for node in reversed(builder.block.nodes):
                if isinstance(node, Apply) and value in node.outs:
                    return node
            builder = builder.parent
        return None

    def sees_atom(self, atom: Atom) -> bool:
        """Whether `atom` can be read here."""
        return not isinstance(atom, Value) or self.sees(atom)

    def check_visible(self, atom: Atom, name: str, loc: Location | None = None) -> None:
        """Raise `TracingError` if `atom` is a value that this block cannot read."""
        if isinstance(atom, Value) and not self.sees(atom):
            raise TracingError(
                f"{name}: a traced {atom.type} is used outside of the function, branch or loop that made it",
                where=describe(loc or caller()),
                hint="return it from there instead of storing it in a variable outside",
            )

    def capture(self, array: np.ndarray[Any, Any]) -> Value:
        """Return the parameter that stands for an array met while tracing; it is read by reference at each call."""
        root = self.root
        if id(array) not in root.captures:
            value = Value(ArrayType(array.dtype, array.shape), f"k{len(root.captures)}")
            root.captures[id(array)] = (array, value)
            root._defined.add(value)
        return root.captures[id(array)][1]

    def finish(self, results: Sequence[Atom]) -> Block:
        """Set the results and return the block; captured arrays become its last parameters."""
        for result in results:
            self.check_visible(result, "return")
        self.block.results = tuple(results)
        if self.root is self:
            known = set(self.block.params)
            self.block.params += tuple(value for _, value in self.captures.values() if value not in known)
            self.block.captured = tuple(array for array, _ in self.captures.values())
        return self.block

    @contextmanager
    def at(self, loc: Location | None) -> Iterator[None]:
        """Stamp the nodes appended inside with `loc` instead of the line that is running."""
        previous, self.loc = self.loc, loc or self.loc
        try:
            yield
        finally:
            self.loc = previous


class _Active(threading.local):
    builder: Builder | None = None


_active = _Active()
_by_thread: dict[int, Builder] = {}
"""The builder of each thread that traces."""


def current_builder() -> Builder | None:
    """Return the builder that this thread is tracing into, or None."""
    return _active.builder


@contextmanager
def building(builder: Builder | None) -> Iterator[Builder | None]:
    """Make `builder` the one that operations on tracers append to; None evaluates."""
    previous = _active.builder
    _use(builder)
    try:
        yield builder
    finally:
        _use(previous)


def _use(builder: Builder | None) -> None:
    """Let this be the builder of this thread."""
    _active.builder = builder
    if builder is None:
        _by_thread.pop(threading.get_ident(), None)
    else:
        _by_thread[threading.get_ident()] = builder


def builder_elsewhere(atoms: Iterable[Atom]) -> Builder | None:
    """Return the builder that another thread traces into and that sees one of the atoms, or None."""
    here = threading.get_ident()
    builders = [builder for thread, builder in list(_by_thread.items()) if thread != here]
    return next((b for b in builders if any(isinstance(a, Value) and b.sees(a) for a in atoms)), None)
