"""Index arithmetic in normal form, so that two ways of writing one index are one text."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from jitdiff.ir import Dim, Shape

Monomial = tuple[str, ...]
Polynomial = dict[Monomial, int]
Extents = Mapping[str, "int | Dim"]

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)


def canonical(term: str | int | Dim, extents: Extents) -> str:
    """Return the normal form of an integer expression.

    Sums and products are multiplied out and sorted; a quotient or remainder is resolved where the ranges of the loop
    variables allow it.

    Parameters
    ----------
    term : str or int or Dim
        The expression.
    extents : mapping
        Loop variables, each with the number of values it takes from 0.

    Examples
    --------
    >>> canonical("1 + (i + 1)", {}), canonical("(10*i + j) // 10", {"j": 10}), canonical("(i*n + j) % n", {})
    ('i + 2', 'i', '(i * n + j) % n')
    """
    if isinstance(term, int):
        return str(term)
    return _canonical(str(term), tuple(sorted(extents.items(), key=lambda item: item[0])))


@lru_cache(maxsize=65536)
def _canonical(term: str, extents: tuple[tuple[str, int | Dim], ...]) -> str:
    if term.isidentifier():
        return term
    return _text(_polynomial(ast.parse(term, mode="eval").body, dict(extents)))


@lru_cache(maxsize=65536)
def monomials(term: str) -> tuple[tuple[Monomial, int], ...]:
    """Return the parts of a sum: factors, names or longer expressions, and their coefficient.

    Examples
    --------
    >>> monomials("2*i + n - 1")
    ((('i',), 2), (('n',), 1), ((), -1))
    """
    return tuple(_polynomial(ast.parse(term, mode="eval").body, {}).items())


def flattened(index: tuple[str, ...], shape: Shape, extents: Extents) -> str:
    """Return the position, in the order of memory, of an index into an array of this shape.

    Examples
    --------
    >>> flattened(("(i + 4*j) // 3", "(i + 4*j) % 3"), (5, 3), {})
    'i + 4 * j'
    """
    total: Polynomial = {}
    for term, n in zip(index, shape, strict=True):
        size = _polynomial(ast.parse(str(n), mode="eval").body, {})
        total = _plus(_times(total, size), _polynomial(ast.parse(term, mode="eval").body, extents))
    return canonical(_text(_rejoined(total, extents)), extents)


def _rejoined(polynomial: Polynomial, extents: Extents) -> Polynomial:
    """Replace ``b * (a // b) + a % b`` by ``a``."""
    parts = {m: ast.parse(m[-1], mode="eval").body for m in polynomial if m and not m[-1].isidentifier()}
    for whole, node in parts.items():
        for rest, other in parts.items():
            match node, other:
                case ast.BinOp(left=a, op=ast.FloorDiv(), right=b), ast.BinOp(left=c, op=ast.Mod(), right=d):
                    if ast.dump(a) != ast.dump(c) or ast.dump(b) != ast.dump(d) or len(whole) > 1 or len(rest) > 1:
                        continue
                    factor = polynomial[rest]
                    if _times({(): factor}, _polynomial(b, extents)) == {(): polynomial[whole]}:
                        left = {m: k for m, k in polynomial.items() if m not in (whole, rest)}
                        return _rejoined(_plus(left, _times({(): factor}, _polynomial(a, extents))), extents)
    return polynomial


def _polynomial(node: ast.expr, extents: Extents) -> Polynomial:
    match node:
        case ast.Constant(value=int() as number):
            return {(): number} if number else {}
        case ast.Name(id=name):
            return {(name,): 1}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _times({(): -1}, _polynomial(operand, extents))
        case ast.BinOp(
            left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() | ast.Mod() as op, right=right
        ):
            a, b = _polynomial(left, extents), _polynomial(right, extents)
            match op:
                case ast.Add():
                    return _plus(a, b)
                case ast.Sub():
                    return _plus(a, _times({(): -1}, b))
                case ast.Mult():
                    return _times(a, b)
                case _:
                    return _divide(a, b, extents, remainder=isinstance(op, ast.Mod))
    return {(ast.unparse(node),): 1}


def _plus(a: Polynomial, b: Polynomial) -> Polynomial:
    total = dict(a)
    for monomial, c in b.items():
        total[monomial] = total.get(monomial, 0) + c
    return {m: c for m, c in total.items() if c}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    total: Polynomial = {}
    for m1, c1 in a.items():
        for m2, c2 in b.items():
            monomial = tuple(sorted(m1 + m2))
            total[monomial] = total.get(monomial, 0) + c1 * c2
    return {m: c for m, c in total.items() if c}


def _divide(a: Polynomial, b: Polynomial, extents: Extents, *, remainder: bool) -> Polynomial:
    """Split `a` into a multiple of `b` and a rest; if the rest is known to lie in ``[0, b)`` both are found."""
    if len(b) == 1:
        ((factor, size),) = b.items()
        quotient: Polynomial = {}
        rest: Polynomial = {}
        for monomial, c in a.items():
            left = list(monomial)
            if not factor:
                # Of any term the multiple of a number can be taken out.
                quotient[monomial], rest[monomial] = c // size, c % size
            elif c % size == 0 and all(monomial.count(s) >= factor.count(s) for s in factor):
                for s in factor:
                    left.remove(s)
                quotient[tuple(left)] = c // size
            else:
                rest[monomial] = c
        quotient, rest = ({m: c for m, c in part.items() if c} for part in (quotient, rest))
        if not rest or _below(rest, b, extents):
            return rest if remainder else quotient
    operator = "%" if remainder else "//"
    return {(f"{_group(_text(a))} {operator} {_group(_text(b))}",): 1}


def _below(rest: Polynomial, bound: Polynomial, extents: Extents) -> bool:
    low = high = 0
    if list(bound) == [()]:
        for monomial, c in rest.items():
            extent = extents.get(monomial[0]) if len(monomial) == 1 else 1 if not monomial else None
            if not isinstance(extent, int):
                return False
            reach = c * (extent - 1) if monomial else c
            low, high = low + min(0, reach) if monomial else low + c, high + max(0, reach) if monomial else high + c
        return low >= 0 and high < bound[()]
    if len(rest) == 1:
        ((monomial, c),) = rest.items()
        extent = extents.get(monomial[0]) if len(monomial) == 1 else None
        return c == 1 and isinstance(extent, Dim) and dict(extent.terms) == bound
    return False


def _text(polynomial: Polynomial) -> str:
    text = ""
    for monomial, c in sorted(polynomial.items(), key=lambda item: (item[1] < 0, item[0] == (), item[0])):
        factors = [_group(m) for m in monomial] if len(monomial) > 1 or abs(c) != 1 else list(monomial)
        if abs(c) != 1 or not monomial:
            factors.insert(0, str(abs(c)))
        body = " * ".join(factors)
        if not text:
            text = f"-{_group(body)}" if c < 0 and monomial else f"-{body}" if c < 0 else body
        else:
            text += f" {'-' if c < 0 else '+'} {_group(body) if c < 0 and '//' in body else body}"
    return text or "0"


def _group(text: str) -> str:
    return text if text.isidentifier() or text.isdigit() or _is_call(text) else f"({text})"


def _is_call(text: str) -> bool:
    return isinstance(ast.parse(text, mode="eval").body, ast.Call | ast.Subscript)
