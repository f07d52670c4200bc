"""What a function reads from around it, by its code: names, modules, and the attributes of whatever it meets."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

CHANGING = frozenset(
    {
        "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert",
        "intersection_update", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort",
        "symmetric_difference_update", "update",
    }
)  # fmt: skip
"""Methods that change a list, dict, set or deque."""

_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_CELLS = ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM")


@dataclass(frozen=True, slots=True)
class Reads:
    """What code reads.

    Attributes
    ----------
    names : frozenset of str
        Global names.
    cells : frozenset of str
        Variables of the functions around it.
    modules : frozenset of (str, int)
        Modules that it imports itself: the name and how many packages up that counts from, zero for none.
    attributes : frozenset of str
        Attributes, of anything.
    everything : bool
        Whether it may read any attribute, by ``vars(x)`` or ``x.__dict__``.
    """

    names: frozenset[str]
    cells: frozenset[str]
    modules: frozenset[tuple[str, int]]
    attributes: frozenset[str]
    everything: bool


@lru_cache(maxsize=4096)
def reads_of(code: CodeType) -> Reads:
    """Return what code reads, with that of the functions defined in it.

    Examples
    --------
    >>> reads = reads_of((lambda x: model.scale * x + offset).__code__)
    >>> sorted(reads.names), sorted(reads.attributes), reads.everything
    (['model', 'offset'], ['scale'], False)
    """
    names: set[str] = set()
    cells: set[str] = set()
    modules: set[tuple[str, int]] = set()
    attributes: set[str] = set()
    for part in codes_in(code):
        instructions = [each for each in dis.get_instructions(part) if each.opname != "EXTENDED_ARG"]
        for k, instruction in enumerate(instructions):
            opname, name = instruction.opname, instruction.argval
            if opname.startswith(_ATTRIBUTES):
                attributes.add(name)
            elif opname == "IMPORT_NAME":
                # Constants before it say how far up a relative import counts, and what is taken from the module.
                modules.add((name, instructions[k - 2].argval))
                attributes.update(name.split(".")[1:])
            elif opname.startswith((*_GLOBALS, *_CELLS)) and not _is_changing(instructions[k + 1 : k + 2]):
                (cells if opname.startswith(_CELLS) else names).add(name)
    texts = {c for part in codes_in(code) for c in part.co_consts if isinstance(c, str)}
    if names & {"getattr", "attrgetter", "hasattr"}:
        attributes |= texts
    if "globals" in names:
        names |= texts
    everything = "vars" in names or "__dict__" in attributes
    return Reads(
        frozenset(names),
        frozenset(cells) & set(code.co_freevars),
        frozenset(modules),
        frozenset(attributes),
        everything,
    )


def _is_changing(following: list[dis.Instruction]) -> bool:
    """Whether the next instruction takes a method that changes what it is called on: that alone reads nothing."""
    return any(each.opname.startswith(_ATTRIBUTES) and each.argval in CHANGING for each in following)


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those of the functions defined in it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from codes_in(const)
