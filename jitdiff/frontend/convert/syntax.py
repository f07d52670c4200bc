"""Rewriting statements and expressions whose meaning depends on traced values as calls of the run-time support.

A block becomes a function that shares its variables by ``nonlocal``; beside it stand functions that read and set the
variables assigned in it, so that a branch or a loop can be run on other values. `operators` says what each call does.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jitdiff.frontend.convert.implicit import Implicit
from jitdiff.frontend.convert.jumps import FLAGS, GUARD, lower
from jitdiff.frontend.convert.mangle import mangle
from jitdiff.frontend.convert.names import (
    assigned_from_inside,
    is_generator,
    is_whole,
    names_assigned,
    names_written,
    own,
    parameters,
)
from jitdiff.frontend.convert.source import GENERATED, Definition
from jitdiff.frontend.convert.tree import (
    UNTOUCHED,
    arguments,
    at,
    call,
    is_support,
    key,
    load,
    made_from,
    store,
    support,
    thunk,
)


def converted(node: Definition, owner: str, modules: frozenset[str]) -> Definition:
    """Return the definition of a function with its control flow converted; `modules` are variables with modules."""
    mangle(node, owner)
    transformer = _Transformer(modules)
    if isinstance(node, ast.Lambda):
        node.body = transformer.visit(node.body)
        return node
    transformer.function(node)
    return node


class _Transformer(Implicit):
    def __init__(self, modules: frozenset[str]) -> None:
        super().__init__(modules)
        self.count = 0
        self.globals: set[str] = set()
        self.written: set[str] = set()
        self.jumped: list[str] = []
        self.first = ""

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{GENERATED}{stem}{self.count}"

    # Functions.

    def function(self, node: ast.FunctionDef) -> None:
        """Convert the body of a function."""
        around = self.globals, self.written, self.jumped, self.first
        self.written = self.written | names_written(node)
        self.globals = {name for child in own(node.body) if isinstance(child, ast.Global) for name in child.names}
        outer = {
            name for child in own(node.body) if isinstance(child, ast.Global | ast.Nonlocal) for name in child.names
        }
        self.first = next((a.arg for a in [*node.args.posonlyargs, *node.args.args]), "")
        generates = is_generator(node)
        body = node.body if generates else lower(node.body, node)
        local = [n for n in dict.fromkeys(names_assigned(body)) if n not in outer]
        left = [n for n in own(body) if getattr(n, FLAGS, [])]
        self.jumped = [n for n in dict.fromkeys(names_assigned(left)) if n in local]
        # Functions inside that assign variables of this one may be called in any block, and this one in those around.
        shared = [n for n in dict.fromkeys(assigned_from_inside(body)) if n in local or n in parameters(node)]
        theirs = sorted(outer - self.globals)
        node.body = self.steps(body) if generates else self.block(body)
        if shared:
            node.body.insert(0, _statement(call("made_variables", *(thunk(load(n)) for n in shared)), node))
        if theirs:
            pairs = [ast.Tuple([ast.Constant(n), thunk(load(n))], ast.Load()) for n in theirs]
            node.body.insert(0, _statement(call("note_variables", *pairs), node))
        if local:
            # What only blocks assign is still a variable of the function.
            bind = ast.Assign([store(n) for n in local], ast.Constant(None))
            node.body.insert(0, at(ast.If(ast.Constant(False), [bind], []), node))
        self.globals, self.written, self.jumped, self.first = around

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.args = self.visit(node.args)
        self.function(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.body = [self.visit(s) if isinstance(s, ast.FunctionDef) else s for s in node.body]
        return node

    # Generators, which keep their frame: what yields or jumps out stays Python's.

    def steps(self, stmts: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Return the statements of a generator, those that run as a whole converted."""
        done: list[ast.stmt] = []
        for stmt in stmts:
            if isinstance(stmt, ast.If | ast.For | ast.While | ast.With | ast.Try | ast.Match) and not is_whole(stmt):
                done.append(self.step(stmt))
            else:
                done += self.block(lower([stmt], stmt))
        return done

    def step(self, stmt: ast.stmt) -> ast.stmt:
        """Return a statement of a generator that keeps its kind, with converted statements in it."""
        match stmt:
            case ast.If() | ast.While():
                stmt.test = at(call("decided", self.condition(stmt.test)), stmt.test)
            case ast.For():
                stmt.iter = at(call("iterated", self.visit(stmt.iter)), stmt.iter)
            case ast.With():
                for each in stmt.items:
                    each.context_expr = at(call("managed", self.visit(each.context_expr)), each.context_expr)
            case ast.Match():
                stmt.subject = self.visit(stmt.subject)
        parts = [*getattr(stmt, "handlers", []), *getattr(stmt, "cases", []), stmt]
        for part in parts:
            for name in ("body", "orelse", "finalbody"):
                if hasattr(part, name):
                    setattr(part, name, self.steps(getattr(part, name)))
        return stmt

    # Statements.

    def visit_Return(self, node: ast.Return) -> ast.Return:
        if node.value is not None:
            node.value = at(call("checked", self.visit(node.value)), node.value)
        return node

    def visit_If(self, node: ast.If) -> list[ast.stmt]:
        names = self.assigned([node])
        flags = getattr(node, GUARD, [])
        if flags:
            # What the flags say of variables is used too.
            names += [n for n in self.jumped if n not in names]
        test = self.condition(node.test)
        body, orelse = self.fresh("body"), self.fresh("orelse")
        state, ends = self.state(names, node)
        return [
            *state,
            self.define(body, [], names, self.block(node.body), node),
            self.define(orelse, [], names, self.block(node.orelse), node),
            _statement(call("if_", test, load(body), load(orelse), *ends, _constants(flags)), node),
        ]

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        names = self.assigned([node])
        body, item = self.fresh("body"), self.fresh("item")
        iterable = at(call("iterated", self.visit(node.iter)), node.iter)
        assign = self.visit(at(ast.Assign([node.target], load(item)), node.target))
        target = assign if isinstance(assign, list) else [assign]
        state, ends = self.state(names, node)
        test, tested = self.flags(node)
        made = [
            *state,
            *test,
            self.define(body, [item], names, [*target, *self.block(node.body)], node),
            _statement(call("for_", iterable, load(body), tested, *ends, _constants(getattr(node, FLAGS, []))), node),
        ]
        return [*made, *self.block(node.orelse)]

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        names = self.assigned([node])
        body, test = self.fresh("body"), self.fresh("test")
        flags = getattr(node, FLAGS, [])
        condition = node.test
        if flags:
            running = [ast.UnaryOp(ast.Not(), load(f)) for f in flags]
            condition = at(ast.BoolOp(ast.And(), [*running, condition]), node.test)
        endless = ast.Constant(isinstance(node.test, ast.Constant) and bool(node.test.value) and bool(flags))
        tested = at(ast.Return(self.condition(condition)), node.test)
        state, ends = self.state(names, node)
        made = [
            *state,
            self.define(test, [], names, [tested], node),
            self.define(body, [], names, self.block(node.body), node),
            _statement(call("while_", load(test), load(body), *ends, _constants(flags), endless), node),
        ]
        return [*made, *self.block(node.orelse)]

    def flags(self, node: ast.For) -> tuple[list[ast.stmt], ast.expr]:
        """Return the definition of what says whether a loop goes on, and its name; None for a loop without jumps."""
        flags = getattr(node, FLAGS, [])
        if not flags:
            return [], ast.Constant(None)
        running: list[ast.expr] = [ast.UnaryOp(ast.Not(), load(f)) for f in flags]
        condition = at(ast.BoolOp(ast.And(), running) if len(running) > 1 else running[0], node)
        name = self.fresh("test")
        return [self.define(name, [], [], [at(ast.Return(self.condition(condition)), node)], node)], load(name)

    def state(self, names: Sequence[str], where: ast.stmt) -> tuple[list[ast.stmt], list[ast.expr]]:
        """Return definitions of what reads and sets variables, and the arguments that hand them over."""
        get, put, values = self.fresh("get"), self.fresh("set"), self.fresh("values")
        reads = [thunk(load(n)) for n in names]
        unpack: list[ast.stmt] = [ast.Pass()]
        if names:
            target = ast.Tuple([store(n) for n in names], ast.Store())
            unpack = [at(ast.Assign([target], load(values)), where)]
        return (
            [
                self.define(get, [], [], [at(ast.Return(call("read", *reads)), where)], where),
                self.define(put, [values], names, unpack, where),
            ],
            [load(get), load(put), _constants(names)],
        )

    def define(
        self, name: str, params: Sequence[str], names: Sequence[str], body: list[ast.stmt], where: ast.AST
    ) -> ast.stmt:
        """Return the definition of a function of a block."""
        shared: list[ast.stmt] = []
        for kind, chosen in (
            (ast.Nonlocal, [n for n in names if n not in self.globals]),
            (ast.Global, [n for n in names if n in self.globals]),
        ):
            if chosen:
                shared.append(kind(list(chosen)))
        made = ast.FunctionDef(name, arguments(params), [*shared, *(body or [ast.Pass()])], [])
        if "type_params" in ast.FunctionDef._fields:
            made.type_params = []  # type: ignore[attr-defined]
        return at(made, where)

    def assigned(self, stmts: Sequence[ast.stmt]) -> list[str]:
        """Return the variables that statements assign, in order."""
        return list(dict.fromkeys(names_assigned(stmts)))

    def visit_Assign(self, node: ast.Assign) -> Any:
        computed = isinstance(node.value, ast.BinOp | ast.UnaryOp)
        self.kept(node.value)
        node.value = self.visit(node.value)
        after: list[ast.stmt] = made_from(node, self.written) if computed else []
        node.targets = [self.target(t, after) for t in node.targets]
        (first, *others) = node.targets
        if not others and isinstance(first, ast.Name) and first.id.startswith(GENERATED) and len(after) == 1:
            # A single element: no variable in between.
            (setting,) = after
            assert isinstance(setting, ast.Expr)
            assert isinstance(setting.value, ast.Call)
            setting.value.args[-1] = node.value
            return setting
        return [node, *after]

    def kept(self, value: ast.expr) -> None:
        """Mark the list displays in a value that variables, attributes and dicts keep: those lists may grow."""
        match value:
            case ast.List():
                setattr(value, _GROWS, True)
            case ast.Tuple(elts):
                for part in elts:
                    self.kept(part)
            case ast.Dict(values=values):
                for part in values:
                    self.kept(part)

    def target(self, target: ast.expr, after: list[ast.stmt]) -> ast.expr:
        """Return a target without elements and attributes, which are set from variables afterwards."""
        match target:
            case ast.Tuple(elts) | ast.List(elts):
                target.elts = [self.target(e, after) for e in elts]
                return target
            case ast.Starred(value):
                target.value = self.target(value, after)
                return target
            case ast.Subscript(value, key):
                name = self.fresh("part")
                setting = call("set_item", self.visit(value), self.key(key), load(name))
                after.append(_statement(setting, target))
                return at(store(name), target)
            case ast.Attribute(value, attr):
                name = self.fresh("part")
                setting = call("set_attribute", self.visit(value), ast.Constant(attr), load(name))
                after.append(_statement(setting, target))
                return at(store(name), target)
        return target

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return at(ast.Pass(), node)
        return self.visit(at(ast.Assign([node.target], node.value), node))

    def visit_Raise(self, node: ast.Raise) -> list[ast.stmt]:
        if node.exc is None:
            return [node]
        node.exc = at(call("raised", self.visit(node.exc)), node.exc)
        return [node]

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        message = node.msg or ast.Constant(None)
        return _statement(call("assert_", self.condition(node.test), thunk(message)), node)

    # Expressions.

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.value = self.visit(node.value)
        if not isinstance(node.ctx, ast.Load):
            return node
        return at(call("item", node.value, self.key(node.slice)), node)

    def key(self, index: ast.expr) -> ast.expr:
        """Return a subscript as an expression that can be an argument."""
        found: ast.expr = self.visit(index)
        return key(found)

    def visit_List(self, node: ast.List) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        return at(call("list_" if getattr(node, _GROWS, False) else "born", node), node)

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        self.generic_visit(node)
        return at(call("born", node), node)

    visit_Set = visit_DictComp = visit_SetComp = visit_GeneratorExp = visit_Dict  # type: ignore[assignment]  # noqa: N815

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        if _keeps(node):
            return node
        return self.joined(node, "and_value" if isinstance(node.op, ast.And) else "or_value", self.visit)

    def condition(self, test: ast.expr) -> ast.expr:
        """Return an expression of which only the truth matters."""
        if not isinstance(test, ast.BoolOp) or _keeps(test):
            found: ast.expr = self.visit(test)
            return found
        return self.joined(test, "and_" if isinstance(test.op, ast.And) else "or_", self.condition)

    def joined(self, node: ast.BoolOp, name: str, convert: Callable[[ast.expr], ast.expr]) -> ast.expr:
        """Return a call of the run-time support for ``and`` or ``or``, which evaluates as many operands as it needs."""
        first, *rest = map(convert, node.values)
        return at(call(name, first, *map(thunk, rest)), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if not isinstance(node.op, ast.Not):
            found: ast.expr = super().visit_UnaryOp(node)
            return found
        node.operand = self.condition(node.operand)
        return at(call("not_", node.operand), node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) == 1 or _keeps(node):
            found: ast.expr = super().visit_Compare(node)
            return found
        left = self.visit(node.left)
        rest = [self.visit(c) for c in node.comparators]
        x, y = self.fresh("x"), self.fresh("y")
        ops = [ast.Lambda(arguments([x, y]), ast.Compare(load(x), [op], [load(y)])) for op in node.ops]
        thunks = [thunk(c) for c in rest]
        pairs = [ast.Tuple([o, t], ast.Load()) for o, t in zip(ops, thunks, strict=True)]
        return at(call("compare", left, *pairs), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        if _keeps(node):
            return node
        test, body, orelse = self.condition(node.test), self.visit(node.body), self.visit(node.orelse)
        return at(call("ifexp", test, thunk(body), thunk(orelse)), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "super" and not node.args and self.first:
            # The function of a block has no first argument to find the object by.
            node.args = [at(load("__class__"), node), at(load(self.first), node)]
        if name in UNTOUCHED:
            return node
        if is_support(node.func):
            self.generic_visit(node)
            return node
        if name in _GATHERING and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            node.args = [at(ast.ListComp(node.args[0].elt, node.args[0].generators), node.args[0])]
        function = self.visit(node.func)
        args = [self.visit(a) for a in node.args]
        keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        return at(ast.Call(support("call"), [function, *args], keywords), node)

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        if len(node.generators) == 1 and not _keeps(node):
            (g,) = node.generators
            names = [g.target] if isinstance(g.target, ast.Name) else getattr(g.target, "elts", [])
            if names and all(isinstance(n, ast.Name) for n in names) and not g.ifs and not g.is_async:
                params = [n.id for n in names]
                each: ast.expr = ast.Lambda(arguments(params), self.visit(node.elt))
                if not isinstance(g.target, ast.Name):
                    row = self.fresh("row")
                    each = ast.Lambda(arguments([row]), ast.Call(each, [ast.Starred(load(row), ast.Load())], []))
                return at(call("comprehension", each, self.visit(g.iter)), node)
        self.generic_visit(node)
        return node


_GROWS = f"{GENERATED}grows"
"""Attribute of a list display's node: whether what it makes may be a list that grows."""

_GATHERING = frozenset({"sum", "list", "tuple", "min", "max"})


def _keeps(node: ast.AST) -> bool:
    """Whether an expression has to stay in its own frame."""
    return any(isinstance(n, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) for n in ast.walk(node))


def _constants(names: Iterable[str]) -> ast.expr:
    """Return a tuple of names."""
    return ast.Tuple([ast.Constant(n) for n in names], ast.Load())


def _statement(value: ast.expr, where: ast.AST) -> ast.Expr:
    return at(ast.Expr(value), where)
