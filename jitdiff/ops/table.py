"""The table of operations and how a call finds its world: NumPy, a trace or the tapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, TypeVar

import numpy as np

from jitdiff.errors import ArgumentTypeError, DifferentiationError, UnsupportedError
from jitdiff.ir import ArrayType
from jitdiff.ir.location import caller, describe
from jitdiff.ops.emission import Emission
from jitdiff.ops.front import give_door
from jitdiff.ops.leaving import ways_out
from jitdiff.ops.naming import full_name
from jitdiff.ops.samples import Sample

OPS: dict[str, Op] = {}
"""Every primitive operation by name."""

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
"""What runs for a NumPy or SciPy ufunc called on a handle."""

FUNCTIONS: dict[Callable[..., Any], NumPyFunction] = {}
"""What runs for any other NumPy function called on a handle."""

OF_SIZES: dict[Callable[..., Any], Callable[..., Any]] = {}
"""What runs for a NumPy function that makes arrays of numbers alone, called with symbolic sizes."""

Vjp = Callable[..., Any]
F = TypeVar("F", bound=Callable[..., Any])


class Handle:
    """Anything that stands for an array in a world of its own: a tracer in a trace, a Tensor under tapes.

    ``rank`` orders the worlds: a call with handles of several goes to the one of highest rank, which may itself
    hold handles of lower rank.
    """

    __slots__ = ()
    rank: ClassVar[int] = 0

    @property
    def followed(self) -> bool:
        """Whether a trace or a recorder follows the value, so that its plain numbers would lose something."""
        return False

    def bind(self, op: Op, xs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply `op` to operands of which at least one is a handle of this world."""
        raise NotImplementedError

    def owned(self, args: Sequence[Any]) -> Handle:
        """Return what a function of `args` gave as an array of its own: neither a view nor one of them."""
        return self


class Level(IntEnum):
    """How much an element may be that does not count, and so what is to be looked after there.

    NOTHING: nothing counts so far; what is added says more.
    FACTOR: it is multiplied by a constant zero, so its value is finite; its slope may not be, as of a root at 0.
    PART: it is the rest of an array that a part is taken of, and any finite number or the infinity that comes of one.
    CHOICE: it is what a choice did not take, and anything at all.
    """

    NOTHING = 0
    FACTOR = 1
    PART = 2
    CHOICE = 3


Selects = Callable[[Sequence[Any], int], bool | None]
Counts = Callable[[Sequence[Any], int, bool], Callable[[], Any] | None]


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One operation: everything jitdiff knows of it, in one record.

    Parameters
    ----------
    name : str
        Unique name, under which it prints.
    evaluate : callable
        ``evaluate(*arrays, **attrs)`` with NumPy.
    infer : callable
        Typing rule: ``infer(*types, **attrs)`` gives the tuple of result types.
    operands : callable or None
        ``operands(*types, **attrs)`` gives the dtype that each operand is converted to in a trace (None leaves it),
        so that emitted code never mixes dtypes where NumPy would convert.
    vjp : callable or None
        ``vjp(xs, y, g, **attrs)`` gives one cotangent (or None) per operand; with several results, `y` and `g` are
        tuples (a `g` may be None). Written on values, with ops: it runs on arrays, in a trace and under tapes.
        It never un-broadcasts. A cotangent that costs something may be given as a function of no arguments, which is
        called only if someone wants that one. None: the operation has no derivative, and stops gradients.
    moves : bool
        Whether the rule only moves and adds cotangents, so that it can move which elements count (`jitdiff.ad.masks`).
    selects : callable or None
        For an operation that moves, and leaves elements out: ``selects(xs, k)`` says whether what it leaves out of
        operand `k` may be anything, as that of a choice; None if it leaves out nothing of it.
    counts : callable or None
        For an elementwise operation: ``counts(xs, k, only)`` gives a function that computes where operand `k` counts,
        None if everywhere. `only` says that the other operands are constants.
    guards : callable or None
        ``guards(xs, k, only)`` says whether the cotangent of operand `k` is multiplied by something that may be
        infinite or NaN. None: of no operand.
    told : bool
        Whether the rule takes ``masks=``, which elements of each result count, and gives the same with each cotangent.
    steep : Level
        What must be left out for that to need looking after.
    emission : Element, Writes or Call or None
        How the operation appears in emitted text. None: it is inlined before (see `inline`).
    inline : callable or None
        ``inline(*xs, **attrs)`` computes the operation by others; for operations that wrap a user's function.
    batch : callable or None
        ``batch(op, xs, batched, attrs)`` applies the operation to a batch of operands (see `jitdiff.ops.batching`).
        None: to one row after the other.
    samples : sequence of Sample
        Arguments that the op suite runs the entry on.
    multiple : bool
        Whether `evaluate` returns a tuple.
    write_back : callable or None
        For an operation whose result is a view in NumPy: ``write_back(xs, part, **attrs)`` gives the first operand
        with the elements of the view replaced by `part`. Only views of one array at scalar positions count.
    """

    name: str
    evaluate: Callable[..., Any]
    infer: Callable[..., tuple[ArrayType, ...]]
    operands: Callable[..., Sequence[np.dtype[Any] | None]] | None = None
    vjp: Vjp | None = None
    moves: bool = False
    selects: Selects | None = None
    counts: Counts | None = None
    guards: Callable[..., bool] | None = None
    told: bool = False
    steep: Level = Level.CHOICE
    emission: Emission | None = None
    inline: Callable[..., Any] | None = None
    batch: Callable[..., Any] | None = None
    samples: Sequence[Sample] = ()
    multiple: bool = False
    write_back: Callable[..., Any] | None = None

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        if OPS.get(self.name) is not self:
            raise ArgumentTypeError(
                f"{self.name}: an operation with a rule of its own cannot be pickled",
                hint="define the function that uses it in a module, so that it is pickled by name",
            )
        return op_named, (self.name,)

    def __call__(self, *xs: Any, **attrs: Any) -> Any:
        """Apply to arrays, tracers or Tensors, in whichever world the operands live."""
        for x in xs:
            if isinstance(x, Handle):
                break
        else:
            return self.evaluate(*xs, **attrs)
        handler = x
        for x in xs:
            if isinstance(x, Handle) and x.rank > handler.rank:
                handler = x
        return handler.bind(self, xs, attrs)

    def pullback(self, xs: Sequence[Any], y: Any, g: Any, attrs: Mapping[str, Any]) -> Sequence[Any]:
        """Return the cotangents of the operands, None where there is none; some are functions that give them.

        Raises
        ------
        DifferentiationError
            If the operation has no rule and its results are floating.
        """
        if self.vjp is None:
            return (None,) * len(xs)
        cotangents: Sequence[Any] = self.vjp(xs, y, g, **attrs)
        if len(cotangents) != len(xs):
            raise DifferentiationError(
                f"{self.name}: its rule gave {len(cotangents)} cotangents for {len(xs)} operands"
            )
        return cotangents

    def __repr__(self) -> str:
        return f"<op {self.name}>"


@dataclass(frozen=True, eq=False, slots=True)
class NumPyFunction:
    """A NumPy function as jitdiff computes it: by ops, with NumPy's signature.

    One that ``changes`` its first argument in place returns nothing, and has no samples.
    """

    numpy: Callable[..., Any]
    function: Callable[..., Any]
    samples: Sequence[Sample]
    changes: bool = False

    @property
    def name(self) -> str:
        """Name of the NumPy function."""
        return self.numpy.__name__


def computed(cotangent: Any) -> Any:
    """Return a cotangent that a rule gave, where it may have given a function instead."""
    return cotangent() if callable(cotangent) else cotangent


def op_named(name: str) -> Op:
    """Return the op of this name."""
    return OPS[name]


def register(op: Op, numpy: Callable[..., Any] | None = None) -> Op:
    """Enter an op in the table, standing for the ufunc `numpy` if one is given."""
    if op.name in OPS:
        raise ValueError(f"there are two ops called {op.name!r}")
    OPS[op.name] = op
    if isinstance(numpy, np.ufunc):
        UFUNCS[numpy] = op
    elif numpy is not None:
        FUNCTIONS[numpy] = NumPyFunction(numpy, op, op.samples)
    return op


def implements(numpy: Callable[..., Any], *, samples: Sequence[Sample] = (), changes: bool = False) -> Callable[[F], F]:
    """Declare that the decorated function computes the NumPy (or SciPy) function `numpy`, with its signature.

    `samples` hold arguments of the NumPy function, which the op suite runs it on; one that `changes` its first argument
    has none.
    """

    def declare(function: F) -> F:
        if isinstance(numpy, np.ufunc):
            UFUNCS[numpy] = function
        FUNCTIONS[numpy] = NumPyFunction(numpy, function, samples, changes)
        give_door(numpy, function)
        return function

    return declare


def of_sizes(numpy: Callable[..., Any]) -> Callable[[F], F]:
    """Declare that the decorated function computes `numpy`, which makes arrays of numbers alone, of symbolic sizes."""

    def declare(function: F) -> F:
        OF_SIZES[numpy] = function
        return function

    return declare


def unsupported(function: object, why: str = "", hint: str | None = None) -> UnsupportedError:
    """Return the error for a function without a rule, or an option of one; a string is the name of NumPy's."""
    name = f"numpy.{function}" if isinstance(function, str) else full_name(function)
    hint = hint or (None if why else ways_out(name))
    return UnsupportedError(f"{name} is not supported{': ' + why if why else ''}", where=describe(caller()), hint=hint)
