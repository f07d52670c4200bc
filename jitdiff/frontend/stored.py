"""A function known by the programs traced of it: what a function becomes that cannot be pickled by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass
from typing import Any

from optree import PyTreeSpec

from jitdiff.errors import TracingError
from jitdiff.frontend.layout import Signature, flatten_call
from jitdiff.frontend.leaves import Static, kind_of
from jitdiff.frontend.trace import Traced
from jitdiff.frontend.trees import flatten, register_dataclass, unflatten
from jitdiff.ir import ArrayType, Dim, Shape, type_of
from jitdiff.ops import Tracer
from jitdiff.ops.replay import replay


class StoredFunction:
    """Calls the program that was traced for arguments like those given.

    Parameters
    ----------
    signature : Signature
        Of the function that was traced.
    programs : sequence of Traced
        Its programs. Programs for any size stand after those for one.

    Raises
    ------
    TracingError
        When it is called with arguments that no program is for.
    """

    def __init__(self, signature: Signature, programs: Sequence[Traced]) -> None:
        self.__name__ = self.__qualname__ = signature.name
        self.__signature__ = signature.signature
        self.signature = signature
        self.programs = list(programs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of the program, in whichever world the arguments live in."""
        leaves, spec = flatten_call(*self.signature.arrange(args, kwargs))
        for program in reversed(self.programs):
            if program.layout.spec == spec and _fit(leaves, program):
                moving = [x for x, kind in zip(leaves, program.kinds, strict=True) if isinstance(kind, ArrayType)]
                return unflatten(program.out_spec, replay(program.block, [*moving, *program.block.captured]))
        given = ", ".join(str(x.type if isinstance(x, Tracer) else kind_of(x)) for x in leaves)
        known = "; ".join(f"({', '.join(map(str, program.kinds))})" for program in self.programs)
        raise TracingError(
            f"{self.__name__} came here by pickle as programs for {known}, and there is none for ({given})",
            hint="call it with such arguments before it is pickled, or define it in a module",
        )

    def __deepcopy__(self, _: dict[int, Any]) -> StoredFunction:
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        specs = [spec for program in self.programs for spec in (program.layout.spec, program.out_spec)]
        dataclasses = tuple(dict.fromkeys(cls for spec in specs for cls in _dataclasses(spec)))
        return _restored, (_Registered(dataclasses), self.signature, self.programs)


class _Registered:
    """Dataclasses that are trees; unpickled before the structures that contain them."""

    def __init__(self, classes: tuple[type, ...]) -> None:
        for cls in classes:
            register_dataclass(cls)
        self.classes = classes

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _Registered, (self.classes,)


def _restored(_: _Registered, signature: Signature, programs: Sequence[Traced]) -> StoredFunction:
    return StoredFunction(signature, programs)


def _dataclasses(spec: PyTreeSpec) -> Iterator[type]:
    if spec.type is not None and is_dataclass(spec.type):
        yield spec.type
    for child in spec.children():
        yield from _dataclasses(child)


def _fit(leaves: Sequence[Any], program: Traced) -> bool:
    sizes: dict[str, int | Dim] = {}
    for x, kind in zip(leaves, program.kinds, strict=True):
        if isinstance(kind, Static):
            if (x if isinstance(x, Static) else Static(x)) != kind:
                return False
            continue
        if isinstance(x, Static | str) or not flatten(x)[1].is_leaf():
            return False
        type = type_of(x)
        if (type.dtype, type.weak, type.ndim) != (kind.dtype, kind.weak, kind.ndim):
            return False
        if not _sizes_fit(type.shape, kind.shape, sizes):
            return False
    return all(condition.substitute(sizes) >= 0 for condition in program.assumed)


def _sizes_fit(given: Shape, wanted: Shape, sizes: dict[str, int | Dim]) -> bool:
    return all(
        have == want if isinstance(want, int) else have != 0 and sizes.setdefault(str(want), have) == have
        for have, want in zip(given, wanted, strict=True)
    )
