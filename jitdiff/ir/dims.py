"""Symbolic sizes: polynomials with integer coefficients over named dimensions."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from jitdiff.errors import TracingError
from jitdiff.ir.assumptions import asked_by_program, assumptions

Monomial = tuple[str, ...]


class NeedsConcreteSize(TracingError):
    """Traced code asked for the number behind a symbolic size; the front end answers by tracing with exact sizes."""

    def __init__(self, dim: Dim) -> None:
        super().__init__(f"the size {dim} is symbolic here, and a number is needed", hint="trace with exact sizes")
        self.dim = dim


class Dim:
    """A size known only when the compiled function runs.

    Sums, differences and products of sizes stay symbolic. Other arithmetic with numbers gives a traced scalar. A
    comparison goes by the sizes of the call that is traced, and the program is for calls where it comes out the same
    (see `Assumptions`). What needs the number itself (``int``, ``range``) raises `NeedsConcreteSize`.

    Two sizes are equal where they are the same polynomial. To the traced program, which asks for numbers, sizes that
    are not may still be equal: that too is a comparison.

    Attributes
    ----------
    traced : callable
        Of the class: gives the scalar that stands for a size in the program being built.

    Examples
    --------
    >>> n, m = Dim.symbol("n"), Dim.symbol("m")
    >>> 2 * n + m - n
    m + n
    >>> (n * m) // m == n
    True
    """

    __slots__ = ("_hash", "terms")
    traced: ClassVar[Callable[[Dim], Any]]

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

    def __add__(self, other: Any) -> Any:
        if (size := as_size(other)) is None:
            return self._computed(operator.add, other)
        terms = dict(self.terms)
        for monomial, coefficient in _terms(size).items():
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return _size(terms)

    def __mul__(self, other: Any) -> Any:
        if (size := as_size(other)) is None:
            return self._computed(operator.mul, other)
        terms: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in _terms(size).items():
                monomial = tuple(sorted(m1 + m2))
                terms[monomial] = terms.get(monomial, 0) + c1 * c2
        return _size(terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        size = as_size(other)
        return self._computed(operator.sub, other) if size is None else self + -size

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __truediv__(self, other: Any) -> Any:
        return self._computed(operator.truediv, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._computed(lambda a, b: b / a, other)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) and other >= 0:
            return product((self,) * other)
        return self._computed(operator.pow, other)

    def __rpow__(self, other: Any) -> Any:
        return self._computed(lambda a, b: b**a, other)

    def _computed(self, function: Callable[[Any, Any], Any], other: Any) -> Any:
        """Return what arithmetic that gives no size gives: a scalar of the traced program."""
        return function(Dim.traced(self), other) if isinstance(other, _NUMBERS) else NotImplemented

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Return what a NumPy function gives: a size of sizes where it can, otherwise a traced value."""
        exact = _EXACT.get(ufunc.__name__)
        if exact is not None and method == "__call__" and not kwargs:
            sizes = [as_size(x) for x in inputs]
            if None not in sizes:
                return exact(*sizes)
        return getattr(ufunc, method)(*(Dim.traced(x) if isinstance(x, Dim) else x for x in inputs), **kwargs)

    def __floordiv__(self, other: Any) -> Any:
        """Exact division by one term; anything else needs the numbers."""
        size = as_size(other)
        if size is None:
            return self._computed(operator.floordiv, other)
        divisor = _terms(size)
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
        if isinstance(size, Dim) and self.terms == size.terms:
            return 1
        raise NeedsConcreteSize(self)

    def __rfloordiv__(self, other: Any) -> Any:
        if as_size(other) is None:
            return self._computed(lambda a, b: b // a, other)
        if other == 0:
            return 0
        raise NeedsConcreteSize(self)

    def __mod__(self, other: Any) -> Any:
        if as_size(other) is None:
            return self._computed(operator.mod, other)
        self.__floordiv__(other)
        return 0

    def __index__(self) -> int:
        raise NeedsConcreteSize(self)

    __int__ = __index__

    def __float__(self) -> float:
        raise NeedsConcreteSize(self)

    def __round__(self, digits: int | None = None) -> Dim:
        return self

    __floor__ = __ceil__ = __trunc__ = __pos__ = __round__

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __bool__(self) -> bool:
        return not self._compared(operator.eq, 0)

    def __lt__(self, other: Any) -> bool:
        return self._compared(operator.lt, other)

    def __le__(self, other: Any) -> bool:
        return self._compared(operator.le, other)

    def __gt__(self, other: Any) -> bool:
        return self._compared(operator.gt, other)

    def __ge__(self, other: Any) -> bool:
        return self._compared(operator.ge, other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Dim) and self.terms == other.terms:
            return True
        if assumptions() is None or not asked_by_program(1):
            return False
        return self._compared(operator.eq, other)

    def _compared(self, relation: Callable[[Any, Any], Any], other: Any) -> bool:
        size = as_size(other)
        if size is None:
            if not isinstance(other, float):
                return NotImplemented  # type: ignore[no-any-return]
            if not math.isfinite(other):
                return bool(relation(0.0, other))
            if not other.is_integer() and relation is operator.eq:
                return False
            # An integer is below a number, or at most it, if it is so for the next integer above or below.
            size = math.ceil(other) if relation in (operator.lt, operator.ge) else math.floor(other)
        match relation:
            case operator.eq:
                return _is_natural(self - size) and _is_natural(size - self)
            case operator.lt:
                return _is_natural(size - self - 1)
            case operator.le:
                return _is_natural(size - self)
            case operator.gt:
                return _is_natural(self - size - 1)
        return _is_natural(self - size)

    def __reduce__(self) -> tuple[Any, ...]:
        return Dim, (dict(self.terms),)

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


_NUMBERS: tuple[type, ...] = (int, float, np.number, np.ndarray, Dim)

_EXACT: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "negative": operator.neg,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}
"""NumPy functions of sizes that give sizes or truth values, by name."""


def as_size(x: Any) -> int | Dim | None:
    """Return a symbolic size as it is and an integer as a Python one, None for anything else."""
    if isinstance(x, Dim):
        return x
    return int(x) if isinstance(x, int | np.integer) else None


def _is_natural(size: int | Dim) -> bool:
    """Decide whether a size is at least zero, which the traced program then depends on."""
    if not isinstance(size, Dim):
        return size >= 0
    known = assumptions()
    verdict = None if known is None else known.is_natural(size)
    if verdict is None:
        raise NeedsConcreteSize(size)
    return verdict


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
