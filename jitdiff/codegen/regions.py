"""The text of branches and loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from jitdiff.codegen.items import Plan, Slot
from jitdiff.codegen.plan import carries_of, slots_of
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.text import Stmt, dtype_text, normal, shape_text
from jitdiff.ir import ArrayType, Atom, For, If, Value, While

_ROWS = 16
"""Rows that a history of unknown length starts with."""


class EmitBlock(Protocol):
    """Emits a block inside."""

    def __call__(
        self, program: Program, plan: Plan, slots: Mapping[Slot, Place], scope: tuple[Stmt, ...]
    ) -> list[Stmt]:
        """Return the statements of a block."""


def emit_region(program: Program, node: If | For | While, scope: tuple[Stmt, ...], emit_block: EmitBlock) -> list[Stmt]:
    """Return the statements of a branch or a loop whose results have their places."""
    match node:
        case If():
            return _branches(program, node, scope, emit_block)
        case For():
            return _counted(program, node, scope, emit_block)
        case While():
            return _while(program, node, scope, emit_block)


def _branches(program: Program, node: If, scope: tuple[Stmt, ...], emit_block: EmitBlock) -> list[Stmt]:
    stmts: list[Stmt] = []
    slots: dict[Slot, Place] = {("result", 0, k): program.places[o] for k, o in enumerate(node.outs) if o.shape}
    for block, head in ((node.then, f"if {program.text_of(node.pred)}:"), (node.orelse, "else:")):
        stmt = Stmt(head, node.loc, [])
        assert stmt.body is not None
        stmt.body += emit_block(program, program.plans[block], slots, (*scope, stmt))
        stmt.body += _assign(program, list(zip(node.outs, block.results, strict=True)))
        stmts.append(stmt)
    taken, other = stmts
    taken.body = taken.body or [Stmt("pass")]
    return stmts if other.body else [taken]


def _assign(program: Program, values: list[tuple[Value, Atom]]) -> list[Stmt]:
    """Return the statement that gives scalars new values, all at once."""
    pairs: list[tuple[str, str]] = []
    for value, atom in values:
        place = program.places[value]
        if place.spread is not None:
            assert isinstance(atom, Value)
            source = program.places[atom]
            pairs += [(name, source.element(index)) for index, name in place.spread.items()]
        elif not value.shape:
            pairs.append((place.whole, program.text_of(atom)))
    pairs = [(target, text) for target, text in pairs if target != text]
    if not pairs:
        return []
    return [Stmt(f"{', '.join(target for target, _ in pairs)} = {', '.join(text for _, text in pairs)}")]


class _Loop:
    """The carries of a loop and what is recorded at each iteration."""

    def __init__(self, program: Program, node: For | While, scope: tuple[Stmt, ...], rows: list[Place]) -> None:
        self.program, self.node, self.scope = program, node, scope
        self.plan: Plan = program.plans[node.body]
        self.slots: dict[Slot, Place] = {}
        self.swaps: list[tuple[str, str]] = []
        moved = slots_of(self.plan)
        for k, out in enumerate(node.outs):
            slot = ("result", 0, k)
            if slot in moved:
                current = program.places[out]
                following = program.buffer(f"{current.name}_next", out.type, scope)
                self.slots[slot] = following
                self.swaps.append((current.name, following.name))
                program.ties.append((current.name, following.name))
        for k, row in enumerate(rows, len(node.outs)):
            self.slots["result", 0, k] = row

    def start(self) -> list[Stmt]:
        """Return the statements before the loop: scalars get their initial values."""
        program, outs = self.program, self.node.outs
        blocks = [carries_of(self.node)] + ([self.node.cond.params] if isinstance(self.node, While) else [])
        for params in blocks:
            for param, out in zip(params, outs, strict=True):
                program.places[param] = program.places[out]
        return [
            Stmt(normal(f"{program.places[o].whole} = {program.text_of(a)}"), self.node.loc)
            for o, a in zip(outs, self.node.init, strict=True)
            if not o.shape
        ]

    def finish(self) -> list[Stmt]:
        """Return the statements that end an iteration."""
        program, results, n = self.program, self.node.body.results, len(self.node.outs)
        stmts = []
        for k, atom in enumerate(results[n:], n):
            if not atom.shape:
                stmts.append(Stmt(normal(f"{self.slots['result', 0, k].whole} = {program.text_of(atom)}")))
        stmts += _assign(program, list(zip(self.node.outs, results[:n], strict=True)))
        if self.swaps:
            names = [name for pair in self.swaps for name in pair]
            others = [name for pair in self.swaps for name in pair[::-1]]
            stmts.append(Stmt(f"{', '.join(names)} = {', '.join(others)}"))
        return stmts


def _element_type(stacked: Value) -> ArrayType:
    return ArrayType(stacked.type.dtype, stacked.shape[1:])


def _counted(program: Program, node: For, scope: tuple[Stmt, ...], emit_block: EmitBlock) -> list[Stmt]:
    index = program.scalar(node.body.params[0], "step")
    program.places[node.body.params[0]] = index
    trip = program.text_of(node.trip)
    head = Stmt(f"for {index.name} in range({trip}):", node.loc, [])
    assert head.body is not None
    rows = [_row(program.places[s], index.name, s) for s in node.stacked]
    loop = _Loop(program, node, scope, rows)
    stmts = _bind_size(program, node, f"max({trip}, 0)") + loop.start()
    head.body += emit_block(program, loop.plan, loop.slots, (*scope, head))
    head.body += loop.finish()
    if not head.body:
        return stmts
    return [*stmts, head]


def _row(place: Place, index: str, stacked: Value) -> Place:
    return Place(place.name, _element_type(stacked), (*place.prefix, index))


def _bind_size(program: Program, node: For | While, text: str) -> list[Stmt]:
    """Return the statement that gives the symbolic number of rows of what a loop records its value."""
    size = _unknown_size(program, node)
    return [Stmt(f"{size} = {text}", node.loc)] if size else []


def _unknown_size(program: Program, node: For | While) -> str:
    """Return the symbol for the number of rows of what a loop records, if it gets its value from the loop."""
    known = node.size is None or str(node.size) in program.symbols or not str(node.size).isidentifier()
    return "" if known else str(node.size)


def _while(program: Program, node: While, scope: tuple[Stmt, ...], emit_block: EmitBlock) -> list[Stmt]:
    records = bool(node.stacked) or node.count is not None
    count = ""
    histories: list[str] = []
    rows: list[Place] = []
    stmts: list[Stmt] = []
    if records:
        # The size of what is recorded and the number of trips are one name, if the size is not known yet.
        size = _unknown_size(program, node)
        name = program.scalar(node.count, "trips").name if node.count is not None and not size else size
        count = name or program.names.fresh("", "trips")
        stmts.append(Stmt(f"{count} = 0", node.loc))
    for stacked in node.stacked:
        history = program.names.fresh(f"{stacked.name or 'rows'}_grown")
        histories.append(history)
        rows.append(Place(history, _element_type(stacked), (count,)))
        stmts.append(Stmt(_empty(history, (_ROWS, *stacked.shape[1:]), stacked.type), node.loc))
    loop = _Loop(program, node, scope, rows)
    head = Stmt("while True:", node.loc, [])
    assert head.body is not None
    stmts += loop.start()
    turns = program.names.fresh("", "turns")
    stmts.append(Stmt(f"{turns} = 0", node.loc))
    head.body.append(Stmt(f"{turns} = interruptible({turns})"))
    inside = (*scope, head)
    head.body += emit_block(program, program.plans[node.cond], {}, inside)
    verdict = normal(f"if not ({program.text_of(node.cond.results[0])}): pass").split(":")[0]
    head.body.append(Stmt(f"{verdict}:", node.loc, [Stmt("break", pinned=True)], pinned=True))
    head.body += _grow(histories, count)
    head.body += emit_block(program, loop.plan, loop.slots, inside)
    head.body += loop.finish()
    if records:
        head.body.append(Stmt(f"{count} += 1"))
    stmts.append(head)
    if node.count is not None:
        program.places[node.count] = Place(count, node.count.type)
    for history, stacked in zip(histories, node.stacked, strict=True):
        name = program.names(stacked, "rows")
        program.places[stacked] = Place(name, stacked.type)
        stmts.append(Stmt(f"{name} = leading({history}, {count})", node.loc))
    return stmts


def _empty(name: str, shape: Sequence[object], type: ArrayType) -> str:
    return f"{name} = np.empty({shape_text(shape)}, {dtype_text(type.dtype)})"


def _grow(histories: Sequence[str], count: str) -> list[Stmt]:
    """Return what makes room for another row; all histories have the same number of rows at any time."""
    if not histories:
        return []
    # The functions that text calls are compiled once for each type; slices and copies would be for each history.
    larger = [Stmt(f"{history} = enlarged({history}, {count})") for history in histories]
    return [Stmt(f"if {count} == {histories[0]}.shape[0]:", None, larger)]
