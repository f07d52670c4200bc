"""What the text checks before it runs: that the sizes are those it was made for."""

from __future__ import annotations

from collections.abc import Iterator

from jitdiff.codegen.program import Program, blocks_within
from jitdiff.codegen.text import Stmt
from jitdiff.ir import Apply, Dim, outs_of
from jitdiff.ops.slices import conditions


def guards_of(program: Program) -> list[Stmt]:
    """Return the statements that bind symbolic sizes and raise NotMine where sizes differ.

    Symbols get into ``program.symbols``.
    """
    stmts: list[Stmt] = []
    tests: list[str] = []
    sizes = [(f"{program.places[p].name}.shape[{k}]", n) for p in program.block.params for k, n in enumerate(p.shape)]
    for text, n in sizes:
        if isinstance(n, Dim) and str(n).isidentifier() and str(n) not in program.symbols:
            program.symbols.add(str(n))
            stmts.append(Stmt(f"{n} = {text}"))
        else:
            tests.append(f"{text} != {n}")
    wanted = {c for c in _nonnegative(program) if isinstance(c, Dim) and c.symbols <= program.symbols}
    tests += sorted(f"{c} < 0" for c in wanted if any(factor < 0 for _, factor in c.terms))
    if tests:
        stmts.append(Stmt(f"if {' or '.join(tests)}:", None, [Stmt("raise NotMine", pinned=True)], pinned=True))
    return stmts


def _nonnegative(program: Program) -> Iterator[int | Dim]:
    """Yield the sizes and the ends of slices in the program, which must all be at least zero."""
    for block in blocks_within(program.block):
        for node in block.nodes:
            for out in outs_of(node):
                yield from out.shape
            taken = node.attrs.get("ranges") or node.attrs.get("selection") if isinstance(node, Apply) else None
            if isinstance(node, Apply) and taken:
                whole = node.out if "shape" in node.attrs else node.args[0]
                yield from conditions(taken, whole.shape)
