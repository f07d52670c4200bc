"""A number that iterations hand on linearly costs each of them one multiplication and addition.

An iteration of a sweep in place waits for the number that the one before it hands on (`sliding.py`), and then for all
that it computes from it. If that is ``a * number + b``, with `a` and `b` computed from other things, only this last
step has to wait. Adjoints are linear, and so are many sweeps.

What comes out is the same, but for rounding, where `a` is finite and not zero. Else it is computed as it was:
``0 * inf`` and ``inf - inf`` are not what they would stand for.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from jitdiff.codegen.expressions import array_of
from jitdiff.codegen.forms import ONE, ZERO, Form, NotLinear, depends, form_of, number
from jitdiff.codegen.program import Program
from jitdiff.codegen.sliding import Slid
from jitdiff.codegen.text import Stmt, count_names, names_in, normal, statement
from jitdiff.ir import Location

_DEPTH = 3
"""Operations one after the other from which on it is worth it; two are one instruction, if they stand in one line."""

_LEAST, _MOST = "1e-300", "1e+300"
"""Factors beyond these are not used. They stand for zero and infinity: LLVM tests for those in a slower way."""


def linearise(stmts: Sequence[Stmt], slid: Sequence[Slid], program: Program) -> None:
    """Let loops that hand on a number of double precision do so in one step, if they do so linearly.

    Parameters
    ----------
    stmts : sequence of Stmt
        The statements of a function.
    slid : sequence of Slid
        The loops.
    program : Program
        The program, for new names.
    """
    loads, _ = count_names(stmts)
    for each in slid:
        if each.array.type.dtype != np.float64:
            continue
        try:
            body = _Loop(each, program).rewritten()
        except NotLinear:
            continue
        inside, _ = count_names(each.loop.body or ())
        each.loop.body = _without_unread(body, loads - inside)


class _Loop:
    """The body of a loop that hands on a number."""

    def __init__(self, slid: Slid, program: Program) -> None:
        assert slid.loop.body
        here, ahead = self.here, self.ahead = slid.here, slid.ahead
        self.last = next(s for s in reversed(slid.loop.body) if s.text == f"{here} = {ahead}")
        self.body = [s for s in slid.loop.body if s is not self.last]
        self.names = program.names
        lines = [line for s in self.body for line in s.walk()]
        if any(line.pinned for line in lines):
            raise NotLinear
        _, self.stores = count_names(lines)
        self.needed = self._needed(lines)
        self.forms: dict[str, Form] = {here: Form()}
        self.assigned: set[str] = set()
        self.local: set[str] = set()
        loaded = [s for s in self.body[:1] if _assigned(s) == ahead and self._is_load(s)]
        changes = [
            k for k, s in enumerate(self.body) if s not in loaded and any(_assigned(x) == ahead for x in s.walk())
        ]
        if not changes:
            raise NotLinear
        self.start, self.end = changes[0], changes[-1] + 1
        while self.body[self.start].text == "else:":
            self.start -= 1
        while self.end < len(self.body) and self.body[self.end].text == "else:":
            self.end += 1
        self.between = [line for s in self.body[self.start : self.end] for line in s.walk()]
        self.updates = {line for line in self.between if _assigned(line) == ahead}
        element = f"{slid.array.name}["
        self.stored = {x for x in self.between if x.text.startswith(element) and x.text.endswith(f"] = {ahead}")}
        if any(ahead in names_in(line.text)[0] for line in {*self.between} - self.updates - self.stored):
            raise NotLinear
        self._check_updates(program.aliases, slid.array.name)

    def _check_updates(self, aliases: Mapping[str, str], own: str) -> None:
        """Raise unless the updates give the same when they come last."""
        heads = {s for s in self.between if s.body is not None and self.updates.intersection(s.walk())}
        assigned = [n for line in self.between for n in names_in(line.text)[1]]
        elements = [
            (line, aliases.get(array_of(n), array_of(n)), isinstance(n.ctx, ast.Store))
            for line in self.between
            for n in ast.walk(ast.parse(statement(line)))
            if isinstance(n, ast.Subscript)
        ]
        changed = {array for line, array, is_store in elements if is_store and line not in self.stored}
        if self.stored and any(array == own and not is_store for _, array, is_store in elements):
            # It may be the element that is not stored in between any more.
            raise NotLinear
        seen: list[str] = []
        for line in self.between:
            if line in self.updates or line in heads or line in self.stored:
                names = [name for name in names_in(line.text)[0] if name != self.ahead]
                if any(assigned.count(name) > (name in seen) for name in names):
                    raise NotLinear
                if line not in self.stored and any(aliases.get(name, name) in changed for name in names):
                    raise NotLinear
            seen += names_in(line.text)[1]

    def rewritten(self) -> list[Stmt]:
        """Return the new body; raise if there is none."""
        before = self._visited(self.body[: self.end])
        form = self.forms.get(self.ahead)
        in_one = len(self.between) == 1 and self.here in names_in(self.between[0].text)[0]
        if form is None or form.depth < (_DEPTH if in_one else _DEPTH - 1):
            raise NotLinear
        loc = self.between[0].loc
        factor = form.factor or ONE
        started = self._started(before)
        text = f"{self.ahead} = muladd({started}, {ast.unparse(factor)}, {ast.unparse(form.rest or ZERO)})"
        step = [Stmt(text, loc)]
        if guards := _guards(form, started):
            otherwise = _only(self.body[self.start : self.end], self.updates.__contains__)
            step = [Stmt(f"if {' and '.join(guards)}:", loc, step), Stmt("else:", None, otherwise)]
        rest = self.body[self.end :]
        stores = {line.text: line.loc for line in self.between if line in self.stored}
        missing = [Stmt(text, loc) for text, loc in stores.items() if all(text != s.text for s in rest)]
        return [*before, *step, *missing, *rest, self.last]

    def _is_load(self, stmt: Stmt) -> bool:
        """Tell whether a statement gives `ahead` the element that there is before the iteration."""
        (node,) = ast.parse(stmt.text).body
        return isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)

    def _needed(self, lines: Sequence[Stmt]) -> set[str]:
        """Return the names that what is handed on is computed from, step by step."""
        needed = {self.ahead}
        while True:
            more = {n for line in lines if needed.intersection(names_in(line.text)[1]) for n in names_in(line.text)[0]}
            if more <= needed:
                return needed
            needed |= more

    def _started(self, before: list[Stmt]) -> str:
        """Return a name of what the iteration starts from that keeps this value."""
        for stmt in before:
            if any(_assigned(line) == self.here for line in stmt.walk()):
                break
            name = _assigned(stmt)
            if name and stmt.text == f"{name} = {self.here}" and self.stores[name] == 1:
                return name
        else:
            return self.here
        name = self.names.fresh("", "t")
        before.insert(0, Stmt(f"{name} = {self.here}"))
        return name

    def _visited(self, stmts: Sequence[Stmt]) -> list[Stmt]:
        """Return statements with those that compute factors and rests, and without those that change `ahead`."""
        found: list[Stmt] = []
        rest = list(stmts)
        while rest:
            stmt = rest.pop(0)
            if stmt.body is not None:
                orelse = rest.pop(0) if rest and rest[0].text == "else:" else None
                found += self._branches(stmt, orelse)
                continue
            name = _assigned(stmt)
            if name in self.needed and (name != self.ahead or stmt in self.updates):
                found += self._assign(name, stmt)
            elif self.needed.intersection(names_in(stmt.text)[1]) and name != self.ahead:
                raise NotLinear
            self.assigned.update(names_in(stmt.text)[1])
            if stmt not in self.updates and stmt not in self.stored:
                found.append(stmt)
        return found

    def _assign(self, name: str, stmt: Stmt) -> list[Stmt]:
        """Return the statements that compute the form of an assigned name; they come before it."""
        (node,) = ast.parse(stmt.text).body
        match node:
            case ast.Assign(value=value):
                form = form_of(value, self.forms, self.local)
            case ast.AugAssign(op=op, value=value):
                form = form_of(ast.BinOp(ast.Name(name), op, value), self.forms, self.local)
            case _:
                raise NotLinear
        if form is None:
            if name == self.ahead:
                raise NotLinear
            self.forms.pop(name, None)
            return []
        stmts: list[Stmt] = []
        factor, rest = (self._kept(part, stmt.loc, stmts) for part in (form.factor, form.rest))
        self.forms[name] = replace(form, factor=factor, rest=rest)
        return stmts

    def _kept(self, part: ast.expr | None, loc: Location | None, stmts: list[Stmt]) -> ast.expr | None:
        """Return the name of a part of a form, having appended what gives it one, unless it needs none."""
        if part is None or self._stays(part):
            return part
        name = self.names.fresh("", "t")
        stmts.append(Stmt(normal(f"{name} = {ast.unparse(part)}"), loc))
        return ast.Name(name)

    def _stays(self, part: ast.expr) -> bool:
        """Tell whether an expression is a number, or a name that keeps its value up to the last step."""
        if isinstance(part, ast.Name):
            return part.id == self.ahead or self.stores[part.id] == (part.id in self.assigned)
        return number(part) is not None

    def _branches(self, then: Stmt, orelse: Stmt | None) -> list[Stmt]:
        """Return a branch with the forms of what is assigned in it computed on both sides."""
        if not then.text.startswith("if ") or depends(ast.parse(f"{then.text} pass"), self.forms):
            raise NotLinear
        start, defined = dict(self.forms), set(self.assigned)
        bodies: list[list[Stmt]] = []
        forms: list[dict[str, Form]] = []
        assigned: list[set[str]] = []
        for side in (then, orelse):
            self.forms, self.assigned = dict(start), set(defined)
            bodies.append(self._visited(side.body or ()) if side else [])
            forms.append(self.forms)
            assigned.append(self.assigned - defined)
        self.forms, self.assigned = start, defined | assigned[0] | assigned[1]
        self.local |= assigned[0] ^ assigned[1]
        before: list[Stmt] = []
        lines = [line for side in (then, orelse) if side for line in side.walk()]
        for name in dict.fromkeys(n for line in lines if (n := _assigned(line)) in self.needed and n not in self.local):
            ways = [form.get(name) for form in forms]
            if not any(ways):
                self.forms.pop(name, None)
                continue
            outside = Form(ZERO, ast.Name(name))
            factors, rests = zip(
                *((w.factor or ONE, w.rest or ZERO) for w in (way or outside for way in ways)), strict=True
            )
            places = (bodies[0], bodies[1] if orelse else before)
            factor, rest = (self._either(parts, places, then.loc) for parts in (factors, rests))
            depth = max(way.depth for way in ways if way)
            self.forms[name] = Form(factor, rest, depth, any(way.of_two for way in ways if way))
        return [*before, *_if(then, *bodies)]

    def _either(self, parts: Sequence[ast.expr], places: Sequence[list[Stmt]], loc: Location | None) -> ast.expr:
        """Return a part of a form that is one or another, having appended what gives it a name, unless they are one."""
        if ast.unparse(parts[0]) == ast.unparse(parts[1]) and self._stays(parts[0]):
            return parts[0]
        name = self.names.fresh("", "t")
        for part, place in zip(parts, places, strict=True):
            place.append(Stmt(f"{name} = {ast.unparse(part)}", loc))
        return ast.Name(name)


def _guards(form: Form, started: str) -> list[str]:
    """Return the conditions under which a form stands for what it was made of."""
    factor = form.factor or ONE
    value = number(factor)
    if value is not None and not 0.0 < abs(value) < math.inf:
        raise NotLinear
    guards = [] if value is not None else [f"{_LEAST} < abs({ast.unparse(factor)}) < {_MOST}"]
    # One way there may be infinite and another one not.
    return [*guards, f"abs({started}) < {_MOST}"] if form.of_two else guards


def _assigned(stmt: Stmt) -> str | None:
    """Return the one name that a statement gives a value."""
    if stmt.body is None:
        match ast.parse(stmt.text).body[0]:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AugAssign(target=ast.Name(id=name)):
                return name
    return None


def _if(head: Stmt, then: list[Stmt], orelse: list[Stmt]) -> list[Stmt]:
    """Return a branch, of which a side or both may be empty."""
    if then:
        return [Stmt(head.text, head.loc, then), *([Stmt("else:", None, orelse)] if orelse else [])]
    test = head.text.removeprefix("if ").removesuffix(":")
    return [Stmt(f"if not ({test}):", head.loc, orelse)] if orelse else []


def _only(stmts: Sequence[Stmt], wanted: Callable[[Stmt], bool]) -> list[Stmt]:
    """Return the wanted lines of statements, in the branches that they stand in."""
    found: list[Stmt] = []
    rest = list(stmts)
    while rest:
        stmt = rest.pop(0)
        if stmt.body is None:
            found += [stmt] if wanted(stmt) else []
        else:
            orelse = rest.pop(0) if rest and rest[0].text == "else:" else Stmt("else:", None, [])
            found += _if(stmt, _only(stmt.body, wanted), _only(orelse.body or (), wanted))
    return found


def _without_unread(stmts: list[Stmt], outside: Counter[str]) -> list[Stmt]:
    """Return statements without those that compute numbers that nothing reads."""
    while True:
        loads, _ = count_names(stmts)

        def is_read(stmt: Stmt, loads: Counter[str] = loads) -> bool:
            name = _assigned(stmt)
            calls = any(isinstance(n, ast.Call) for n in ast.walk(ast.parse(stmt.text)))
            return name is None or calls or loads[name] + outside[name] > 0

        kept = _only(stmts, is_read)
        if sum(s.lines for s in kept) == sum(s.lines for s in stmts):
            return kept
        stmts = kept
