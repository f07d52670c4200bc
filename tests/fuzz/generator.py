"""Grows programs statement by statement: what NumPy runs at both sizes stays, everything else is taken back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import optree

from tests.fuzz import arguments
from tests.fuzz.program import PRELUDE, Point, Program, copied

LARGEST = 60.0
"""Numbers of a program are smaller, so that differences are exact enough."""

TRIES = 100
NAMES = "a b c d p q r s t u v w z g h".split()
INDENT = "    "


class Rejected(Exception):
    """What was tried does not run, or gives numbers that are of no use."""


class Reached(Exception):
    """The place where a program is being written was reached often enough."""


@dataclass(eq=False)
class Line:
    """A line of the function, and what stands in its place while the block that it opens is being written."""

    depth: int
    text: str
    meanwhile: str | None = None

    def __str__(self) -> str:
        return INDENT * self.depth + (self.text if self.meanwhile is None else self.meanwhile)


State = dict[str, Any]
"""Variables at the place where the program is being written, by name."""


class Generator:
    """The program written so far, and what its variables hold at both sizes."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.arguments = arguments.draw(self.rng)
        self.declarations: list[str] = []
        self.lines: list[Line] = []
        self.depth = 1
        self.outer: list[set[str]] = []
        self.expressions: list[str] = []
        self.statements: list[ModuleType] = []
        self.known: dict[str, str] = {}
        self._states: list[State] | None = None
        self._used = 0
        self.bound: dict[str, Any] = {}
        self.hidden: set[str] = set()

    # --- the text

    @property
    def source(self) -> str:
        """The text of the module, as far as it is written."""
        head = f"def f({', '.join(a.name for a in self.arguments)}):"
        sizes = ["".join(f"{a.texts[k]}, " for a in self.arguments) for k in (0, 1)]
        given = f"ARGUMENTS = [\n    ({sizes[0].strip()}),\n    ({sizes[1].strip()}),\n]"
        body = "\n".join(map(str, self.lines))
        return "\n\n".join([PRELUDE, *self.declarations, f"{head}\n{body}\n", given]) + "\n"

    def write(self, text: str, meanwhile: str | None = None) -> Line:
        """Add a line."""
        line = Line(self.depth, text, meanwhile)
        self.lines.append(line)
        self._states = None
        return line

    @contextmanager
    def indented(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            self._states = None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Take back what is written inside if it is rejected, and pass that on."""
        before = len(self.lines), len(self.declarations), len(self.outer)
        depth, used, hidden = self.depth, self._used, set(self.hidden)
        kept = [line.meanwhile for line in self.lines]
        try:
            yield
        except Rejected:
            for written, count in zip((self.lines, self.declarations, self.outer), before, strict=True):
                del written[count:]
            for line, meanwhile in zip(self.lines, kept, strict=True):
                line.meanwhile = meanwhile
            self.depth, self._states, self._used, self.hidden = depth, None, used, hidden
            raise

    # --- what it computes

    @property
    def states(self) -> list[State]:
        """The variables here, for each size, the first time that this place is reached."""
        if self._states is None:
            self._states = self._run()
        return self._states

    def changed(self) -> None:
        """Forget what the variables were: lines have changed."""
        self._states = None

    def check(self) -> None:
        """Reject the program unless it runs until here, with numbers of reasonable size."""
        _ = self.states

    def _run(self) -> list[State]:
        seen: list[State] = []

        def probe(state: State) -> None:
            if any(not reasonable(value) for value in state.values()):
                raise Rejected
            if count[0] == 0:
                seen.append(copied(state))
            count[0] += 1
            if count[0] > 40:
                raise Reached

        mark = Line(self.depth, "_probe(locals())")
        self.lines.append(mark)
        try:
            namespace: dict[str, Any] = {"_probe": probe}
            with np.errstate(all="ignore"):
                exec(compile(self.source, "<growing>", "exec"), namespace)
                for args in namespace["ARGUMENTS"]:
                    count = [0]
                    with suppress(Reached):
                        namespace["f"](*Point(args).contiguous())
                    if not count[0]:
                        raise Rejected
        except Rejected:
            raise
        except Exception as error:
            raise Rejected(repr(error)) from error
        finally:
            self.lines.remove(mark)
        self._namespace = namespace
        return seen

    def evaluate(self, text: str) -> list[Any]:
        """Return what an expression gives here, for each size."""
        found = []
        for state in self.states:
            scope = {**self._namespace, **copied(state), **self.bound}
            try:
                with np.errstate(all="ignore"):
                    found.append(eval(text, scope))
            except Exception as error:
                raise Rejected(repr(error)) from error
        return found

    # --- choices

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def choose(self, options: Sequence[Any]) -> Any:
        if not options:
            raise Rejected
        return self.rng.choice(options)

    def fresh(self) -> str:
        """Return a name that is not used yet."""
        self._used += 1
        k, n = divmod(self._used - 1, len(NAMES))
        return NAMES[n] + (str(k) if k else "")

    def assignable(self) -> list[str]:
        """Return the variables that may be bound anew here: inside a function its own only."""
        names = [name for name in self.states[0] if not name.startswith("_") and name not in self.hidden]
        return [name for name in names if name not in self.outer[-1]] if self.outer else names

    def atoms(self, accept: Callable[[Any], bool]) -> list[str]:
        """Return variables, their items and attributes that are accepted at both sizes, the latest last."""
        first, second = self.states[0], self.states[-1]
        found = []
        for name, value in {**first, **self.bound}.items():
            other = second.get(name, self.bound.get(name))
            if name.startswith("_") or name in self.hidden:
                continue
            for path, part in parts(name, value):
                try:
                    counterpart = dict(parts(name, other))[path]
                except KeyError:
                    continue
                if accept(part) and accept(counterpart):
                    found.append(path)
        return found


def parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a variable and what it holds, with the text that reads it."""
    yield name, value
    if isinstance(value, list | tuple) and value:
        fields = getattr(value, "_fields", None)
        for k in (0, len(value) - 1) if len(value) > 1 else (0,):
            path = f"{name}.{fields[k]}" if fields else f"{name}[{k if k == 0 else -1}]"
            yield from parts(path, value[k])
    elif isinstance(value, dict):
        for key, item in list(value.items())[:3]:
            yield from parts(f"{name}[{key!r}]", item)
    elif type(value).__module__ == "builtins" or callable(value):
        return
    elif hasattr(value, "__dict__") and not isinstance(value, np.ndarray):
        for key, item in vars(value).items():
            yield from parts(f"{name}.{key}", item)


def reasonable(value: Any) -> bool:
    """Say whether all numbers in a value are finite and of moderate size."""
    for leaf in optree.tree_leaves(value):
        if isinstance(leaf, np.ndarray | np.generic | float | int):
            array = np.asarray(leaf)
            if array.dtype.kind in "fiu" and (array.size > 200 or not np.all(np.abs(array.astype(float)) < LARGEST)):
                return False
            if array.dtype.kind not in "fiub":
                return False
    return True


def generate(seed: int) -> Program:
    """Return the program of a seed."""
    from tests.fuzz.constructs import statement

    for attempt in range(TRIES):
        g = Generator(seed * 1000 + attempt)
        try:
            statement.choose_themes(g)
            for _ in range(g.rng.randint(2, 7)):
                statement.any_statement(g)
            statement.result(g)
        except Rejected:
            continue
        return Program(g.source, f"seed_{seed}")
    raise RuntimeError(f"no program for seed {seed}")
