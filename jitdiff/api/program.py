"""The specialisations of one function: finding the one for a call, or tracing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from optree import PyTreeSpec

from jitdiff.api.invalidation import Invalidation
from jitdiff.api.specialisation import Options, Specialisation, sizes_of
from jitdiff.errors import JitdiffError
from jitdiff.frontend import Kind, Layout, NeedsStatic, Signature, Static, Traced, flatten_call, symbolic_kinds, trace
from jitdiff.ir import ArrayType, NeedsConcreteSize
from jitdiff.ir.builder import building

MAX_EXACT = 1024
"""Exact keys remembered for one function."""

MAX_HISTORY = 8
"""Calls looked at to see which sizes vary."""

MAX_SYMBOLIC = 16
"""Programs for any size in one family: they differ in what comparisons of sizes came out as."""


class Family:
    """Calls that differ in nothing but sizes, and the specialisations that serve them."""

    def __init__(self) -> None:
        self.history: list[tuple[Kind, ...]] = []
        self.symbolic: list[Specialisation] = []
        self.needs_numbers = False


class Program:
    """A function with all that has been traced and compiled of it.

    Parameters
    ----------
    function : callable
        The user's function, or a transform of it.
    signature : Signature
        Its parameters.
    options : Options
        How to compile.
    doc : str
        First line of emitted modules.
    invalidation : Invalidation
        Drops what was traced when it no longer holds.
    """

    def __init__(
        self, function: Callable[..., Any], signature: Signature, options: Options, doc: str, invalidation: Invalidation
    ) -> None:
        self.function = function
        self.signature = signature
        self.options = options
        self.doc = doc
        self.invalidation = invalidation
        self.lock = invalidation.lock
        self.specialisations: list[Specialisation] = []
        self._layouts: dict[PyTreeSpec, Layout] = {}
        self._exact: dict[Any, Specialisation] = {}
        self._families: dict[Any, Family] = {}

    def arrange(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Layout]:
        """Return the leaves of a call, and its layout."""
        args, kwargs = self.signature.arrange(args, kwargs)
        leaves, spec = flatten_call(args, kwargs)
        layout = self._layouts.get(spec)
        if layout is None:
            self.signature.check(args, kwargs)
            layout = self._layouts.setdefault(spec, Layout(self.signature, spec))
        return leaves, layout

    def find(self, leaves: Sequence[Any], layout: Layout) -> Specialisation:
        """Return the specialisation for a call, traced if there is none yet."""
        kinds = layout.kinds(leaves)
        found = self._exact.get((layout, kinds))
        if found is not None:
            return found
        with self.lock:
            return self._specialise(leaves, layout)

    def forget(self) -> None:
        """Drop everything that was traced."""
        self.specialisations.clear()
        self._exact.clear()
        self._families.clear()
        for layout in self._layouts.values():
            layout.static = set()

    def like(self, other: Specialisation) -> Specialisation:
        """Return the specialisation for the kinds of arguments of another function's, which has the same parameters."""
        layout = Layout(self.signature, other.traced.layout.spec)
        with self.lock:
            self.invalidation.check()
            with self.invalidation.tracing():
                traced = trace_quietly(self.function, layout, other.traced.kinds, other.traced.sizes)
        return Specialisation(traced, self.doc, self.options, "asked for")

    def _specialise(self, leaves: Sequence[Any], layout: Layout) -> Specialisation:
        before = set(layout.static)
        try:
            return self._traced(leaves, layout)
        except Exception:
            # Integers that were made static in vain.
            layout.static = before
            raise

    def _traced(self, leaves: Sequence[Any], layout: Layout) -> Specialisation:
        while True:
            kinds = layout.kinds(leaves)
            found = self._exact.get((layout, kinds))
            if found is not None:
                return found
            if self.invalidation.check():
                continue
            family = self._families.setdefault((layout, _without_sizes(kinds)), Family())
            try:
                with self.invalidation.tracing():
                    found = self._in_family(family, layout, kinds)
            except NeedsStatic as need:
                if need.leaves <= layout.static:
                    raise need.error from need.__cause__
                layout.static |= need.leaves if need.surely else self._static_for(need.leaves, leaves, layout)
                continue
            if len(self._exact) >= MAX_EXACT:
                del self._exact[next(iter(self._exact))]
            self._exact[(layout, kinds)] = found
            return found

    def _static_for(self, candidates: frozenset[int], leaves: Sequence[Any], layout: Layout) -> frozenset[int]:
        """Return as few of the leaves as the function can be traced with, when they are static."""
        chosen = candidates
        for leaf in sorted(candidates) if len(candidates) > 1 else ():
            with suppress(Exception):
                trace_quietly(self.function, layout, layout.kinds(leaves, chosen - {leaf}))
                chosen -= {leaf}
        return chosen

    def _in_family(self, family: Family, layout: Layout, kinds: tuple[Kind, ...]) -> Specialisation:
        shapes = list(_shapes(kinds))
        for known in family.symbolic:
            if known.takes(shapes):
                return known
        history = [*family.history, kinds]
        if family.history and not family.needs_numbers:
            found = self._symbolic(family, layout, history)
            if found is not None:
                # The sizes seen before go there too from now on, so that calls of mixed sizes find one program.
                for past in family.history:
                    if found.takes(list(_shapes(past))):
                        self._exact.pop((layout, past), None)
                family.history = history
                family.symbolic.append(found)
                if found.takes(shapes):
                    return found
        try:
            traced = trace_quietly(self.function, layout, kinds)
        except BaseException:
            # What is wrong here need not be the symbols.
            family.needs_numbers = False
            raise
        made = self._made(traced, self._reason(layout, kinds))
        family.history = history[-MAX_HISTORY:]
        return made

    def _symbolic(self, family: Family, layout: Layout, history: list[tuple[Kind, ...]]) -> Specialisation | None:
        """Trace with symbols for the sizes that vary; where a number is needed, that size stays exact.

        None if it cannot be traced so: exact sizes will do, or will say what is wrong.
        """
        concrete: frozenset[str] = frozenset()
        while True:
            kinds, symbols = symbolic_kinds(history, layout.names, concrete)
            if not symbols or any(0 in shape for shape in _shapes(history[-1])):
                family.needs_numbers = not symbols
                return None
            shapes = list(_shapes(history[-1]))
            if len(family.symbolic) >= MAX_SYMBOLIC or any(known.is_for(kinds, shapes) for known in family.symbolic):
                return None
            sizes = sizes_of(shapes, [k for k in kinds if isinstance(k, ArrayType)]) or {}
            try:
                traced = trace_quietly(self.function, layout, kinds, sizes)
            except NeedsConcreteSize as need:
                if need.dim.symbols & symbols:
                    concrete |= need.dim.symbols
                    continue
                family.needs_numbers = True
                return None
            except NeedsStatic as need:
                if need.surely:
                    raise
                family.needs_numbers = True
                return None
            except (JitdiffError, TypeError, ValueError, IndexError):
                family.needs_numbers = True
                return None
            names = ", ".join(sorted(symbols))
            return self._made(traced, f"sizes vary: {names} symbolic from now on")

    def _made(self, traced: Traced, reason: str) -> Specialisation:
        made = Specialisation(traced, self.doc, self.options, reason)
        self.specialisations.append(made)
        return made

    def _reason(self, layout: Layout, kinds: tuple[Kind, ...]) -> str:
        if not self.specialisations:
            return "first call"
        last = self.specialisations[-1].traced
        if last.layout is not layout:
            return "another structure of arguments"
        changes = [f"{n}: {a} -> {b}" for n, a, b in zip(layout.names, last.kinds, kinds, strict=True) if a != b]
        return f"changed {', '.join(changes[:4])}"


def trace_quietly(
    function: Callable[..., Any], layout: Layout, kinds: Sequence[Kind], sizes: Mapping[str, int] = MappingProxyType({})
) -> Traced:
    """Trace, whatever this thread is tracing already."""
    with building(None):
        return trace(function, layout, kinds, sizes=sizes)


def _without_sizes(kinds: Sequence[Kind]) -> tuple[Any, ...]:
    return tuple(k if isinstance(k, Static) else (k.dtype, k.ndim, k.weak) for k in kinds)


def _shapes(kinds: Sequence[Kind]) -> Iterator[Any]:
    return (k.shape for k in kinds if isinstance(k, ArrayType))
