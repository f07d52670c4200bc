"""Symbolic sizes: polynomials with integer coefficients over named dimensions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import total_ordering
from typing import Any

from jitdiff.errors import TracingError

Monomial = tuple[str, ...]


class NeedsConcreteSize(TracingError):
    """Traced code asked for the number behind a symbolic size; the front end answers by tracing with exact sizes."""

    def __init__(self, dim: Dim) -> None:
        super().__init__(f"the size {dim} is symbolic here, and a number is needed", hint="trace with exact sizes")
        self.dim = dim


@total_ordering
class Dim:
    """A size known only when the compiled function runs.

    Sums, differences and products of sizes stay symbolic; what needs the number itself
    (``int``, ``range``, a comparison of order) raises `NeedsConcreteSize`.

    Examples
    --------
    >>> n, m = Dim.symbol("n"), Dim.symbol("m")
    >>> 2 * n + m - n
    m + n
    >>> (n * m) // m == n
    True
    """

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms: tuple[tuple[Monomial, int], ...] = tuple(sorted((m, c) for m, c in terms.items() if c))
        self._hash = hash(self.terms)

    @staticmethod
    def symbol(name: str) -> Dim:
        """Return the dimension called `name`."""
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"{name!r} cannot name a dimension")
        return Dim({(name,): 1})

    @property
    def symbols(self) -> frozenset[str]:
        """Names of the dimensions that this size depends on."""
        return frozenset(name for monomial, _ in self.terms for name in monomial)

    @property
    def constant(self) -> int:
        """The term without symbols."""
        return dict(self.terms).get((), 0)

    def substitute(self, values: Mapping[str, int | Dim]) -> int | Dim:
        """Return what this size is when its symbols have `values`."""
        total: int | Dim = 0
        for monomial, coefficient in self.terms:
            product: int | Dim = coefficient
            for name in monomial:
                product = product * values[name]
            total = total + product
        return total

    def __add__(self, other: int | Dim) -> int | Dim:
        if not isinstance(other, int | Dim):
            return NotImplemented
        terms = dict(self.terms)
        for monomial, coefficient in _terms(other).items():
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return _size(terms)

    def __mul__(self, other: int | Dim) -> int | Dim:
        if not isinstance(other, int | Dim):
            return NotImplemented
        terms: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in _terms(other).items():
                monomial = tuple(sorted(m1 + m2))
                terms[monomial] = terms.get(monomial, 0) + c1 * c2
        return _size(terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> int | Dim:
        return self * -1

    def __sub__(self, other: int | Dim) -> int | Dim:
        return self + other * -1

    def __rsub__(self, other: int | Dim) -> int | Dim:
        return self * -1 + other

    def __floordiv__(self, other: int | Dim) -> int | Dim:
        """Exact division by one term; anything else needs the numbers."""
        divisor = _terms(other)
        if len(divisor) == 1:
            ((dm, dc),) = divisor.items()
            terms: dict[Monomial, int] = {}
            for monomial, coefficient in self.terms:
                rest = list(monomial)
                if dc == 0 or coefficient % dc or any(monomial.count(s) < dm.count(s) for s in dm):
                    break
                for symbol in dm:
                    rest.remove(symbol)
                terms[tuple(rest)] = coefficient // dc
            else:
                return _size(terms)
        if self == other:
            return 1
        raise NeedsConcreteSize(self)

    def __rfloordiv__(self, other: int) -> int:
        if other == 0:
            return 0
        raise NeedsConcreteSize(self)

    def __mod__(self, other: int | Dim) -> int:
        self.__floordiv__(other)
        return 0

    def __index__(self) -> int:
        raise NeedsConcreteSize(self)

    __int__ = __index__

    def __float__(self) -> float:
        raise NeedsConcreteSize(self)

    def __bool__(self) -> bool:
        raise NeedsConcreteSize(self)

    def __lt__(self, other: int | Dim) -> bool:
        raise NeedsConcreteSize(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Dim, (dict(self.terms),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        text = ""
        constant_last = sorted(self.terms, key=lambda term: (term[0] == (), term[0]))
        for monomial, coefficient in constant_last:
            factors = [*monomial] if abs(coefficient) == 1 and monomial else [str(abs(coefficient)), *monomial]
            sign = "-" if coefficient < 0 else "+"
            text += (f" {sign} " if text else sign.replace("+", "")) + "*".join(factors)
        return text


def _terms(size: int | Dim) -> dict[Monomial, int]:
    return dict(size.terms) if isinstance(size, Dim) else {(): int(size)}


def _size(terms: Mapping[Monomial, int]) -> int | Dim:
    dim = Dim(terms)
    if not dim.terms:
        return 0
    if dim.terms[0][0] == () and len(dim.terms) == 1:
        return dim.terms[0][1]
    return dim


def product(shape: tuple[int | Dim, ...]) -> int | Dim:
    """Return the number of elements of an array of this shape."""
    total: int | Dim = 1
    for dim in shape:
        total = total * dim
    return total
