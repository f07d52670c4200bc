"""What variables hold after a branch: of what its arms leave in them, one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from optree import PyTreeSpec

from jitdiff.frontend.convert.guarantees import Sometimes, joined
from jitdiff.frontend.convert.state import Names, Undefined, is_internal, is_number, same, shown, zeros
from jitdiff.frontend.trees import flatten, unflatten
from jitdiff.ir import ArrayType, type_of
from jitdiff.ir.location import caller
from jitdiff.ops import Tracer
from jitdiff.ops.alias import shared, tie
from jitdiff.ops.tracer import builder_now


@dataclass(slots=True)
class Leaf:
    """A number or array that a branch leaves in a variable.

    Attributes
    ----------
    given : object
        What the variable holds.
    now : object
        The same with its present value, which undoing the branch does not change.
    roots : list of Tracer
        The array that it is, or is a view of.
    """

    given: Any
    now: Any
    roots: list[Tracer]


Outcome = list[tuple[Any, list[Leaf] | None, PyTreeSpec | None]]
"""For each variable what it holds, and the leaves and structure of that if all leaves are numbers and arrays."""


def outcome(values: Sequence[Any]) -> Outcome:
    """Return what the variables hold at the end of the branch that is being traced."""
    found: Outcome = []
    for value in values:
        leaves, spec = flatten(value.value if isinstance(value, Sometimes) else value)
        if not all(map(is_number, leaves)):
            found.append((value, None, None))
            continue
        kept = []
        for leaf in leaves:
            pinned = isinstance(leaf, Tracer) and leaf.numbers is None
            kept.append(Leaf(leaf, Tracer(leaf.atom) if pinned else leaf, shared(leaf) if pinned else []))
        found.append((value, kept, spec))
    return found


class Merge:
    """What variables hold after a branch, from what they hold at the end of either arm.

    Parameters
    ----------
    names : tuple of str
        The variables.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.after: list[Callable[[Iterator[Any]], Any]] = []
        self.taken: list[tuple[Tracer, list[Tracer]]] = []
        self.flags: list[dict[str, Any]] = []

    def __call__(self, a: Outcome, b: Outcome) -> tuple[list[Any], list[Any]]:
        """Return the results of either arm."""
        results: tuple[list[Any], list[Any]] = ([], [])
        self.flags = [_flags(self.names, arm) for arm in (a, b)]
        for name, x, y in zip(self.names, a, b, strict=True):
            self.after.append(self._variable(name, x, y, results))
        return results

    def finish(self, outs: Sequence[Any]) -> list[Any]:
        """Return what the variables hold after the branch, given its results."""
        rest = iter(outs)
        values = [after(rest) for after in self.after]
        builder = builder_now()
        why = "whether it shares elements with that depends on the branch taken"
        tie(self.taken, lambda root: builder.is_within(root.home), why)
        return values

    def _taken(self, out: Tracer, roots: list[Tracer]) -> Tracer:
        self.taken.append((out, roots))
        return out

    def _variable(self, name: str, x: Any, y: Any, results: Any) -> Callable[[Iterator[Any]], Any]:
        (va, la, sa), (vb, lb, sb) = x, y
        if va is vb:
            return lambda outs: va
        guarantee = None
        if isinstance(va, Undefined) or isinstance(vb, Undefined):
            # A flag says that what the conversion made is not read where it has no value.
            if not is_internal(name):
                guarantee = joined(list(zip((va, vb), self.flags, strict=True)))
            if guarantee is None or guarantee:
                if la is None and lb is not None:
                    la, sa = [Leaf(None, t, []) for t in map(_type_of_leaf, lb)], sb
                elif lb is None and la is not None:
                    lb, sb = [Leaf(None, t, []) for t in map(_type_of_leaf, la)], sa
            else:
                la = lb = None
        if la is None or lb is None or sa != sb:
            return _constantly(Undefined(_disagreement(name, va, vb)))
        kept = [
            p.given is not None and q.given is not None and same(p.given, q.given) for p, q in zip(la, lb, strict=True)
        ]
        for p, q, keep in zip(la, lb, kept, strict=True):
            ta, tb = _type_of_leaf(p), _type_of_leaf(q)
            if not keep and (ta.shape != tb.shape or (ta.dtype.kind == "b") != (tb.dtype.kind == "b")):
                return _constantly(Undefined(_disagreement(name, va, vb)))
        for p, q, keep in zip(la, lb, kept, strict=True):
            if not keep:
                results[0].append(_result(p))
                results[1].append(_result(q))

        def after(outs: Iterator[Any]) -> Any:
            leaves = [
                p.given if keep else self._taken(next(outs), [*p.roots, *q.roots])
                for p, q, keep in zip(la, lb, kept, strict=True)
            ]
            value = unflatten(sa, leaves)
            return value if guarantee is None else Sometimes(value, guarantee, _disagreement(name, va, vb))

        return after


def _flags(names: Names, arm: Outcome) -> dict[str, Any]:
    """Return what the flags among variables hold at the end of an arm."""
    return {name: value for name, (value, _, _) in zip(names, arm, strict=True) if is_internal(name)}


def _result(leaf: Leaf) -> Any:
    """Return what an arm gives for a leaf: zeros, made in the arm, where it has none."""
    type = leaf.now
    return (lambda: zeros(type)) if isinstance(type, ArrayType) else leaf.now


def _type_of_leaf(leaf: Leaf) -> ArrayType:
    return leaf.now if isinstance(leaf.now, ArrayType) else type_of(leaf.now)


def _constantly(value: Any) -> Callable[[Iterator[Any]], Any]:
    return lambda outs: value


def _disagreement(name: str, a: Any, b: Any) -> str:
    here = caller()
    line = f" at line {here.line}" if here else ""
    if isinstance(a, Undefined) or isinstance(b, Undefined):
        which = "false" if isinstance(b, Undefined) else "true"
        return f"{name} has no value if the condition{line} is {which}"
    return f"{name} is {shown(a)} if the condition{line} is true, and {shown(b)} if it is false"
