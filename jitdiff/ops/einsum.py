"""Einstein summation, as sums, diagonals and products of two operands at a time."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, ShapeError
from jitdiff.ir import Dim
from jitdiff.ops.axes import operand, shape_of
from jitdiff.ops.contraction import contracted, total
from jitdiff.ops.diagonal import diagonal
from jitdiff.ops.samples import array, sample
from jitdiff.ops.shape import reshaped, transposed
from jitdiff.ops.table import implements, unsupported

Labels = tuple[str, ...]
"""One label for each axis; the axes under an ellipsis have the labels ``...0``, ``...1`` and so on from the last."""


@implements(
    np.einsum,
    samples=[
        sample("ij,jk->ik", array(2, 3), array(3, 4)),
        sample("ij,jk", array(2, 3), array(3, 4)),
        sample("ba", array(2, 3)),
        sample("ii", array(3, 3)),
        sample("ii->i", array(3, 3)),
        sample("iji->j", array(2, 3, 2)),
        sample("ij->", array(2, 3)),
        sample("bij,bjk->bki", array(2, 2, 3), array(2, 3, 2)),
        sample("bi,bi->b", array(2, 3), array(2, 3)),
        sample("i,j->ji", array(2), array(3)),
        sample("...ij,...j->...i", array(4, 2, 3), array(3)),
        sample("i...,i...", array(2, 3), array(2, 3)),
        sample("ij,jk,kl,l->i", array(2, 3), array(3, 4), array(4, 2), array(2)),
        sample("i,ij,j", array(2), array(2, 3), array(3)),
        sample("ij,ij->ij", array(2, 3), array(1, 3)),
        sample(array(2, 3), [0, 1], array(3, 2), [1, 2], [0, 2]),
    ],
)
def einsum(*operands: Any, out: None = None, optimize: Any = False, **kwargs: Any) -> Any:
    """Return the sum of products that subscripts such as ``"ij,jk->ik"`` describe, in NumPy's notation."""
    if out is not None or any(v is not None for v in kwargs.values()):
        name = "out" if out is not None else next(iter(kwargs))
        raise unsupported("einsum", f"the argument {name}= has no rule")
    text, given = _as_text(operands)
    arrays = [operand(x) for x in given]
    inputs, output = _parse(text, [len(shape_of(x)) for x in arrays])
    terms = [_without_repeats(x, labels) for x, labels in zip(arrays, inputs, strict=True)]
    sizes = _sizes(terms)
    terms = [_without_ones(x, labels, sizes) for x, labels in terms]
    for group in _path(terms, output, sizes):
        chosen = [terms[k] for k in group]
        terms = [term for k, term in enumerate(terms) if k not in group]
        while len(chosen) > 1:
            needed = {x for _, labels in (*terms, *chosen[2:]) for x in labels} | set(output)
            chosen[:2] = [_product(chosen[0], chosen[1], needed, output)]
        terms += chosen
    ((x, labels),) = terms
    x, labels = _summed(x, labels, set(output))
    x = transposed(x, tuple(labels.index(y) for y in output if y in labels))
    return reshaped(x, tuple(sizes[y] for y in output))


Term = tuple[Any, Labels]


def _as_text(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """Return the subscripts as text, and the arrays, from either way to call einsum."""
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), list(operands[1:])

    def letters(numbers: Sequence[Any]) -> str:
        return "".join("..." if n is Ellipsis else string.ascii_letters[n] for n in numbers)

    pairs = len(operands) // 2
    text = ",".join(letters(operands[2 * k + 1]) for k in range(pairs))
    if len(operands) % 2:
        text += "->" + letters(operands[-1])
    return text, [operands[2 * k] for k in range(pairs)]


def _parse(text: str, ndims: Sequence[int]) -> tuple[list[Labels], Labels]:
    """Return the labels of each operand's axes and of the result's."""
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise ArgumentError(f"einsum: {text!r} describes {len(parts)} operands, and {len(ndims)} were given")
    inputs = [_labels(part, ndim, text) for part, ndim in zip(parts, ndims, strict=True)]
    dots = max((ndim - len(part.replace("...", "")) for part, ndim in zip(parts, ndims, strict=True)), default=0)
    if arrow:
        output = _labels(right, len(right.replace("...", "")) + (dots if "..." in right else 0), text)
    else:
        counts = Counter(x for labels in inputs for x in labels)
        under = [x for x in counts if x.startswith("...")]
        once = [x for x, n in counts.items() if n == 1 and not x.startswith("...")]
        output = (*sorted(under, key=_depth, reverse=True), *sorted(once))
    known = {x for labels in inputs for x in labels}
    for x in output:
        if x not in known or output.count(x) > 1:
            raise ArgumentError(f"einsum: the result of {text!r} cannot have the axis {x!r}, or not twice")
    return inputs, output


def _depth(label: str) -> int:
    return int(label[3:])


def _labels(part: str, ndim: int, text: str) -> Labels:
    before, dots, after = part.partition("...")
    named = before + after
    hidden = ndim - len(named)
    if hidden < 0 or (hidden and not dots) or (named and not named.isalpha()):
        raise ArgumentError(f"einsum: {part!r} in {text!r} does not describe an operand of {ndim} axes")
    return (*before, *(f"...{k}" for k in reversed(range(hidden))), *after)


def _without_repeats(x: Any, labels: Labels) -> Term:
    """Return the diagonal over axes that have one label."""
    while len(set(labels)) < len(labels):
        label = next(y for y in labels if labels.count(y) > 1)
        i = labels.index(label)
        j = labels.index(label, i + 1)
        m, n = shape_of(x)[i], shape_of(x)[j]
        if m != n:
            raise ShapeError(f"einsum: {label!r} stands for two sizes of one operand  ({m} != {n})")
        x = diagonal(x, 0, i, j)
        labels = (*(y for k, y in enumerate(labels) if k not in (i, j)), label)
    return x, labels


def _sizes(terms: Sequence[Term]) -> dict[str, int | Dim]:
    sizes: dict[str, int | Dim] = {}
    for x, labels in terms:
        for label, n in zip(labels, shape_of(x), strict=True):
            if sizes.setdefault(label, n) == 1:
                sizes[label] = n
            if n not in (1, sizes[label]):
                raise ShapeError(f"einsum: {label!r} stands for sizes that do not broadcast: {sizes[label]} != {n}")
    return sizes


def _without_ones(x: Any, labels: Labels, sizes: dict[str, int | Dim]) -> Term:
    """Return an operand without the axes along which it broadcasts."""
    shape = shape_of(x)
    keep = [k for k, y in enumerate(labels) if shape[k] == sizes[y]]
    return reshaped(x, tuple(shape[k] for k in keep)), tuple(labels[k] for k in keep)


def _path(terms: Sequence[Term], output: Labels, sizes: dict[str, int | Dim]) -> list[tuple[int, ...]]:
    """Return which operands to take together, step by step, in a good order."""
    if len(terms) <= 2:
        return [tuple(range(len(terms)))]
    letter = dict(zip(sizes, string.ascii_letters, strict=False))
    text = ",".join("".join(letter[y] for y in labels) for _, labels in terms)
    # An order that is good for some sizes is good enough for unknown ones.
    shapes = [tuple(100 if isinstance(n := sizes[y], Dim) else n for y in labels) for _, labels in terms]
    result = "".join(letter[y] for y in output)
    path, _ = np.einsum_path(f"{text}->{result}", *(np.broadcast_to(0.0, s) for s in shapes), optimize="greedy")
    return [tuple(step) for step in path[1:]]


def _product(a: Term, b: Term, needed: set[str], output: Labels) -> Term:
    """Return the product of two operands, summed over the axes that nothing else needs."""
    (x, left), (y, right) = (_summed(*mine, needed | set(other[1])) for mine, other in ((a, b), (b, a)))
    order = {label: k for k, label in enumerate(output)}
    kept = tuple(sorted({*left, *right} & needed, key=lambda z: (order.get(z, len(order)), z)))
    return contracted(x, left, y, right, kept), kept


def _summed(x: Any, labels: Labels, needed: set[str]) -> Term:
    """Return an operand summed over the axes that are not needed."""
    axes = tuple(k for k, y in enumerate(labels) if y not in needed)
    return (total(x, axes), tuple(y for y in labels if y in needed)) if axes else (x, labels)
