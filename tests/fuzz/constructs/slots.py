"""The slots of templates: what an expression or a name must be to fill each."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.fuzz.generator import Rejected

if TYPE_CHECKING:
    from tests.fuzz.generator import Generator

SLOT = re.compile(r"\{(?:(\w+):)?(\w+)(?: with ([^}]*))?\}")
CONSTANTS = ["0.5", "2.0", "-0.3", "1.5", "0.7", "3", "-1.0", "0.25", "2"]


def is_array(v: Any) -> bool:
    return isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.ndim > 0


def is_number(v: Any) -> bool:
    """Whether a value is a number; arrays without dimensions are not, since ``+=`` changes them in place in NumPy."""
    return isinstance(v, float | np.floating)


def is_any(v: Any) -> bool:
    return is_array(v) or is_number(v)


def is_int(v: Any) -> bool:
    return isinstance(v, int | np.integer) and not isinstance(v, bool)


def of_rank(n: int) -> Callable[[Any], bool]:
    return lambda v: is_array(v) and v.ndim == n


def is_square(v: Any) -> bool:
    return is_array(v) and v.ndim == 2 and v.shape[0] == v.shape[1] > 0


def is_index_array(v: Any) -> bool:
    return isinstance(v, np.ndarray) and v.dtype.kind == "i" and v.ndim == 1


def is_list_of_numbers(v: Any) -> bool:
    return isinstance(v, list) and len(v) > 0 and all(map(is_any, v))


ACCEPTS: dict[str, Callable[[Any], bool]] = {
    "x": is_any,
    "a": is_array,
    "a1": of_rank(1),
    "a2": of_rank(2),
    "a3": of_rank(3),
    "s": is_number,
    "sq": is_square,
}


class Filler:
    """Fills the slots of one template, from left to right."""

    def __init__(self, g: Generator) -> None:
        self.g = g
        self.named: dict[str, str] = {}
        self.last: str | None = None

    def __call__(self, text: str, depth: int = 2) -> str:
        """Return the text with slots filled and fresh names chosen."""
        text = re.sub(r"\$(\w+)", lambda m: self._name(m.group(1)), text)
        return SLOT.sub(lambda m: self._fill(m.group(1), m.group(2), m.group(3), depth), text)

    def _name(self, key: str) -> str:
        if f"${key}" not in self.named:
            self.named[f"${key}"] = self.g.fresh()
        return self.named[f"${key}"]

    def _fill(self, name: str | None, kind: str, extra: str | None, depth: int) -> str:
        if name is None and extra is None and kind in self.named:
            return self.named[kind]
        bound = dict(pair.split("=") for pair in extra.split(", ")) if extra else {}
        before = dict(self.g.bound)
        self.g.bound.update({k.strip(): self.g.evaluate(v)[0] for k, v in bound.items()})
        try:
            found = self._of_kind(kind, depth)
        finally:
            self.g.bound = before
        if kind in ACCEPTS or kind in {"new", "var", "v", "b", "same"}:
            self.last = found
        if name is not None:
            self.named[name] = found
        return found

    def _of_kind(self, kind: str, depth: int) -> str:
        from tests.fuzz.constructs.expressions import expression

        g = self.g
        if kind in ACCEPTS:
            return expression(g, ACCEPTS[kind], depth)
        if kind in {"b", "same"}:
            return expression(g, self._beside(kind), depth)
        return FILLERS[kind](self)

    def _beside(self, kind: str) -> Callable[[Any], bool]:
        """Return what accepts values that fit the last array of the template without making it larger."""
        if self.last is None:
            raise Rejected
        shapes = {np.shape(v) for v in self.g.evaluate(self.last)}

        def fits(v: Any) -> bool:
            if not is_any(v):
                return False
            if kind == "same":
                return np.shape(v) in shapes
            return any(_broadcasts(np.shape(v), shape) for shape in shapes)

        return fits


def _broadcasts(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(inner, outer) == outer
    except ValueError:
        return False


def _new(fill: Filler) -> str:
    """Return a fresh name, or that of a number or array that is bound anew."""
    g = fill.g
    known = [n for n in g.assignable() if is_any(g.states[0][n])]
    return g.choose(known) if known and g.chance(0.35) else g.fresh()


def _variable(accept: Callable[[Any], bool], *, own: bool) -> Callable[[Filler], str]:
    def pick(fill: Filler) -> str:
        g = fill.g
        names = g.atoms(accept) if not own else [n for n in g.assignable() if accept(g.states[0][n])]
        return recent(g, names)

    return pick


def recent(g: Generator, names: list[str]) -> str:
    """Return one of the names, the later ones more often."""
    if not names:
        raise Rejected
    return str(g.rng.choices(names, [k + 1 for k in range(len(names))])[0])


def _axis(fill: Filler) -> str:
    if fill.last is None:
        raise Rejected
    rank = min(np.ndim(v) for v in fill.g.evaluate(fill.last))
    if not rank:
        raise Rejected
    return str(fill.g.rng.randrange(-rank, rank))


def _at(fill: Filler) -> str:
    """Return an index that may be one of the first axis of the last array."""
    g = fill.g
    counters = g.atoms(is_int)
    if counters and g.chance(0.75):
        k = recent(g, counters)
        return str(g.rng.choices([k, f"{k} - 1", f"-1 - {k}", f"({k} + 1) % len({fill.last})"], [6, 1, 1, 1])[0])
    return str(g.rng.choice(["0", "-1", "0", "1", "-2"]))


def _count(fill: Filler) -> str:
    """Return a number of rows or trips."""
    g = fill.g
    arrays = g.atoms(is_array)
    texts = ["2", "3"]
    if arrays:
        a = recent(g, arrays)
        texts += [f"len({a})", f"{a}.shape[0]", f"len({a})"]
    texts += [k for k in g.atoms(is_int) if g.chance(0.5)]
    return str(g.choose(texts))


def _mask(fill: Filler) -> str:
    """Return a condition on each element of the last array."""
    g = fill.g
    masks = [
        n
        for n in g.atoms(lambda v: isinstance(v, np.ndarray) and v.dtype.kind == "b")
        if np.shape(g.evaluate(n)[0]) == np.shape(g.evaluate(fill.last or "0")[0])
    ]
    if masks and g.chance(0.5):
        return str(g.choose(masks))
    return f"{fill.last} {g.choose(['>', '<', '>='])} {g.rng.uniform(-0.5, 0.8):.2f}"


def _condition(fill: Filler) -> str:
    """Return a condition on a number, or on what Python knows."""
    g = fill.g
    bound = f"{g.rng.uniform(-0.8, 1.5):.2f}"
    inner = Filler(g)
    options = ["{s} > " + bound, "{s} < " + bound, "{s} > {s}", "np.any({a} > " + bound + ")", "np.sum({x}) > " + bound]
    options += ["{s} > " + bound + " and {s} < 2.0", "not {s} > " + bound, bound + " < {s} < 1.8"]
    options += [f"{k} % 2 == 0" for k in g.atoms(is_int)[-2:]] + [f"{k} > 0" for k in g.atoms(is_int)[-1:]]
    options += [f"{a}.ndim == 1" for a in g.atoms(is_array)[-1:]] + [f"len({a}) > 2" for a in g.atoms(is_array)[-1:]]
    options += g.atoms(lambda v: isinstance(v, bool | np.bool_))
    options += [f'{t} == "sum"' for t in g.atoms(lambda v: isinstance(v, str))]
    return inner(str(g.choose(options)), 1)


def _index_array(fill: Filler) -> str:
    g = fill.g
    known = g.atoms(is_index_array)
    if known and g.chance(0.6):
        return str(g.choose(known))
    return str(g.choose(["[0, 0]", "np.array([0, -1])", "[-1, 0, 0]", "np.arange(2)", "np.array([1, 0, 1])"]))


FILLERS: dict[str, Callable[[Filler], str]] = {
    "new": _new,
    "var": _variable(is_array, own=False),
    "var1": _variable(of_rank(1), own=False),
    "var2": _variable(of_rank(2), own=False),
    "v": _variable(is_any, own=True),
    "list": _variable(is_list_of_numbers, own=False),
    "c": lambda fill: str(fill.g.choose(CONSTANTS)),
    "p": lambda fill: f"{fill.g.rng.uniform(0.2, 1.6):.2f}",
    "ax": _axis,
    "at": _at,
    "count": _count,
    "mask": _mask,
    "cond": _condition,
    "ix": _index_array,
    "int": lambda fill: recent(fill.g, fill.g.atoms(is_int)),
    "name": lambda fill: recent(fill.g, fill.g.atoms(is_any)),
}
KINDS = sorted({*ACCEPTS, *FILLERS, "b", "same"})
