"""Rebuilding a block node by node, each node replaced, dropped or kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from jitdiff.ir import Apply, Atom, Block, Builder, Const, For, If, Node, Value, While, blocks_of, with_blocks
from jitdiff.ir.builder import building

Visit = Callable[["Rewriter", Apply], Sequence[Atom] | None]


class Rewriter:
    """One walk over a program that builds the new one beside it.

    Parameters
    ----------
    visit : callable
        ``visit(rewriter, node)`` is given each operation with its operands already rewritten. It returns the atoms that
        replace its results (having appended what computes them to `builder`), or None to keep the node.

    Attributes
    ----------
    builder : Builder
        Where new nodes go.
    makers : dict
        The operation that makes each value of the new program.
    """

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.makers: dict[Value, Apply] = {}
        self.new: dict[Value, Atom] = {}
        self.carried: dict[Value, tuple[For | While, int]] = {}
        self.settled: set[Value] = set()
        self.builder = Builder()

    def program(self, block: Block, parent: Builder | None = None) -> Block:
        """Return the rewritten program, or block inside that of `parent`."""
        self._note_carries(block)
        return self._block(block, parent)

    def maker(self, atom: Atom, *names: str) -> Apply | None:
        """Return the operation that makes `atom`, if it is one of `names`."""
        node = self.makers.get(atom) if isinstance(atom, Value) else None
        return node if node is not None and node.op.name in names else None

    def apply(self, op: Any, args: Sequence[Atom], **attrs: Any) -> Atom:
        """Append an operation and return its result."""
        node_count = len(self.builder.block.nodes)
        (out,) = self.builder.apply(op, args, attrs)
        made = self.builder.block.nodes[node_count]
        assert isinstance(made, Apply)
        self.makers[out] = made
        return out

    def _atom(self, atom: Atom) -> Atom:
        return self.new.get(atom, atom) if isinstance(atom, Value) else atom

    def _atoms(self, atoms: Sequence[Atom]) -> tuple[Atom, ...]:
        return tuple(map(self._atom, atoms))

    def _block(self, block: Block, parent: Builder | None) -> Block:
        outer = self.builder
        self.builder = Builder(block.params, parent=parent, name=block.name)
        for array, value in zip(block.captured, block.params[len(block.params) - len(block.captured) :], strict=True):
            self.builder.captures[id(array)] = (array, value)
        with building(self.builder):
            for node in block.nodes:
                with self.builder.at(node.loc):
                    self._node(node)
            result = self.builder.finish(self._atoms(block.results))
        self.builder = outer
        return result

    def _node(self, node: Node) -> None:
        if isinstance(node, Apply):
            node = replace(node, args=self._atoms(node.args))
            atoms = self.visit(self, node)
            if atoms is not None:
                for out, atom in zip(node.outs, atoms, strict=True):
                    self.new[out] = atom
                    if out.name and isinstance(atom, Value) and not atom.name:
                        atom.name = out.name
                return
            self.makers.update((out, node) for out in node.outs)
            self.builder.append(node)
            return
        if isinstance(node, For | While):
            self._drop_constant_carries(node)
        node = with_blocks(node, tuple(self._block(b, self.builder) for b in blocks_of(node)))
        match node:
            case If():
                node = replace(node, pred=self._atom(node.pred))
            case For():
                node = replace(node, trip=self._atom(node.trip), init=self._atoms(node.init))
            case While():
                node = replace(node, init=self._atoms(node.init))
        if isinstance(node, For | While):
            self._share_rows(node)
        self.builder.append(node)

    def _note_carries(self, block: Block) -> None:
        for node in block.nodes:
            if isinstance(node, For | While):
                self.carried.update((out, (node, k)) for k, out in enumerate(node.outs))
            for inner in blocks_of(node):
                self._note_carries(inner)

    def _drop_constant_carries(self, node: For | While) -> None:
        """Let what carries that never change stand for be read from around the loop."""
        blocks = [node.body, node.cond] if isinstance(node, While) else [node.body]
        for k, out in enumerate(node.outs):
            constant = self._constant(node, k, {})
            if constant is not None:
                self.new[out] = constant
                self.new.update((_carries(block, node)[k], constant) for block in blocks)
        # Of what is done with, nothing that is found out later changes the answer.
        self.settled.update(node.outs)

    def _constant(self, node: For | While, k: int, known: dict[Value, Atom]) -> Atom | None:
        """Return what carry `k` is in all iterations, if that is one value: if it is so in one, it is in the next."""
        start = self._resolved(node.init[k], known)
        after = self._resolved(node.body.results[k], {**known, _carries(node.body, node)[k]: start})
        return start if _same(start, after) else None

    def _resolved(self, atom: Atom, known: dict[Value, Atom]) -> Atom:
        """Return what an atom of the old program is, given some parameters of loops."""
        if not isinstance(atom, Value):
            return atom
        if atom in known:
            return known[atom]
        if atom in self.carried and atom not in self.new and atom not in self.settled:
            constant = self._constant(*self.carried[atom], known)
            return atom if constant is None else constant
        return self._atom(atom)

    def _share_rows(self, node: For | While) -> None:
        """Let what a loop stacks twice be read from the first stack."""
        first: dict[Atom, Value] = {}
        for row, stack in zip(node.body.results[len(node.outs) :], node.stacked, strict=True):
            self.new[stack] = first.setdefault(row, stack)


def _carries(block: Block, node: For | While) -> tuple[Value, ...]:
    return block.params[len(block.params) - len(node.outs) :]


def _same(a: Atom, b: Atom) -> bool:
    return a is b or (isinstance(a, Const) and isinstance(b, Const) and a.key == b.key)


def rewrite(block: Block, visit: Visit, parent: Builder | None = None) -> Block:
    """Return `block`, which may stand inside that of `parent`, with each operation replaced as `visit` says."""
    return Rewriter(visit).program(block, parent)
