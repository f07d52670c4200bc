"""How an operation appears in emitted text: three facets, of which an op has one.

`Element`
    each result element is an expression over elements of the operands: pointwise ops and changes of layout. The code
    generator inlines it wherever the element is needed.
`Writes`
    the result is filled, then loops write or accumulate into it: reductions, concatenation, scatter.
`Call`
    a statement on whole arrays: matrix products and factorisations.

An index is a tuple of expressions, one per axis, as text: ``("i", "2*j + 1")``. Constants are Python integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jitdiff.ir import ArrayType, Dim, Shape

Term = str | int | Dim
"""One coordinate: text of an integer expression, or a size."""

Index = tuple[Term, ...]


class Read(Protocol):
    """Gives the text of an element of an operand, computing it first if need be."""

    def __call__(self, operand: int, index: Index) -> str:
        """Return a scalar expression for ``operand[index]``."""


@dataclass(frozen=True, slots=True)
class Site:
    """What an emission is told of the node it emits."""

    types: tuple[ArrayType, ...]
    out: ArrayType
    attrs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Element:
    """The expression for one element of the result.

    Parameters
    ----------
    expression : callable
        ``expression(at, read, site)`` gives the text of the result's element at index `at`.
    costly : bool
        Whether computing an element twice is worse than storing it (it calls a function).
    moves : bool
        Whether it only picks elements (a change of layout), computing nothing.
    """

    expression: Callable[[Index, Read, Site], str]
    costly: bool = False
    moves: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """A loop over `space` in which each point writes one element of the result.

    Parameters
    ----------
    space : tuple of int or Dim
        Extents of the loop nest.
    target : callable
        ``target(at, read)`` gives the index of the result that the point `at` writes.
    value : callable
        ``value(at, read)`` gives the text of what it writes.
    combine : str
        Template over the old element ``{0}`` and the value ``{1}``, e.g. ``"{0} + {1}"``; ``"{1}"`` overwrites.
    """

    space: Shape
    target: Callable[[Index, Read], Index]
    value: Callable[[Index, Read], str]
    combine: str = "{1}"


@dataclass(frozen=True, slots=True)
class Writes:
    """Fill the result, then write to it.

    Parameters
    ----------
    plan : callable
        ``plan(site)`` gives ``(fill, writes)``: `fill` is the text of the initial element (None: the writes cover all),
        and `writes` run one after the other.
    """

    plan: Callable[[Site], tuple[str | None, list[Write]]]


@dataclass(frozen=True, slots=True)
class Call:
    """A statement on whole arrays.

    Parameters
    ----------
    statement : str or callable
        Template with ``{0}``, ``{1}``, ... for the operands, ``{out}`` for the result and ``{name}`` for attributes,
        or ``statement(args, out, site)`` giving the text. A scalar result is assigned: ``"{out} = det({0})"``;
        an array result is written into: ``"matmul({0}, {1}, {out})"``.
    transposable : bool
        Whether a 2-D operand may be a transposed view of a buffer.
    """

    statement: str | Callable[[list[str], str, Site], str]
    transposable: bool = False


Emission = Element | Writes | Call


def broadcast_index(at: Index, shape: Shape) -> Index:
    """Return the index of an operand of `shape` that broadcasts to the result's index `at`."""
    lead = len(at) - len(shape)
    return tuple(0 if n == 1 else i for i, n in zip(at[lead:], shape, strict=True))


def shift(term: Term, by: int | Dim) -> Term:
    """Return ``term + by`` as text, folding numbers.

    Examples
    --------
    >>> shift("i", 2), shift("i", 0), shift("i", -1), shift(3, 2)
    ('i + 2', 'i', 'i - 1', 5)
    """
    if not isinstance(term, str):
        return term + by
    if by == 0:
        return term
    if isinstance(by, int) and by < 0:
        return f"{term} - {-by}"
    return f"{term} + {group(by)}"


def scale(term: Term, by: int | Dim) -> Term:
    """Return ``term * by`` as text, folding numbers.

    Examples
    --------
    >>> scale("i", 2), scale("i + 1", 2), scale("i", 1), scale("i", -1)
    ('2*i', '2*(i + 1)', 'i', '-i')
    """
    if not isinstance(term, str):
        return term * by
    if by == 1:
        return term
    if by == 0:
        return 0
    if by == -1:
        return f"-{group(term)}"
    return f"{group(by)}*{group(term)}"


def plus(a: Term, b: Term) -> Term:
    """Return ``a + b`` as text, folding numbers.

    Examples
    --------
    >>> plus("i", "j"), plus(0, "j"), plus("i", 3)
    ('i + j', 'j', 'i + 3')
    """
    if not isinstance(b, str):
        return shift(a, b)
    if not isinstance(a, str):
        return b if a == 0 else f"{a} + {b}"
    return f"{a} + {b[1:]}".replace("+ ", "- ", 1) if b.startswith("-") and b[1:].isidentifier() else f"{a} + {b}"


def group(term: Term) -> str:
    """Return the text of `term`, in parentheses if it is more than a name, a number or a call."""
    text = str(term)
    return text if text.replace("_", "").isalnum() else f"({text})"
