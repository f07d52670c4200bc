"""The specification of a well-formed program, as a check that runs between passes under test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jitdiff.errors import VerificationError
from jitdiff.ir.dims import Dim
from jitdiff.ir.nodes import (
    Apply,
    Atom,
    Block,
    For,
    If,
    Node,
    Value,
    While,
    args_of,
    outs_of,
    symbol_made,
    symbols_read,
)
from jitdiff.ir.types import ArrayType


def verify(block: Block) -> Block:
    """Return `block` if it is well formed.

    Every value is defined once and before it is read; every operation has the result types that its typing rule gives;
    branches agree; carries keep their types; trip counts and predicates are scalars.

    Raises
    ------
    VerificationError
        Naming the node and what is wrong with it.
    """
    _Verifier(block).block(block, set())
    return block


class _Verifier:
    def __init__(self, program: Block) -> None:
        self.program = program
        self.defined: set[Value] = set()
        self.sizes = {s for p in program.params for n in p.shape if isinstance(n, Dim) for s in n.symbols}

    def fail(self, message: str) -> None:
        raise VerificationError(f"{message}\nin the program\n{self.program}")

    def define(self, values: Sequence[Value], scope: set[Value]) -> None:
        for value in values:
            if value in self.defined:
                self.fail(f"{value!r} is defined twice")
            self.defined.add(value)
            scope.add(value)

    def read(self, atoms: Sequence[Atom], scope: set[Value], by: str) -> None:
        for atom in atoms:
            if isinstance(atom, Value):
                if atom not in scope:
                    self.fail(f"{by} reads {atom!r}, which is not defined there")
            elif atom.type.shape != ():
                self.fail(f"{by} reads the constant {atom!r} of shape {atom.type.shape}; constants are scalars")

    def same(self, given: Sequence[Atom], wanted: Sequence[ArrayType], what: str) -> None:
        have, want = [_strong(a.type) for a in given], [_strong(t) for t in wanted]
        if have != want:
            self.fail(f"{what}: types {have} where {want} is needed")

    def block(self, block: Block, outer: set[Value]) -> None:
        scope = set(outer)
        self.define(block.params, scope)
        for node in block.nodes:
            self.read(args_of(node), scope, _name(node))
            self.node(node, scope)
            self.sizes |= symbol_made(node)
            if unknown := symbols_read(node) - self.sizes:
                self.fail(f"{_name(node)} needs the size {', '.join(sorted(unknown))}, which nothing before it gives")
            self.define(outs_of(node), scope)
        self.read(block.results, scope, "the result")

    def node(self, node: Node, scope: set[Value]) -> None:
        match node:
            case Apply(op, args, attrs, outs):
                self.same(outs, op.infer(*(a.type for a in args), **attrs), op.name)
            case If(pred, then, orelse, outs):
                self.scalar(pred, "b", "the predicate of if")
                for branch in (then, orelse):
                    if branch.params:
                        self.fail("a branch of if has parameters")
                    self.block(branch, scope)
                    self.same(branch.results, [o.type for o in outs], "a branch of if")
            case For(trip, init, body, outs, stacked):
                self.scalar(trip, "iu", "the trip count of for")
                carries = [o.type for o in outs]
                self.same(init, carries, "the initial carries of for")
                self.same(body.params, [ArrayType(np.dtype(np.int64)), *carries], "the parameters of for")
                self.block(body, scope)
                each = [ArrayType(s.type.dtype, s.type.shape[1:]) for s in stacked]
                self.same(body.results, [*carries, *each], "the results of for")
            case While(cond, body, init, outs, stacked):
                carries = [o.type for o in outs]
                for name, given in (("initial carries", init), ("condition", cond.params), ("parameters", body.params)):
                    self.same(given, carries, f"the {name} of while")
                self.block(cond, scope)
                if len(cond.results) != 1:
                    self.fail("the condition of while has not one result")
                self.scalar(cond.results[0], "b", "the condition of while")
                self.block(body, scope)
                each = [ArrayType(s.type.dtype, s.type.shape[1:]) for s in stacked]
                self.same(body.results, [*carries, *each], "the results of while")

    def scalar(self, atom: Atom, kinds: str, what: str) -> None:
        if atom.type.shape != () or atom.type.dtype.kind not in kinds:
            self.fail(f"{what} is {atom.type}")


def _strong(type: ArrayType) -> ArrayType:
    return ArrayType(type.dtype, type.shape)


def _name(node: Node) -> str:
    return node.op.name if isinstance(node, Apply) else type(node).__name__.lower()
