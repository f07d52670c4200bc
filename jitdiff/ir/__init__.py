"""What a program is: types, nodes, builder, checker, printer. Knows no op and no Numba."""

from jitdiff.ir.assumptions import assuming
from jitdiff.ir.builder import Builder
from jitdiff.ir.dims import Dim, NeedsConcreteSize, product
from jitdiff.ir.emitted import Emitted
from jitdiff.ir.nodes import (
    Apply,
    Atom,
    Block,
    Const,
    For,
    If,
    Location,
    Node,
    Operation,
    Value,
    While,
    args_of,
    blocks_of,
    free_values,
    outs_of,
    reads_of,
    symbol_made,
    symbols_read,
    with_blocks,
)
from jitdiff.ir.printer import show
from jitdiff.ir.types import ArrayType, Shape, broadcast_shapes, dtype_name, type_of
from jitdiff.ir.verify import verify

__all__ = [
    "Apply",
    "ArrayType",
    "Atom",
    "Block",
    "Builder",
    "Const",
    "Dim",
    "Emitted",
    "For",
    "If",
    "Location",
    "NeedsConcreteSize",
    "Node",
    "Operation",
    "Shape",
    "Value",
    "While",
    "args_of",
    "assuming",
    "blocks_of",
    "broadcast_shapes",
    "dtype_name",
    "free_values",
    "outs_of",
    "product",
    "reads_of",
    "show",
    "symbol_made",
    "symbols_read",
    "type_of",
    "verify",
    "with_blocks",
]
