"""One program of a compiled function, for one kind of arguments: traced, optimised, emitted, native."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from optree import PyTreeSpec

from jitdiff import codegen, passes
from jitdiff.api.memory import Memory, memory_of
from jitdiff.api.pullback import Pullback, exactly
from jitdiff.config import settings
from jitdiff.frontend import Kind, Traced, flatten, native, unflatten
from jitdiff.ir import Apply, ArrayType, Block, Dim, Emitted, If, blocks_of, show
from jitdiff.native import records
from jitdiff.native.signals import NotMine, WorkspaceTooSmall
from jitdiff.ops import Handle, Op
from jitdiff.ops.replay import evaluate
from jitdiff.ops.sizes import size_conditions
from jitdiff.threads import Lock, lazy

if TYPE_CHECKING:
    from jitdiff.native.kernel import Kernel


@dataclass(frozen=True, slots=True)
class Options:
    """What `compile` was told.

    Parameters
    ----------
    parallel : bool or "auto"
        Whether loops run on several threads.
    cache : bool
        Whether compiled code is kept on disk.
    """

    parallel: bool | str = "auto"
    cache: bool = True


class Specialisation:
    """A traced program and what becomes of it; each step is taken when it is first asked for.

    Parameters
    ----------
    traced : Traced
        The program as traced.
    doc : str
        First line of the emitted module.
    options : Options
        Of the compiled function.
    reason : str
        Why it was made, for `Compiled.explain`.
    """

    def __init__(self, traced: Traced, doc: str, options: Options, reason: str) -> None:
        self.traced = traced
        self.doc = doc
        self.options = options
        self.reason = reason
        self.operation: Op | None = None
        self._lock = Lock()

    @lazy
    def block(self) -> Block:
        """The program after all passes."""
        return passes.optimise(self.traced.block, _dump if settings().dump else None)

    @lazy
    def emitted(self) -> Emitted:
        """The program as Python text."""
        emitted = self._emit(pack=records.are_known())
        if "source" in settings().dump or settings().dump == "all":
            _print(f"{self.block.name}: source", emitted.source)
        return emitted

    def _emit(self, *, pack: bool) -> Emitted:
        return codegen.emit(self.block, self.block.name, self.doc, self.traced.assumed, pack=pack)

    @lazy
    def kernel(self) -> Kernel:
        """The native function."""
        # Numba is imported when something is compiled, not before.
        from jitdiff.native.kernel import build

        return build(self.emitted, cache=self.options.cache, parallel=self.options.parallel is True)

    @property
    def kernel_for_compiled_code(self) -> Kernel:
        """The native function with an argument for each array, which other compiled code can call."""
        from jitdiff.native.kernel import build

        if not self.emitted.packed:
            return self.kernel
        return build(self._emit(pack=False), cache=self.options.cache, parallel=self.options.parallel is True)

    @lazy
    def pullback(self) -> Pullback:
        """The program with its adjoint by all arguments."""
        count = len(self.traced_leaves)
        return Pullback(self.traced.block, count, range(count), self.options.cache)

    @lazy
    def pullback_by_first(self) -> Pullback:
        """The program with its adjoint by the first argument."""
        args, _ = self.traced.layout.spec.children()
        first = args.child(0)
        among = [k for k, leaf in enumerate(self.traced_leaves) if leaf < first.num_leaves]
        return Pullback(self.traced.block, len(self.traced_leaves), among, self.options.cache)

    @lazy
    def types(self) -> tuple[ArrayType, ...]:
        """Types of the flat results."""
        return tuple(r.type for r in self.traced.block.results)

    @property
    def types_of_arguments(self) -> tuple[ArrayType, ...]:
        """Types of the traced leaves."""
        return tuple(kind for kind in self.traced.kinds if isinstance(kind, ArrayType))

    @lazy
    def size_conditions(self) -> frozenset[Dim]:
        """What must be at least zero of the symbolic sizes, such as n - 3 where the program reads ``x[3:]``.

        That what the program asked of sizes has the same answer again is among it.
        """
        return size_conditions(self.traced.block) | self.traced.assumed

    def is_for(self, kinds: Sequence[Kind], shapes: Sequence[Any]) -> bool:
        """Whether it was traced for these kinds, and what it asked of sizes has the same answers for these shapes."""
        if self.traced.kinds != tuple(kinds):
            return False
        sizes = sizes_of(shapes, self.types_of_arguments) or {}
        return all(c.substitute(sizes) >= 0 for c in self.traced.assumed)

    def takes(self, shapes: Sequence[Any]) -> bool:
        """Whether the program is right for arguments of these shapes."""
        sizes = sizes_of(shapes, self.types_of_arguments)
        if sizes is None:
            return False
        return all(c.substitute(sizes) >= 0 for c in self.size_conditions if c.symbols <= sizes.keys())

    @property
    def is_symbolic(self) -> bool:
        """Whether it takes more than one size."""
        return any(not isinstance(n, int) for t in self.types_of_arguments for n in t.shape)

    @lazy
    def traced_leaves(self) -> tuple[int, ...]:
        """Positions of the leaves that are parameters of the program."""
        return tuple(k for k, kind in enumerate(self.traced.kinds) if isinstance(kind, ArrayType))

    @lazy
    def handles(self) -> tuple[Handle, ...]:
        """The Tensors and Variables read from around the function."""
        return tuple(x for x in self.traced.block.captured if isinstance(x, Handle))

    def captured(self, held: Sequence[Any] = ()) -> list[Any]:
        """Return what the arrays read from around the function hold now, or `held` in place of those traced."""
        values = dict(zip(map(id, self.traced.block.captured), held, strict=True)) if held else {}
        return [_numbers(values.get(id(x), x)) for x in self.block.captured]

    def flat(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """Return the flat results, as NumPy arrays and scalars, on the traced leaves and what is captured."""
        count = len(self.traced_leaves)
        result = self._run(operands[:count], operands[count:])
        results = result if len(self.types) > 1 else (result,)
        return tuple(r if t.shape else t.dtype.type(r) for r, t in zip(results, self.types, strict=True))

    def _run(self, leaves: Sequence[Any], held: Sequence[Any] = ()) -> Any:
        arguments = list(map(native, leaves))
        if self.block.captured:
            arguments += self.captured(held)
        return self.kernel.call(*arguments)

    @property
    def has_loops(self) -> bool:
        """Whether the program has loops, which take long without native code."""
        return _has_loops(self.block)

    def interpret(self, leaves: Sequence[Any]) -> Any:
        """Return the result on all leaves of a call, computed from the program by NumPy."""
        arguments = [native(leaves[k]) for k in self.traced_leaves]
        results = evaluate(self.block, [*arguments, *self.captured()])
        return unflatten(
            self.traced.out_spec,
            [t.dtype.type(r) if not t.shape else r for r, t in zip(results, self.types, strict=True)],
        )

    def call(self, leaves: Sequence[Any]) -> Any:
        """Return the result on all leaves of a call, as the function nests it."""
        result = self._run([leaves[k] for k in self.traced_leaves])
        return result if self.finish is None else self.finish(result)

    def direct(self, leaves: Sequence[Any]) -> Callable[..., Any]:
        """Return the function from native leaves like these to the flat results, with as little in between as can be.

        It raises NotMine or TypeError for other leaves. Native code tells arrays apart; scalars, which it would
        convert, are told apart here.
        """
        call: Callable[..., Any] = self.kernel.call
        if self.block.captured:
            call = _with_captured(call, self.captured)
        scalars = [(k, type(x)) for k, x in enumerate(leaves) if not isinstance(x, np.ndarray)]
        return _checked(call, scalars, len(leaves)) if scalars else call

    def value_and_pullback(self, leaves: Sequence[Any]) -> tuple[Any, Callable[[Any], tuple[Any, ...] | None]]:
        """Return the result on all leaves of a call, and its pullback, which saved what the adjoint reads.

        The pullback takes a cotangent nested as the result, and gives those of the arguments, nested as these are, with
        None for what is not floating. It gives None for a cotangent of another structure or shape.
        """
        pullback, out_spec = self.pullback, self.traced.out_spec
        args_spec, _ = self.traced.layout.spec.children()
        results, pull = pullback([native(leaves[k]) for k in self.traced_leaves])
        moving = [self.traced_leaves[k] for k in pullback.wrt]

        def pulled(cotangent: Any) -> tuple[Any, ...] | None:
            given, structure = flatten(cotangent)
            if structure != out_spec or any(isinstance(g, Handle) for g in given):
                return None
            exact = [exactly(g, t) for g, t in zip(given, pullback.types, strict=True) if t.is_float]
            if any(g is None for g in exact):
                return None
            found: list[Any] = [None] * len(leaves)
            for k, g in zip(moving, pull(exact), strict=True):
                found[k] = g
            cotangents: tuple[Any, ...] = unflatten(args_spec, found)
            return cotangents

        return unflatten(out_spec, results), pulled

    @lazy
    def finish(self) -> Callable[[Any], Any] | None:
        """The function from flat results to the nested result; None if there is nothing to do."""
        return _finish(self.types, self.traced.out_spec)

    def memory_for(self, leaves: Sequence[Any]) -> Memory:
        """Return the bytes that a call needs."""
        sizes = sizes_of([np.shape(x) for x in leaves], self.types_of_arguments)
        assert sizes is not None
        return memory_of(self.block, self._workspace_for(leaves), [*leaves, *self.captured()], sizes)

    def _workspace_for(self, leaves: Sequence[Any]) -> int:
        if "WorkspaceTooSmall" not in self.emitted.source:
            return self.emitted.workspace
        # Where sizes are symbolic the program itself says what it needs, before it does anything.
        arguments = [*map(native, leaves), *self.captured()]
        try:
            self.kernel.run(np.empty(0, np.uint8), arguments, self.emitted.fresh(arguments))
        except WorkspaceTooSmall as error:
            return int(error.args[0])
        return 0

    def header(self) -> str:
        """Return the typed signature."""
        first, *_ = show(
            Block(self.traced.block.params, [], self.traced.block.results, self.traced.block.name)
        ).splitlines()
        return first.removeprefix("def ").removesuffix(":")

    def state(self) -> str:
        """Return how many nodes the program has, and what compiling took."""
        if "kernel" not in self.__dict__:
            return f"{len(self.traced.block.nodes)} nodes traced, not compiled yet"
        return f"{len(self.block.nodes)} nodes, {self.kernel}"

    def summary(self) -> str:
        """Return a line on what it is and why it was made."""
        return f"{self.header()}: {self.reason}; {self.state()}"


def _has_loops(block: Block) -> bool:
    return any(not isinstance(n, Apply | If) or any(map(_has_loops, blocks_of(n))) for n in block.nodes)


def _numbers(x: Any) -> Any:
    return native(np.asarray(x)) if isinstance(x, Handle) else native(x)


def _with_captured(call: Callable[..., Any], captured: Callable[[], list[Any]]) -> Callable[..., Any]:
    return lambda *leaves: call(*leaves, *captured())


def _checked(call: Callable[..., Any], scalars: Sequence[tuple[int, type]], count: int) -> Callable[..., Any]:
    if len(scalars) == count == 1:
        ((_, only),) = scalars

        def checked(x: Any) -> Any:
            if type(x) is only:
                return call(x)
            raise NotMine

        return checked

    def all_checked(*leaves: Any) -> Any:
        if len(leaves) == count:
            for k, kind in scalars:
                if type(leaves[k]) is not kind:
                    break
            else:
                return call(*leaves)
        raise NotMine

    return all_checked


def _finish(types: Sequence[ArrayType], spec: PyTreeSpec) -> Callable[[Any], Any] | None:
    kinds = [None if t.shape else t.dtype.type for t in types]
    first = kinds[0]
    if spec.is_leaf():
        return first
    flat_tuple = spec.type is tuple and spec.num_nodes == len(types) + 1
    if flat_tuple and len(types) > 1 and not any(kinds):
        return None
    if flat_tuple and len(types) == 2 and first is not None and kinds[1] is None:
        # A value and its gradient.
        return lambda results: (first(results[0]), results[1])
    if first is not None and not any(kinds[1:]) and spec == _value_and_gradients(len(kinds) - 1):
        return lambda results: (first(results[0]), results[1:])

    def nested(results: Any) -> Any:
        flat = results if len(kinds) > 1 else (results,)
        return unflatten(spec, [r if kind is None else kind(r) for r, kind in zip(flat, kinds, strict=True)])

    return nested


@cache
def _value_and_gradients(count: int) -> PyTreeSpec:
    """Return how a value and its gradients by several arguments are nested."""
    return flatten((0, (0,) * count))[1]


def _dump(stage: str, block: Block) -> None:
    wanted = settings().dump.split(",")
    if "all" in wanted or stage in wanted:
        _print(f"{block.name}: {stage}", show(block))


def _print(title: str, text: str) -> None:
    sys.stderr.write(f"# {title}\n{text}\n\n")


def sizes_of(given: Sequence[Any], types: Sequence[ArrayType]) -> dict[str, int] | None:
    """Return the numbers of the symbolic sizes of `types` when the shapes are `given`, None if they do not fit.

    Examples
    --------
    >>> from jitdiff.ir import Dim
    >>> n = Dim.symbol("n")
    >>> types = [ArrayType(np.dtype(float), (n, 3)), ArrayType(np.dtype(float), (n,))]
    >>> sizes_of([(5, 3), (5,)], types), sizes_of([(5, 3), (4,)], types)
    ({'n': 5}, None)
    """
    sizes: dict[str, int] = {}
    for shape, type in zip(given, types, strict=True):
        for have, want in zip(shape, type.shape, strict=True):
            if isinstance(want, int):
                if have != want:
                    return None
                continue
            (symbol,) = want.symbols
            # Nothing is known to hold of empty arrays: they have a program of their own.
            if sizes.setdefault(symbol, have) != have or have == 0:
                return None
    return sizes
