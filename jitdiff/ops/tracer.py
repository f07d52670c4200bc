"""Tracers: handles on IR values. Operating on one appends to the program being built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

import numpy as np
import optree

from jitdiff.errors import TracingError
from jitdiff.ir import ArrayType, Atom, Const, Dim, Value
from jitdiff.ir.builder import Builder, builder_elsewhere, current_builder
from jitdiff.ir.dtypes import SCALARS
from jitdiff.ir.location import caller, describe
from jitdiff.ops.admission import admitted
from jitdiff.ops.alias import Unclear, View, view_of
from jitdiff.ops.leaving import departure, ways_out
from jitdiff.ops.methods import ArrayMethods
from jitdiff.ops.table import FUNCTIONS, OPS, Handle, Op


class Tracer(ArrayMethods):
    """Stands for an array inside a trace: it has a shape and a dtype, and mostly no numbers.

    It is a cell: changing the array in place puts another value of the same type into it, so that every name for the
    array sees the change, and views read what they are views of.

    Attributes
    ----------
    atom : Atom
        The present value.
    home : Builder or None
        The builder that was current when the array came to be; a block inside it that changes the array gives the
        change out as a result.
    view : View, Unclear or None
        What it is a view of.
    version : int
        Counts the changes.
    fixed : str
        Why it cannot be changed in place; empty if it can.
    """

    __slots__ = ("_atom", "_numbers", "_retired", "fixed", "home", "version", "view")
    rank: ClassVar[int] = 1

    def __init__(self, atom: Atom | None, numbers: np.ndarray[Any, Any] | None = None) -> None:
        self._atom = atom
        self._numbers = numbers
        self._retired = ""
        self.home = current_builder()
        self.view: View | Unclear | None = None
        self.version = 0
        self.fixed = ""

    @property
    def atom(self) -> Atom:
        """The present value."""
        if self._retired:
            raise TracingError(
                f"a {self.type} is read after {self._retired}",
                where=describe(caller()),
                hint="copy it before the loop: y = x.copy()",
            )
        if self.view is not None:
            self.view.refresh(self)
        if self._atom is None or (self._numbers is not None and not builder_now().sees_atom(self._atom)):
            assert self._numbers is not None
            self._atom = _atom_of(self._numbers)
        return self._atom

    @property
    def numbers(self) -> np.ndarray[Any, Any] | None:
        """The elements, of an array made from numbers alone; not to be written to."""
        return self._numbers if self.view is None else self.view.numbers()

    @property
    def followed(self) -> bool:
        """Whether its numbers are known only when the program runs."""
        return self.numbers is None

    @property
    def type(self) -> ArrayType:
        """IR type."""
        if self._atom is not None:
            return self._atom.type
        assert self._numbers is not None
        return ArrayType(self._numbers.dtype, self._numbers.shape)

    def bind(self, op: Op, xs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Append `op` to the block being built; computed at once where all operands are known numbers."""
        if self.numbers is not None and (known := numbers_of(xs, attrs)) is not None:
            op.infer(*(ArrayType(np.asarray(x).dtype, np.shape(x)) for x in known), **attrs)
            with np.errstate(all="ignore"):
                y = op.evaluate(*known, **attrs)
            return tuple(map(holding, y)) if op.multiple else view_of(op, xs, attrs, holding(y))
        outs = append(op, [lift(x, op.name) for x in xs], attrs)
        return tuple(map(Tracer, outs)) if op.multiple else view_of(op, xs, attrs, Tracer(outs[0]))

    def rebind(self, new: Any) -> None:
        """Change the array in place: from now on it is `new`, which has its shape and dtype."""
        if self.fixed:
            raise TracingError(
                f"{self.type} cannot be changed in place: {self.fixed}",
                where=describe(caller()),
                hint="copy it first: y = x.copy()",
            )
        if self.view is not None:
            self.view.write(self, new)
            return
        self._log()
        numbers = new.numbers if isinstance(new, Tracer) and current_builder() is self.home else None
        self.state = (None if numbers is not None else lift(new), numbers, "")

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.copy()

    def retire(self, why: str) -> None:
        """Let nobody read the array any more."""
        self._log()
        self.state = (self._atom, self._numbers, why)

    def _log(self) -> None:
        """Let the blocks that are being built inside the array's home know that they change it."""
        builder = current_builder()
        while builder is not None and builder is not self.home:
            builder.changes.setdefault(id(self), (self, self.state))
            builder = builder.parent

    @property
    def state(self) -> tuple[Any, Any, str]:
        """What the cell holds: an atom, numbers, or both; and why it is not to be read, if so."""
        return self._atom, self._numbers, self._retired

    @state.setter
    def state(self, state: tuple[Any, Any, str]) -> None:
        self._atom, self._numbers, self._retired = state
        self.version += 1

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if func not in FUNCTIONS:
            # What has no rule can still be computed from numbers.
            leaves, spec = optree.tree_flatten((args, kwargs))  # type: ignore[arg-type, var-annotated]
            known = numbers_of(leaves)
            if known is not None:
                given, options = optree.tree_unflatten(spec, known)
                result = func(*given, **options)
                return tuple(map(holding, result)) if isinstance(result, tuple) else holding(result)
        return super().__array_function__(func, types, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        from jitdiff.ops.window import windowed

        x, key = windowed(self, key)
        return super(Tracer, x).__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        from jitdiff.ops.window import windowed

        x, key = windowed(self, key)
        super(Tracer, x).__setitem__(key, value)

    def __mul__(self, other: Any) -> Any:
        return NotImplemented if self._repeats(other) else super().__mul__(other)

    def __rmul__(self, other: Any) -> Any:
        return NotImplemented if self._repeats(other) else super().__rmul__(other)

    def _repeats(self, other: Any) -> bool:
        """Say whether ``other * self`` repeats a sequence, as Python does, rather than multiplying an array."""
        return isinstance(other, list | tuple | str) and self.shape == () and self.dtype.kind in "iu"

    def _refuse(self, what: str, hint: str) -> NoReturn:
        if (builder := current_builder()) is not None:
            builder.root.refused = self.atom
        name, where = departure()
        if name and what != "a truth value":
            what, hint = name, ways_out(name)
        raise TracingError(
            f"{what} needs the numbers of a traced {self.type}, which has none until the compiled function runs",
            where=where,
            hint=hint,
        )

    def __bool__(self) -> bool:
        if (numbers := self.numbers) is not None:
            return bool(numbers)
        return self._refuse(
            "a truth value (if, while, and, or, not)",
            "use np.where or jitdiff.cond for a choice, jitdiff.while_loop for a loop, or the tape",
        )

    def __float__(self) -> float:
        if (numbers := self.numbers) is not None:
            return float(numbers)
        return self._refuse("float()", "leave it an array: NumPy functions and operators take it as it is")

    def __int__(self) -> int:
        if (numbers := self.numbers) is not None:
            return int(numbers)
        return self._refuse("int()", "use .astype(int), or pass it as a static argument")

    def __complex__(self) -> complex:
        return complex(float(self))

    def __index__(self) -> int:
        if (numbers := self.numbers) is not None:
            return numbers.__index__()
        return self._refuse(
            "an index or a range()", "use jitdiff.fori_loop, or declare the argument in static_argnames"
        )

    def __hash__(self) -> int:
        if self.type.shape or self.dtype.kind not in "iub" or self.numbers is not None:
            return object.__hash__(self)
        # A dict would take it for a key that it does not have.
        return self._refuse("a key of a dict or a member of a set", "compare it with each key, or use an array")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if (numbers := self.numbers) is not None:
            return np.array(numbers, dtype)
        return self._refuse(
            "np.array(), or assignment into a NumPy array, or its element at a traced index,",
            "np.stack and np.concatenate put traced values together, and jitdiff.constant(a)[i] reads a NumPy array",
        )

    def __repr__(self) -> str:
        if self.numbers is not None:
            return repr(self.numbers)
        name = getattr(self.atom, "name", "") or (str(self.atom) if isinstance(self.atom, Const) else "")
        return f"<traced {name + ': ' if name else ''}{self.type}>"

    def __format__(self, spec: str) -> str:
        return repr(self) if self.numbers is None else format(self.numbers, spec)


def holding(numbers: Any) -> Any:
    """Return a tracer that knows its numbers, for an array made while tracing; a NumPy scalar stays one.

    It can be changed in place with traced values, which a NumPy array cannot; until then Python may ask for its
    numbers.
    """
    array = np.asarray(numbers)
    return Tracer(None, array) if array.shape else array[()]


def apart(x: Any) -> Any:
    """Return a tracer of the present value of `x` that is an array of its own; anything else as it is."""
    if not isinstance(x, Tracer) or not x.shape:
        return x
    return Tracer(x.atom) if x.numbers is None else Tracer(None, x.numbers.copy())


def has_size(xs: Iterable[Any]) -> bool:
    """Say whether a symbolic size is among arguments, or in a tuple, list or slice among them."""
    return any(
        isinstance(x, Dim)
        or (isinstance(x, tuple | list) and has_size(x))
        or (isinstance(x, slice) and has_size((x.start, x.stop, x.step)))
        for x in xs
    )


def numbers_of(xs: Sequence[Any], attrs: Mapping[str, Any] = MappingProxyType({})) -> list[Any] | None:
    """Return operands as numbers, or None if one has none, or a symbolic size is among the attributes."""
    if has_size(attrs.values()):
        return None
    found = []
    for x in xs:
        if isinstance(x, Tracer):
            if (numbers := x.numbers) is None:
                return None
            found.append(numbers)
        elif isinstance(x, Handle | Dim | Value | Const):
            return None
        else:
            found.append(x)
    return found


def _atom_of(numbers: np.ndarray[Any, Any]) -> Atom:
    """Return the atom for known numbers: a constant spread out where all are equal, otherwise a captured array."""
    numbers = admitted(numbers, "a value")
    first = numbers.flat[0] if numbers.size else numbers.dtype.type(0)
    if np.array_equal(numbers, np.broadcast_to(first, numbers.shape), equal_nan=numbers.dtype.kind == "f"):
        return append(OPS["broadcast_to"], [Const.of(first)], {"shape": numbers.shape})[0]
    return builder_now().capture(numbers)


def builder_now(atoms: Sequence[Atom] = ()) -> Builder:
    """Return the builder of the running trace, in which `atoms` are to be used.

    Raises
    ------
    TracingError
        If there is none: a traced value was kept after its trace ended, or is used in another thread.
    """
    builder = current_builder()
    if builder is None:
        if (elsewhere := builder_elsewhere(atoms)) is not None:
            elsewhere.root.failure = TracingError(
                "a traced value is used in another thread than the one that traces",
                where=describe(caller()),
                hint="compute it in the compiled function itself, in a loop or with jd.map; or use jd.grad(f) of the "
                "plain function, which follows values through threads",
            )
            raise elsewhere.root.failure
        raise TracingError(
            "a traced value is used after its trace has ended",
            where=describe(caller()),
            hint="return it from the compiled function instead of storing it in a variable outside",
        )
    return builder


def lift(x: Any, of: str = "") -> Atom:
    """Return the atom for an operand: a tracer's own, a constant for a scalar, a parameter for a captured array.

    Raises
    ------
    ArgumentTypeError, DtypeError
        If it is nothing that can be computed with; `of` names the operation it is an operand of.
    """
    if isinstance(x, Tracer):
        return x.atom
    if isinstance(x, Value | Const):
        return x
    if type(x) in SCALARS or isinstance(x, Dim):
        return Const.of(x)
    if isinstance(x, Handle):
        # A Tensor or Variable from outside: each run reads it anew.
        return builder_now().capture(x)  # type: ignore[arg-type]
    if isinstance(x, int | float) and not isinstance(x, np.generic):
        return Const.of(float(x) if isinstance(x, float) else int(x))
    return builder_now().capture(np.asarray(admitted(x, f"{of}: an operand" if of else "a value")))


def append(op: Op, args: Sequence[Atom], attrs: dict[str, Any]) -> tuple[Value, ...]:
    """Append an op to the current block, converting operands to the dtypes that it works in."""
    builder = builder_now(args)
    if op.operands is not None:
        wanted = op.operands(*(a.type for a in args), **attrs)
        # What Python would compute of its own numbers gives way to the dtypes of arrays.
        weak = all(a.type.weak for a in args)
        args = [a if d is None else _converted(builder, a, d, weak) for a, d in zip(args, wanted, strict=True)]
    return builder.apply(op, args, attrs)


def _converted(builder: Builder, atom: Atom, dtype: np.dtype[Any], weak: bool) -> Atom:
    if atom.type.dtype == dtype:
        return atom
    if isinstance(atom, Const) and not isinstance(atom.value, Dim):
        return Const.of(atom.value, ArrayType(dtype, (), atom.type.weak))
    return builder.apply(OPS["astype"], [atom], {"dtype": dtype, "weak": True} if weak else {"dtype": dtype})[0]


Dim.traced = staticmethod(lambda size: Tracer(lift(size)))
