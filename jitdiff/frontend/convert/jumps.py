"""Rewriting `return`, `break` and `continue` so that control leaves every block at its end.

A jump sets a flag, and what would follow it is skipped: it moves into the other branch where one branch always jumps,
and otherwise stands under a test of the flags. Loops are left over a list of flags that they test.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from jitdiff.frontend.convert.names import own
from jitdiff.frontend.convert.source import GENERATED
from jitdiff.frontend.convert.tree import at, call, load, none_of, store, thunk

RETURNED = f"{GENERATED}returned"
RESULT = f"{GENERATED}result"

FLAGS = f"{GENERATED}flags"
"""Attribute of a loop's node: names of the flags that end it."""


GUARD = f"{GENERATED}guard"
"""Attribute of an If's node that tests whether jumps were taken: names of their flags."""

_ARMS = f"{GENERATED}arms"
"""Attribute of an If's node: whether its arms jump always, maybe or never."""


def _certainty(may: set[str], always: bool) -> str:
    return "always" if always else "may" if may else "never"


@dataclass(slots=True)
class _Loop:
    """The loop around a statement: names of its flags, and which of them are used."""

    broken: str
    continued: str
    used: set[str] = field(default_factory=set)


class _Lowering:
    def __init__(self) -> None:
        self.loops = 0

    def block(self, stmts: Sequence[ast.stmt], loop: _Loop | None) -> tuple[list[ast.stmt], set[str], bool]:
        """Return statements without jumps, the flags they may set, and whether one of them surely is set."""
        done: list[ast.stmt] = []
        flags: set[str] = set()
        for k, stmt in enumerate(stmts):
            rest = stmts[k + 1 :]
            lowered, may, always = self.statement(stmt, loop)
            done += lowered
            flags |= may
            if always or not rest:
                return done, flags, always
            if may:
                tail, more, ends = self.guarded(lowered[-1], may, rest, loop)
                return done + tail, flags | more, ends
        return done, flags, False

    def guarded(
        self, stmt: ast.stmt, may: set[str], rest: Sequence[ast.stmt], loop: _Loop | None
    ) -> tuple[list[ast.stmt], set[str], bool]:
        """Return what follows a statement that may have jumped."""
        following, more, ends = self.block(rest, loop)
        if isinstance(stmt, ast.If):
            match getattr(stmt, _ARMS, None):
                case "always", "never":
                    stmt.orelse = [*stmt.orelse, *following]
                    return [], more, ends
                case "never", "always":
                    stmt.body = [*stmt.body, *following]
                    return [], more, ends
        guard = _guarded(may, following, rest[0])
        after: list[ast.stmt] = [guard]
        if ends and more == {RETURNED} and may == {RETURNED}:
            after.append(at(_set(RETURNED, True), rest[0]))
        return after, more, ends and may == {RETURNED} == more

    def statement(self, stmt: ast.stmt, loop: _Loop | None) -> tuple[list[ast.stmt], set[str], bool]:
        match stmt:
            case ast.Return(value):
                given = call("checked", value) if value is not None else ast.Constant(None)
                result = ast.Assign([store(RESULT)], given)
                return [at(result, stmt), at(_set(RETURNED, True), stmt)], {RETURNED}, True
            case ast.Break() if loop:
                loop.used.add(loop.broken)
                return [at(_set(loop.broken, True), stmt)], {loop.broken}, True
            case ast.Continue() if loop:
                loop.used.add(loop.continued)
                return [at(_set(loop.continued, True), stmt)], {loop.continued}, True
            case ast.If():
                stmt.body, may, always = self.block(stmt.body, loop)
                stmt.orelse, may_else, always_else = self.block(stmt.orelse, loop)
                setattr(stmt, _ARMS, (_certainty(may, always), _certainty(may_else, always_else)))
                return [stmt], may | may_else, always and always_else
            case ast.For() | ast.While():
                return self.loop(stmt, loop)
            case ast.With():
                stmt.body, may, always = self.block(stmt.body, loop)
                return [stmt], may, always
            case ast.Try():
                flags: set[str] = set()
                for name in ("body", "orelse", "finalbody"):
                    lowered, may, _ = self.block(getattr(stmt, name), loop)
                    setattr(stmt, name, lowered)
                    flags |= may
                for handler in stmt.handlers:
                    handler.body, may, _ = self.block(handler.body, loop)
                    flags |= may
                return [stmt], flags, False
            case ast.Match():
                flags = set()
                for case in stmt.cases:
                    case.body, may, _ = self.block(case.body, loop)
                    flags |= may
                return [stmt], flags, False
            case _:
                return [stmt], set(), False

    def loop(self, stmt: ast.For | ast.While, outer: _Loop | None) -> tuple[list[ast.stmt], set[str], bool]:
        number = self.loops = self.loops + 1
        here = _Loop(f"{GENERATED}broken{number}", f"{GENERATED}continued{number}")
        body, may, _ = self.block(stmt.body, here)
        if here.continued in here.used:
            body.insert(0, at(_set(here.continued, False), stmt))
        stmt.body = body
        leaving = may - {here.continued}
        setattr(stmt, FLAGS, sorted(leaving))
        before: list[ast.stmt] = [at(_set(here.broken, False), stmt)] if here.broken in here.used else []
        done = [*before, stmt]
        flags = leaving - {here.broken}
        if (
            isinstance(stmt, ast.While)
            and isinstance(stmt.test, ast.Constant)
            and stmt.test.value
            and leaving == {RETURNED}
        ):
            # Nothing but a return ends it.
            return [*done, at(_set(RETURNED, True), stmt)], flags, True
        if stmt.orelse:
            orelse, more, always = self.block(stmt.orelse, outer)
            stmt.orelse = []
            if leaving:
                orelse = [_guarded(leaving, orelse, stmt)]
            done += orelse
            flags |= more
            if always and more == {RETURNED} and leaving <= {RETURNED}:
                # It ends by a return in it or by that of its `else`.
                return [*done, at(_set(RETURNED, True), stmt)], flags, True
        return done, flags, False


def lower(body: Sequence[ast.stmt], where: ast.AST) -> list[ast.stmt]:
    """Return the body of a function without jumps other than a `return` at its end."""
    if not any(_jumps(stmt) for stmt in body):
        return list(body)
    lowered, flags, always = _Lowering().block(body, None)
    if RETURNED not in flags:
        return lowered
    first = at(_set(RETURNED, False), where)
    result: ast.expr = load(RESULT)
    if not always:
        result = call("returned", load(RETURNED), thunk(result))
    return [first, *lowered, at(ast.Return(result), body[-1])]


def _jumps(stmt: ast.stmt) -> bool:
    """Whether a statement has a jump inside, other than being a `return` itself."""
    return not isinstance(stmt, ast.Return) and any(
        isinstance(node, ast.Return | ast.Break | ast.Continue) for node in own([stmt])
    )


def _guarded(flags: set[str], body: list[ast.stmt], where: ast.AST) -> ast.If:
    """Return statements under a test that no flag is set."""
    guard = at(ast.If(none_of(list(flags)), body, []), where)
    setattr(guard, GUARD, sorted(flags))
    return guard


def _set(name: str, value: bool) -> ast.Assign:
    return ast.Assign([store(name)], ast.Constant(value))
