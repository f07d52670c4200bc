"""Python to Block: argument trees, tracing, branches and loops as functions."""

from jitdiff.frontend.control import cond, fori_loop, map, scan, while_loop
from jitdiff.frontend.convert import converting, range
from jitdiff.frontend.layout import Layout, Signature, flatten_call
from jitdiff.frontend.leaves import Kind, Static, as_leaf, is_native, kind_of, native
from jitdiff.frontend.mapping import AxisTree, vmap_call
from jitdiff.frontend.objects import Self, can_be_opened, is_object
from jitdiff.frontend.settled import Settled, noting
from jitdiff.frontend.stored import StoredFunction
from jitdiff.frontend.trace import NeedsStatic, Traced, symbolic_kinds, trace
from jitdiff.frontend.trees import flatten, leaf_names, tree_map, unflatten

__all__ = [
    "AxisTree",
    "Kind",
    "Layout",
    "NeedsStatic",
    "Self",
    "Settled",
    "Signature",
    "Static",
    "StoredFunction",
    "Traced",
    "as_leaf",
    "can_be_opened",
    "cond",
    "converting",
    "flatten",
    "flatten_call",
    "fori_loop",
    "is_native",
    "is_object",
    "kind_of",
    "leaf_names",
    "map",
    "native",
    "noting",
    "range",
    "scan",
    "symbolic_kinds",
    "trace",
    "tree_map",
    "unflatten",
    "vmap_call",
    "while_loop",
]
