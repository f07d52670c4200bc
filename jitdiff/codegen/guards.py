"""What the text checks before it runs: that the sizes are those it was made for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from jitdiff.codegen.pack import Pack
from jitdiff.codegen.program import Program
from jitdiff.codegen.text import Stmt
from jitdiff.ir import Dim
from jitdiff.ops.sizes import size_conditions

_WIDTH = 100
"""Longer conditions are taken apart, one for each parameter."""


def guards_of(program: Program, assumed: Collection[Dim]) -> list[Stmt]:
    """Return the statements that bind symbolic sizes and raise NotMine where sizes differ.

    So they do where one of the sizes `assumed` to be at least zero is not. Symbols get into ``program.symbols``.
    """
    stmts: list[Stmt] = []
    tests: list[list[str]] = []
    for param in program.block.params:
        tests.append([])
        for k, n in enumerate(param.shape):
            text = f"{program.places[param].name}.shape[{k}]"
            if isinstance(n, Dim) and str(n).isidentifier() and str(n) not in program.symbols:
                program.symbols.add(str(n))
                stmts.append(Stmt(f"{n} = {text}"))
            else:
                tests[-1].append(f"{text} != {n}")
    tests.append(_conditions(program, assumed))
    everything = [text for test in tests for text in test]
    if sum(map(len, everything)) + 4 * len(everything) < _WIDTH:
        tests = [everything]
    return [*stmts, *map(_refusal, filter(None, tests))]


def guards_of_packed(program: Program, assumed: Collection[Dim], pack: Pack) -> list[Stmt]:
    """Return the same statements for a program whose array arguments come as one."""
    stmts = [Stmt(f"check_arrays({pack.name}, {pack.table_name})", pinned=True)]
    for symbol, (k, axis) in pack.symbols.items():
        program.symbols.add(symbol)
        stmts.append(Stmt(f"{symbol} = size_of({pack.name}, {k}, {axis})", pinned=True))
    conditions = _conditions(program, assumed)
    return [*stmts, _refusal(conditions)] if conditions else stmts


def _conditions(program: Program, assumed: Collection[Dim]) -> list[str]:
    conditions = size_conditions(program.block).union(assumed)
    return sorted(f"{c} < 0" for c in conditions if c.symbols <= program.symbols)


def _refusal(tests: Sequence[str]) -> Stmt:
    return Stmt(f"if {' or '.join(tests)}:", None, [Stmt("raise NotMine", pinned=True)], pinned=True)
