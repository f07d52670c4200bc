"""Statements: templates of one or more lines, written and tried line by line."""

from __future__ import annotations

import ast
import re
import textwrap
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from tests.fuzz.constructs import (
    branches,
    containers,
    creation,
    elementwise,
    functions,
    in_place,
    indexing,
    joins,
    layout,
    linear_algebra,
    loops,
    objects,
    rare,
    reductions,
    scalars,
)
from tests.fuzz.constructs.slots import Filler, is_any
from tests.fuzz.generator import Rejected

if TYPE_CHECKING:
    from tests.fuzz.generator import Generator, Line

THEMES: tuple[ModuleType, ...] = (
    branches,
    containers,
    creation,
    functions,
    in_place,
    indexing,
    joins,
    layout,
    linear_algebra,
    loops,
    objects,
    reductions,
    scalars,
)
DEEPEST = 3
JUMPS = ("break", "continue", "return")
DEFINITION = re.compile(r"def (\w+)\((.*)\):$")


def choose_themes(g: Generator) -> None:
    """Let the program be made of a few themes, so that each of them meets each other one often."""
    chosen = [elementwise, *g.rng.sample(THEMES, g.rng.randint(2, 6)), *([rare] if g.chance(0.04) else [])]
    g.expressions = [template for theme in chosen for template in theme.EXPRESSIONS]
    g.statements = [theme for theme in chosen if theme.STATEMENTS]
    g.known = {name: text for theme in chosen for name, text in getattr(theme, "DECLARATIONS", {}).items()}


def any_statement(g: Generator) -> None:
    """Write a statement, or reject the program if nothing fits."""
    for _ in range(12):
        theme = g.choose(g.statements)
        template = g.choose(theme.STATEMENTS)
        if "{body}" in template and g.depth >= DEEPEST:
            continue
        try:
            with g.attempt():
                _declare(g, template)
                _write(g, template)
            return
        except Rejected:
            continue
    raise Rejected


def _declare(g: Generator, template: str) -> None:
    for name, text in g.known.items():
        if re.search(rf"\b{name}\b", template) and text not in g.declarations:
            g.declarations.append(text)


def _write(g: Generator, template: str) -> None:
    fill, base, start, before = Filler(g), g.depth, len(g.lines), set(g.states[0])
    opened: list[tuple[int, Line]] = []
    for raw in template.strip("\n").split("\n"):
        depth = base + (len(raw) - len(raw.lstrip())) // 4
        text = raw.strip()
        _close(g, opened, depth, is_arm=text.startswith(("else:", "elif ")))
        g.depth = depth
        if text == "{body}":
            _body(g)
        else:
            _line(g, fill, text, opened)
    g.depth = base
    _close(g, opened, base, is_arm=False)
    g.hidden |= names_of_one_arm("\n".join(map(str, g.lines[start:]))) - before
    g.check()


def names_of_one_arm(text: str) -> set[str]:
    """Return the names that are bound in one arm of a branch only.

    Examples
    --------
    >>> names_of_one_arm("if c:\\n    a = b = 1\\nelse:\\n    b = 2")
    {'a'}
    """
    tree = ast.parse(textwrap.dedent(text))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If):
            found |= _bound(node.body) ^ _bound(node.orelse)
    return found


def _bound(block: list[ast.stmt]) -> set[str]:
    nodes = [node for statement in block for node in ast.walk(statement)]
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _body(g: Generator) -> None:
    for _ in range(g.rng.choice([1, 1, 2, 2, 3])):
        any_statement(g)


def _line(g: Generator, fill: Filler, text: str, opened: list[tuple[int, Line]]) -> None:
    if text.endswith(":") and text.startswith(("else", "elif")):
        for depth, line in opened:
            if depth == g.depth and line.text.startswith(("if ", "elif ")):
                line.meanwhile = "if False:" if line.text.startswith("if ") else "elif False:"
    text = fill(text)
    definition = DEFINITION.match(text)
    if definition and "=" in definition.group(2):
        names, values = zip(*(pair.split("=", 1) for pair in _split(definition.group(2))), strict=True)
        given = f"for {', '.join(names)}, in [({', '.join(values)},)]:"
        g.outer.append(set(g.states[0]))
        opened.append((g.depth, g.write(f"def {definition.group(1)}({', '.join(names)}):", given)))
    elif text.endswith(":"):
        meanwhile = _meanwhile(text)
        opened.append((g.depth, g.write(text, meanwhile)))
    elif text.startswith("return") and g.outer:
        g.write(text, text.replace("return", "_returned =", 1))
        g.check()
    else:
        g.write(text)
        if not text.startswith(JUMPS):
            g.check()


def _meanwhile(opening: str) -> str | None:
    if opening.startswith("if "):
        return "if True:"
    if opening.startswith("elif "):
        return "elif True:"
    return "for _ in range(1):" if opening.startswith("while ") else None


def _close(g: Generator, opened: list[tuple[int, Line]], depth: int, *, is_arm: bool) -> None:
    """Let the blocks that end before a line at `depth` be what they are from now on."""
    while opened and (opened[-1][0] > depth or (opened[-1][0] == depth and not is_arm)):
        _, line = opened.pop()
        if line.text.startswith("def "):
            g.outer.pop()
        for written in g.lines[g.lines.index(line) :]:
            written.meanwhile = None
        g.changed()


def _split(parameters: str) -> list[str]:
    """Split the parameters of a function at commas outside of brackets."""
    found, level = [""], 0
    for c in parameters:
        level += (c in "([{") - (c in ")]}")
        if c == "," and level == 0:
            found.append("")
        else:
            found[-1] += c
    return [part.strip() for part in found]


def result(g: Generator) -> None:
    """Return a number that depends on the latest variables."""
    names = [n for n in g.atoms(is_any) if not n.startswith("_")]
    given = {a.name for a in g.arguments}
    made = [n for n in names if re.split(r"\W", n)[0] not in given]
    if not made:
        raise Rejected
    chosen = made[-4:] if len(made) < 5 else [*g.rng.sample(made[:-3], 2), *made[-3:]]
    terms = []
    for n in chosen:
        whole = f"np.sum({n})" if any(np.ndim(v) for v in g.evaluate(n)) else n
        terms.append(g.choose([whole, f"{whole} * {g.rng.uniform(0.3, 1.4):.2f}", whole, f"np.sum({n} * {n})"]))
    g.write(f"return {' + '.join(terms)}")
