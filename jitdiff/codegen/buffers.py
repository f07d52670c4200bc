"""Where buffers lie in the workspace: two that are never alive together may share bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jitdiff.codegen.boundaries import LINE, shifts
from jitdiff.codegen.program import Buffer, Program
from jitdiff.codegen.terms import canonical
from jitdiff.codegen.text import Stmt, dtype_text, names_in, shape_text
from jitdiff.ir import Dim

Span = tuple[int, int]


def allocate(program: Program, stmts: list[Stmt]) -> tuple[list[Stmt], list[Stmt], int]:
    """Declare all buffers in the text.

    Returns
    -------
    tuple
        What computes and checks the size of the workspace where that is symbolic; the statements with declarations put
        in, each before the statement that first uses the buffer; and the number of bytes of workspace they take (0 if
        that depends on symbolic sizes).
    """
    uses = _Uses(program, stmts)
    used = [b for b in program.buffers if b.name in uses.spans]
    kept = [b for b in used if not b.returned and _sizes_known(program, b)]
    fixed = [b for b in kept if isinstance(_bytes(b), int)]
    spans = uses.tied(program.ties)
    begin = shifts(stmts, {b.name: b.type for b in fixed}, program.aliases)
    sizes = [_aligned(begin.get(b.name, 0) + int(_bytes(b))) for b in fixed]
    offsets, total = _pack(sizes, [spans[b.name] for b in fixed])
    texts = {b.name: str(offset + begin.get(b.name, 0)) for b, offset in zip(fixed, offsets, strict=True)}
    symbolic = [b for b in kept if b not in fixed]
    head = _symbolic(program, symbolic, spans, total, texts)
    declared: dict[int, tuple[list[Stmt], dict[Stmt, list[Stmt]]]] = {}
    for buffer in used:
        shape, dtype = shape_text(buffer.type.shape), dtype_text(buffer.type.dtype)
        if buffer.name in texts:
            # Numba compiles this in a tenth of the time that slicing, viewing and reshaping take it.
            text = f"{buffer.name} = buffer(ws, {texts[buffer.name]}, {dtype}, {shape})"
        else:
            text = f"{buffer.name} = np.empty({shape}, {dtype})"
        inner = () if buffer in kept or buffer.returned else buffer.scope
        where = inner[-1].body if inner else stmts
        assert where is not None
        _, made = declared.setdefault(id(where), (where, {}))
        made.setdefault(uses.first[buffer.name][len(inner)], []).append(Stmt(text))
    for where, made in declared.values():
        _declare(where, made)
    return head, stmts, 0 if symbolic else total


def _declare(stmts: list[Stmt], made: Mapping[Stmt, Sequence[Stmt]]) -> None:
    """Put declarations before the statements that they are for, those for an ``else`` before its ``if``."""
    found: list[Stmt] = []
    for stmt in stmts:
        at = len(found) - 1 if stmt.text == "else:" else len(found)
        found[at:at] = made.get(stmt, ())
        found.append(stmt)
    stmts[:] = found


def _sizes_known(program: Program, buffer: Buffer) -> bool:
    return all(d.symbols <= program.symbols for d in buffer.type.shape if isinstance(d, Dim))


def _bytes(buffer: Buffer) -> int | Dim:
    return buffer.type.size * buffer.type.dtype.itemsize


class _Uses:
    """Where buffers are used: spans of positions in the text, a loop counting as a whole for what lives around it."""

    def __init__(self, program: Program, stmts: Sequence[Stmt]) -> None:
        self.buffers = {b.name: b for b in program.buffers}
        self._aliases = program.aliases
        self.spans: dict[str, Span] = {}
        self.first: dict[str, tuple[Stmt, ...]] = {}
        self._position = 0
        self._visit(stmts, ())

    def _visit(self, stmts: Sequence[Stmt], path: tuple[Stmt, ...]) -> dict[str, None]:
        """Note the uses of buffers in statements, and return their names."""
        used: dict[str, None] = {}
        for stmt in stmts:
            start = self._position
            self._position += 1
            here = (*path, stmt)
            for name in (self._aliases.get(n, n) for group in names_in(stmt.text) for n in group):
                if name not in self.buffers:
                    continue
                self._note(name, start, start)
                self.first.setdefault(name, here)
                used[name] = None
            if stmt.body is not None:
                inside = self._visit(stmt.body, here)
                used |= inside
                if stmt.is_loop:
                    for name in inside:
                        if stmt not in self.buffers[name].scope:
                            self._note(name, start, self._position - 1)
        return used

    def _note(self, name: str, low: int, high: int) -> None:
        old = self.spans.get(name, (low, high))
        self.spans[name] = (min(old[0], low), max(old[1], high))

    def tied(self, ties: Sequence[tuple[str, str]]) -> dict[str, Span]:
        """Return the spans, those of buffers that change names with each other made one."""
        spans = dict(self.spans)
        for _ in ties:
            for a, b in ties:
                if a in spans and b in spans:
                    low, high = min(spans[a][0], spans[b][0]), max(spans[a][1], spans[b][1])
                    spans[a] = spans[b] = (low, high)
        return spans


def _aligned(size: int) -> int:
    return -(-size // LINE) * LINE


def _pack(sizes: Sequence[int], spans: Sequence[Span]) -> tuple[list[int], int]:
    """Return an offset for each buffer, and the bytes needed: the largest first, each as low as it fits."""
    order = sorted(range(len(sizes)), key=lambda k: (-sizes[k], spans[k], k))
    # For each buffer in that order: its span, and the bytes that it lies in.
    first, last = np.array([spans[k] for k in order], int).reshape(-1, 2).T
    low, high = np.zeros(len(order), int), np.zeros(len(order), int)
    offsets = [0] * len(sizes)
    for n, k in enumerate(order):
        alive = np.flatnonzero((first[:n] <= last[n]) & (first[n] <= last[:n]))
        alive = alive[np.argsort(low[alive])]
        ends = np.maximum.accumulate(np.append(0, high[alive]))
        gaps = np.flatnonzero(ends[:-1] + sizes[k] <= low[alive])
        offset = offsets[k] = int(ends[gaps[0] if len(gaps) else -1])
        low[n], high[n] = offset, offset + sizes[k]
    return offsets, int(high.max(initial=0))


@dataclass(eq=False, slots=True)
class _Region:
    """Bytes of a symbolic size that buffers of that size share one after the other, until the position `end`."""

    size: Dim
    end: int
    buffers: list[Buffer]


def _symbolic(
    program: Program, buffers: Sequence[Buffer], spans: dict[str, Span], start: int, texts: dict[str, str]
) -> list[Stmt]:
    """Give buffers of symbolic size their bounds, and return the statements that compute and check them."""
    regions: list[_Region] = []
    for buffer in sorted(buffers, key=lambda b: spans[b.name]):
        size, span = _bytes(buffer), spans[buffer.name]
        assert isinstance(size, Dim)
        for region in regions:
            if region.size == size and region.end < span[0]:
                break
        else:
            region = _Region(size, -1, [])
            regions.append(region)
        region.end = span[1]
        region.buffers.append(buffer)
    stmts: list[Stmt] = []
    offset = str(start)
    for region in regions:
        for buffer in region.buffers:
            texts[buffer.name] = offset
        end = program.names.fresh("", "end")
        rounded = f"({canonical(region.size, {})} + {LINE - 1}) // {LINE} * {LINE}"
        stmts.append(Stmt(f"{end} = {rounded}" if offset == "0" else f"{end} = {offset} + {rounded}"))
        offset = end
    if stmts:
        refusal = Stmt(f"raise WorkspaceTooSmall({offset})", pinned=True)
        stmts.append(Stmt(f"if ws.size < {offset}:", None, [refusal], pinned=True))
    return stmts
