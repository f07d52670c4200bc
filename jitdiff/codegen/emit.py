"""From a program to a module of Python text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from jitdiff.codegen.accumulate import accumulate
from jitdiff.codegen.blocks import emit_block
from jitdiff.codegen.buffers import allocate
from jitdiff.codegen.cut import Function, cut
from jitdiff.codegen.distribute import distribute
from jitdiff.codegen.elements import NotSpread
from jitdiff.codegen.gather import Gathering
from jitdiff.codegen.guards import guards_of
from jitdiff.codegen.items import Plan, Slot
from jitdiff.codegen.layout import lay_out
from jitdiff.codegen.linear import linearise
from jitdiff.codegen.lower import lower
from jitdiff.codegen.plan import plan_block
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.sliding import slide
from jitdiff.codegen.spread import candidates, without
from jitdiff.codegen.text import BUILTINS, Stmt, free_names, render
from jitdiff.ir import Block, Dim, Emitted


def emit(block: Block, name: str, doc: str = "", assumed: Collection[Dim] = ()) -> Emitted:
    """Return the module of text that computes a program.

    Parameters
    ----------
    block : Block
        A verified program, after the passes.
    name : str
        Name of the entry function.
    doc : str
        First line of the module.
    assumed : collection of Dim
        What must be at least zero for the program to be right.

    Examples
    --------
    >>> import numpy as np
    >>> from jitdiff.ir import ArrayType, Builder, Location, Value
    >>> from jitdiff.ops.table import OPS
    >>> x = Value(ArrayType(np.dtype(float), (3,)), "x")
    >>> builder = Builder((x,))
    >>> with builder.at(Location("model.py", 7, "norm2")):
    ...     (square,) = builder.apply(OPS["multiply"], (x, x), {})
    ...     (total,) = builder.apply(OPS["sum"], (square,), {"axes": (0,)})
    >>> source = emit(builder.finish([total]), "norm2").source
    >>> print(source[source.index("def") :].strip())
    def norm2(ws, x):
        if x.shape[0] != 3:
            raise NotMine
        t0 = 0.0                                                              # model.py:7
        for i in range(3):
            x_i = x[i]
            t0 += x_i * x_i
        return t0
    """
    block = lower(block)
    program, plan = _planned(block)
    for param in block.params:
        program.places[param] = Place(program.names(param, "x"), param.type)
    guards = guards_of(program, assumed)
    slots: dict[Slot, Place] = {}
    outs: list[int] = []
    for k, atom in enumerate(block.results):
        if not atom.shape:
            continue
        wish = getattr(atom, "name", "") or "out"
        if all(n.symbols <= program.symbols for n in atom.shape if isinstance(n, Dim)):
            slots["result", 0, k] = Place(program.names.fresh(wish, "out"), atom.type)
            outs.append(k)
        else:
            slots["result", 0, k] = program.buffer(wish, atom.type, returned=True)
    stmts = emit_block(program, plan, slots, ())
    values = [
        slots["result", 0, k].name if atom.shape else program.text_of(atom)
        for k, atom in enumerate(block.results)
        if k not in outs
    ]
    stmts.append(Stmt(f"return {', '.join(values)}".rstrip(), pinned=True))
    accumulate(stmts)
    arrays = {
        place.name: place for place in (*program.places.values(), *slots.values()) if not (place.prefix or place.spread)
    }
    arrays |= {buffer.name: Place(buffer.name, buffer.type) for buffer in program.buffers}
    stmts = distribute(stmts, program.aliases, Gathering(program, arrays, {place.name for place in slots.values()}))
    stmts, slid = slide(stmts, program, arrays)
    linearise(stmts, slid, program)
    stmts = lay_out(stmts, program, arrays, [slots["result", 0, k].name for k in outs])
    stmts, workspace = allocate(program, stmts)
    body = [*guards, *stmts]
    if name in free_names(body):
        # The user's function has the name of one that the text calls.
        name = f"{name}_"
    params = [program.places[p].name for p in block.params] + [slots["result", 0, k].name for k in outs]
    functions = cut(name, ["ws", *params], body)
    return Emitted(
        source=_module(functions, doc or f"{name}, compiled by jitdiff."),
        entry=name,
        functions=tuple(f.name for f in functions),
        params=tuple(p.type for p in block.params),
        results=tuple(r.type for r in block.results),
        workspace=workspace,
        outs=tuple(outs),
    )


def _planned(block: Block) -> tuple[Program, Plan]:
    """Return the program and its plan, small arrays in scalars where that can be."""
    spread = candidates(block)
    while True:
        program = Program(block, spread)
        try:
            return program, plan_block(program, block)
        except NotSpread as caught:
            spread = without(spread, caught.value, block)


def _module(functions: Sequence[Function], doc: str) -> str:
    own = {"np", *(f.name for f in functions)}
    used: set[str] = set()
    for function in functions:
        used |= free_names(function.body) - set(function.params)
    runtime = sorted(used - BUILTINS - own)
    lines = [f'"""{doc}"""', "", "import numpy as np"]
    if runtime:
        lines += ["", *_import(runtime)]
    for function in functions:
        lines += ["", "", *render([function.stmt], 0)]
    return "\n".join(lines) + "\n"


def _import(names: Sequence[str]) -> list[str]:
    line = f"from jitdiff.native.runtime import {', '.join(names)}"
    return [line] if len(line) <= 120 else ["from jitdiff.native.runtime import (", *(f"    {n}," for n in names), ")"]
