"""Expressions: a variable, or a template whose slots are expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.fuzz.constructs.slots import Filler, recent
from tests.fuzz.generator import Rejected, reasonable

if TYPE_CHECKING:
    from tests.fuzz.generator import Generator

TRIES = 6


def expression(g: Generator, accept: Callable[[Any], bool], depth: int) -> str:
    """Return the text of an expression whose value is accepted at both sizes."""
    if depth > 0 and g.chance(0.7):
        for _ in range(TRIES):
            try:
                return _composed(g, accept, depth)
            except Rejected:
                continue
    return _atom(g, accept)


def _composed(g: Generator, accept: Callable[[Any], bool], depth: int) -> str:
    text = Filler(g)(g.choose(g.expressions), depth - 1)
    if len(text) > 100 or not all(accept(v) and reasonable(v) for v in g.evaluate(text)):
        raise Rejected
    return text


def _atom(g: Generator, accept: Callable[[Any], bool]) -> str:
    names = g.atoms(accept)
    bound = [n for n in names if n in g.bound]
    if bound and g.chance(0.7):
        return str(g.choose(bound))
    return recent(g, names)
