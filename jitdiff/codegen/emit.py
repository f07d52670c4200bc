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
from jitdiff.codegen.guards import guards_of, guards_of_packed
from jitdiff.codegen.items import Plan, Slot
from jitdiff.codegen.layout import lay_out
from jitdiff.codegen.linear import linearise
from jitdiff.codegen.lower import lower
from jitdiff.codegen.pack import PACKED_FROM, Pack
from jitdiff.codegen.plan import plan_block
from jitdiff.codegen.program import Place, Program
from jitdiff.codegen.sliding import slide
from jitdiff.codegen.spread import candidates, without
from jitdiff.codegen.text import BUILTINS, Stmt, free_names, render
from jitdiff.ir import Block, Dim, Emitted


def emit(block: Block, name: str, doc: str = "", assumed: Collection[Dim] = (), *, pack: bool = False) -> Emitted:
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
    pack : bool
        Whether the entry may take all arrays as one argument, where they are very many.

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
    packed = _pack(program) if pack else None
    guards = guards_of(program, assumed) if packed is None else guards_of_packed(program, assumed, packed)
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
    head, stmts, workspace = allocate(program, stmts)
    guards += head
    if name in free_names([*guards, *stmts]):
        # The user's function has the name of one that the text calls.
        name = f"{name}_"
    params = [program.places[p].name for p in block.params if packed is None or not p.shape]
    places = [slots["result", 0, k] for k in outs]
    if packed is None:
        params += [place.name for place in places]
    else:
        params.insert(0, packed.name)
        packed.add((place.name, place.type) for place in places)
    functions = cut(name, ["ws", *params], guards, stmts, {} if packed is None else packed.given)
    return Emitted(
        source=_module(functions, doc or f"{name}, compiled by jitdiff.", packed),
        entry=name,
        functions=tuple(f.name for f in functions),
        params=tuple(p.type for p in block.params),
        results=tuple(r.type for r in block.results),
        workspace=workspace,
        outs=tuple(outs),
        packed=packed is not None,
    )


def _pack(program: Program) -> Pack | None:
    """Return the argument that all array parameters are handed in as, None if they are few."""
    arrays = [p for p in program.block.params if p.shape]
    if len(arrays) + sum(bool(r.shape) for r in program.block.results) < PACKED_FROM:
        return None
    pack = Pack(program.names.fresh("arrays"), program.names.fresh("ARRAYS"))
    pack.add((program.places[p].name, p.type) for p in arrays)
    return pack


def _planned(block: Block) -> tuple[Program, Plan]:
    """Return the program and its plan, small arrays in scalars where that can be."""
    spread = candidates(block)
    while True:
        program = Program(block, spread)
        try:
            return program, plan_block(program, block)
        except NotSpread as caught:
            spread = without(spread, caught.value, block)


def _module(functions: Sequence[Function], doc: str, pack: Pack | None) -> str:
    own = {"np", *(f.name for f in functions), *([pack.table_name] if pack else ())}
    used: set[str] = set()
    for function in functions:
        used |= free_names(function.body) - set(function.params)
    runtime = sorted(used - BUILTINS - own)
    lines = [f'"""{doc}"""', "", "import numpy as np"]
    if runtime:
        lines += ["", *_import(runtime)]
    if pack is not None:
        lines += ["", *pack.constant]
    for function in functions:
        lines += ["", "", *render([function.stmt], 0)]
    return "\n".join(lines) + "\n"


def _import(names: Sequence[str]) -> list[str]:
    line = f"from jitdiff.native.runtime import {', '.join(names)}"
    return [line] if len(line) <= 120 else ["from jitdiff.native.runtime import (", *(f"    {n}," for n in names), ")"]
