"""Which values must be stored whatever the schedule is, and which operands of calls are views of those."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from jitdiff.codegen.elements import emission_of
from jitdiff.codegen.program import Program
from jitdiff.codegen.text import shape_text
from jitdiff.ir import Apply, Atom, Block, For, If, Node, Value, While, args_of, blocks_of, free_values, outs_of
from jitdiff.ops.emission import Call, Element, Writes


def must_store(program: Program, block: Block) -> None:
    """Enter into ``program.stored`` the values of `block` that have to be in memory (or in a local scalar).

    They are results, what is written in several places, what calls take and give, and what other blocks read.
    """
    stored = program.stored
    uses = _uses(block)
    stored.update(block.params)
    stored.update(r for r in block.results if isinstance(r, Value))
    for node in block.nodes:
        if not isinstance(node, Apply):
            stored.update(outs_of(node))
            continue
        emission = emission_of(node)
        if not program.is_element(node):
            stored.update(node.outs)
        elif node.out.shape == () and uses[node.out] != 1:
            # A scalar used once stands inside the expression that uses it.
            stored.add(node.out)
        if isinstance(emission, Call):
            for arg in node.args:
                base = base_of(program, arg, emission.transposable)
                if isinstance(base, Value):
                    stored.add(base)
    stored |= _outdated(program, block)
    for node in block.nodes:
        if isinstance(node, If | For | While):
            for value in free_values(*blocks_of(node)):
                _store_for_region(program, value)
            for atom in args_of(node):
                if isinstance(atom, Value) and atom.shape == ():
                    stored.add(atom)


def _outdated(program: Program, block: Block) -> set[Value]:
    """Return the parts of arrays that are still read after the arrays are updated, which so can be done in place."""
    updates = {a: node for node in block.nodes for a in _updated(node) if isinstance(a, Value)}
    readers: dict[Atom, list[Node | None]] = defaultdict(list)
    for node in block.nodes:
        for atom in (*args_of(node), *free_values(*blocks_of(node))):
            readers[atom].append(node)
    for atom in block.results:
        readers[atom].append(None)

    def last_readers(value: Value) -> Iterator[Node | None]:
        for node in readers[value]:
            if isinstance(node, Apply) and program.is_element(node) and node.out not in program.stored:
                yield from last_readers(node.out)
            else:
                yield node

    found = set()
    for node in block.nodes:
        if isinstance(node, Apply) and program.is_element(node) and node.out not in program.stored:
            for a in node.args:
                update = updates.get(a) if isinstance(a, Value) and node.out.type.ndim < a.type.ndim else None
                if update is not None and any(reader is not update for reader in last_readers(node.out)):
                    found.add(node.out)
    return found


def _updated(node: Node) -> tuple[Atom, ...]:
    """Return the arrays of which a node may make others by changing elements."""
    match node:
        case Apply() if isinstance(emission_of(node), Writes) and node.args and node.args[0].type == node.outs[0].type:
            return node.args[:1]
        case For() | While():
            return node.init
        case If():
            return free_values(node.then, node.orelse)
    return ()


def _uses(block: Block) -> Counter[Atom]:
    return Counter(a for node in block.nodes for a in (*args_of(node), *free_values(*blocks_of(node))))


def _store_for_region(program: Program, value: Value) -> None:
    """Store what a region reads; a change of layout is undone inside instead, over what it changes."""
    stack = [value]
    while stack:
        v = stack.pop()
        node = program.definitions.get(v)
        if v in program.stored:
            continue
        if node is not None and v.shape and isinstance(e := emission_of(node), Element) and e.moves:
            stack.extend(a for a in node.args if isinstance(a, Value))
        else:
            program.stored.add(v)


def base_of(program: Program, atom: Atom, transposable: bool) -> Atom:
    """Return the value whose memory a call reads for `atom`: its own, or that which it is a view of."""
    node = program.definitions.get(atom) if isinstance(atom, Value) else None
    if node is None or atom in program.stored:
        return atom
    if _is_reshape(node):
        return base_of(program, node.args[0], transposable=False)
    if transposable and _is_transpose(node):
        return base_of(program, node.args[0], transposable=False)
    return atom


def view_text(program: Program, atom: Atom) -> str:
    """Return the text of an operand of a call."""
    if not isinstance(atom, Value) or atom in program.stored:
        return program.text_of(atom)
    node = program.definitions[atom]
    inner = view_text(program, node.args[0])
    return f"{inner}.T" if _is_transpose(node) else f"{inner}.reshape({shape_text(atom.shape)})"


def _is_transpose(node: Apply) -> bool:
    return node.op.name == "transpose" and node.attrs["axes"] == (1, 0)


def _is_reshape(node: Apply) -> bool:
    return node.op.name == "reshape" and bool(node.out.shape) and bool(node.args[0].shape)
