"""One function over the slices of its arguments: a loop of the program in a trace, otherwise in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optree
from optree import PyTreeSpec

from jitdiff.errors import ArgumentError, ArgumentTypeError, AxisError, ShapeError, TracingError
from jitdiff.frontend.leaves import as_leaf
from jitdiff.frontend.trace import result_atom
from jitdiff.frontend.trees import NAMESPACE, flatten, leaf_names, unflatten
from jitdiff.ir import Block, Builder, Dim, Node, Shape, Value, outs_of, reads_of, type_of
from jitdiff.ir.builder import building, current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle, Tracer, control, lift
from jitdiff.ops.alias import detached
from jitdiff.ops.axes import shape_of
from jitdiff.ops.replay import Env, run, value_of
from jitdiff.ops.shape import broadcast, moveaxis
from jitdiff.ops.tracer import builder_now

Axis = int | None


class AxisTree:
    """A tree of axes as the user gave it; equal to another of the same structure and axes.

    Parameters
    ----------
    name : str
        ``in_axes`` or ``out_axes``, for messages.
    tree : tree of int or None
        An axis, or None for what is not mapped; an axis for a tree is that of all its leaves.

    Raises
    ------
    ArgumentTypeError
        If there is something else in it.
    """

    __slots__ = ("_key", "name", "tree")

    def __init__(self, name: str, tree: Any) -> None:
        flatten(tree)  # makes dataclasses known
        leaves, spec = optree.tree_flatten(tree, none_is_leaf=True, namespace=NAMESPACE)
        for axis in leaves:
            if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
                raise ArgumentTypeError(
                    f"vmap: {name} is made of integers and None, and {axis!r} is neither", where=describe(caller())
                )
        self.name = name
        self.tree = tree
        self._key = (name, tuple(leaves), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AxisTree) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return AxisTree, (self.name, self.tree)

    def of_arguments(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Axis]:
        """Return the axis of each leaf of the arguments; those passed by keyword are mapped along axis 0."""
        tree = self.tree
        if isinstance(tree, list | tuple):
            if len(tree) != len(args):
                raise ArgumentError(
                    f"vmap: in_axes has {len(tree)} entries, and there are {len(args)} positional arguments",
                    where=describe(caller()),
                    hint="give one entry for each, None for what is not mapped",
                )
            each = tuple(tree)
        else:
            each = (tree,) * len(args)
        return self._spread((each, dict.fromkeys(kwargs, 0)), (tuple(args), kwargs), "the arguments")

    def of_result(self, tree: Any) -> list[Axis]:
        """Return the axis of each leaf of a result."""
        return self._spread(self.tree, tree, "the result")

    def _spread(self, axes: Any, tree: Any, what: str) -> list[Axis]:
        try:
            found = optree.broadcast_prefix(axes, tree, none_is_leaf=True, namespace=NAMESPACE)
        except ValueError as error:
            raise ArgumentError(
                f"vmap: {self.name}={self.tree!r} does not have the structure of {what}: {error}",
                where=describe(caller()),
            ) from None
        leaves = optree.tree_leaves(tree, none_is_leaf=True, namespace=NAMESPACE)
        return [axis for axis, leaf in zip(found, leaves, strict=True) if leaf is not None]


class Slices:
    """The arguments of one call, to be taken apart along their mapped axes.

    Attributes
    ----------
    size : int or Dim
        Length of the mapped axes.

    Raises
    ------
    AxisError
        If an argument has not the axis that is to be mapped.
    ShapeError
        If the mapped axes differ in length.
    ArgumentError
        If none is mapped.
    """

    def __init__(self, in_axes: AxisTree, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.leaves, self.spec = flatten((args, kwargs))
        axes = in_axes.of_arguments(args, kwargs)
        names = _argument_names(self.spec)
        self.leaves = [
            x if a is None else as_leaf(x, f"vmap: {n}") for x, a, n in zip(self.leaves, axes, names, strict=True)
        ]
        self.axes = [_in_range(x, a, n) for x, a, n in zip(self.leaves, axes, names, strict=True)]
        self.mapped = [k for k, a in enumerate(self.axes) if a is not None]
        self.size = _common_size([(names[k], np.shape(self.leaves[k])[self._axis(k)]) for k in self.mapped])

    def _axis(self, k: int) -> int:
        axis = self.axes[k]
        assert axis is not None
        return axis

    def row(self, i: Any) -> list[Any]:
        """Return slice `i` of each mapped leaf."""
        return [self.leaves[k][(*(slice(None),) * self._axis(k), i)] for k in self.mapped]

    def shapes(self) -> list[Shape]:
        """Return the shape that a slice of each mapped leaf has."""
        shapes = [np.shape(self.leaves[k]) for k in self.mapped]
        return [(*s[: self._axis(k)], *s[self._axis(k) + 1 :]) for k, s in zip(self.mapped, shapes, strict=True)]

    def arguments(self, row: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with these in place of the mapped leaves, which a call may change in place."""
        leaves = list(self.leaves)
        for k, x in zip(self.mapped, row, strict=True):
            leaves[k] = x
        args, kwargs = unflatten(self.spec, list(map(detached, leaves)))
        return args, kwargs


def _argument_names(spec: PyTreeSpec) -> list[str]:
    args, kwargs = spec.children()
    names = [n for k, child in enumerate(args.children()) for n in leaf_names(child, f"argument_{k}")]
    return [*names, *leaf_names(kwargs)]


def _in_range(x: Any, axis: Axis, name: str) -> Axis:
    if axis is None:
        return None
    if not hasattr(x, "shape") and not isinstance(x, bool | int | float):
        raise ArgumentTypeError(
            f"vmap: {name} is a {type(x).__name__}, {x!r}, which has no axis {axis} to map",
            where=describe(caller()),
            hint=f"say None for {name} in in_axes",
        )
    ndim = len(np.shape(x))
    if not -ndim <= axis < ndim:
        raise AxisError(
            f"vmap: {name} is {type_of(x)}, which has no axis {axis} to map",
            where=describe(caller()),
            hint=f"say None for {name} in in_axes if it is the same for all",
        )
    return axis % ndim


def _common_size(sizes: Sequence[tuple[str, int | Dim]]) -> int | Dim:
    if not sizes:
        raise ArgumentError("vmap: in_axes maps no argument", where=describe(caller()), hint="say an axis for one")
    if any(n != sizes[0][1] for _, n in sizes):
        described = ", ".join(f"{n} of {name}" for name, n in sizes)
        raise ShapeError(f"vmap: the mapped axes differ in length: {described}", where=describe(caller()))
    return sizes[0][1]


def vmap_call(
    name: str,
    f: Callable[..., Any],
    in_axes: AxisTree,
    out_axes: AxisTree,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Return the results of `f`, called `name`, on the slices of its arguments, stacked."""
    slices = Slices(in_axes, args, kwargs)
    if current_builder() is None:
        return _in_python(name, f, slices, out_axes)
    return _in_trace(name, f, slices, out_axes)


def _in_trace(name: str, f: Callable[..., Any], slices: Slices, out_axes: AxisTree) -> Any:
    program, result, axes = _program(name, f, slices, out_axes)
    dependent = _dependents(program)
    once: Env = {}
    run([node for node in program.nodes if not _depends(node, dependent)], once)
    each = [r for r in program.results if isinstance(r, Value) and r in dependent]

    def row(i: Any) -> list[Any]:
        env: Env = {**once, **dict(zip(program.params, slices.row(i), strict=True))}
        run([node for node in program.nodes if _depends(node, dependent)], env)
        return [value_of(r, env) for r in each]

    slices.leaves = [Tracer(lift(x)) if k in slices.mapped else x for k, x in enumerate(slices.leaves)]
    stacked = iter(control.fori(slices.size, row, [])[1] if each else ())
    outs = []
    for r, axis, label in zip(program.results, axes, leaf_names(result, "the result"), strict=True):
        if r in dependent:
            _require_axis(name, label, axis)
            y = next(stacked)
        else:
            y = value_of(r, once)
            y = y if axis is None else broadcast(y, (slices.size, *type_of(y).shape))
        outs.append(y if axis is None else moveaxis(y, 0, _result_axis(axis, type_of(y).ndim)))
    return unflatten(result, outs)


def _program(
    name: str, f: Callable[..., Any], slices: Slices, out_axes: AxisTree
) -> tuple[Block, PyTreeSpec, list[Axis]]:
    """Return `f` of one slice as a program, the structure of its result, and the axes that its leaves go to."""
    found: list[Any] = []

    def flat(*row: Any) -> list[Tracer]:
        args, kwargs = slices.arguments(row)
        tree = f(*args, **kwargs)
        leaves, spec = flatten(tree)
        found[:] = [spec, out_axes.of_result(tree)]
        _require_no_changes(name)
        return [Tracer(result_atom(leaf, name, caller())) for leaf in leaves]

    types = [
        type_of(slices.leaves[k]).with_shape(shape) for k, shape in zip(slices.mapped, slices.shapes(), strict=True)
    ]
    program = control.block_of(flat, types)
    return program, found[0], found[1]


def _require_no_changes(name: str) -> None:
    """Raise if the function that is being traced has changed an array around it: slices have no order."""
    for cell, _ in builder_now().changes.values():
        raise TracingError(
            f"vmap: {name} changes {cell.type} in place, which is the same for all slices",
            where=describe(caller()),
            hint="copy it in there, or go through the slices in order with jitdiff.scan or jitdiff.fori_loop",
        )


def _dependents(program: Block) -> set[Any]:
    """Return the values that depend on the parameters."""
    dependent: set[Any] = set(program.params)
    for node in program.nodes:
        if _depends(node, dependent):
            dependent.update(outs_of(node))
    return dependent


def _depends(node: Node, dependent: set[Any]) -> bool:
    return any(v in dependent for v in reads_of(node))


def _require_axis(name: str, label: str, axis: Axis) -> None:
    if axis is None:
        raise ArgumentError(
            f"vmap: out_axes is None for {label} of {name}, which is not the same for all slices",
            where=describe(caller()),
            hint="say along which axis to stack it",
        )


def _result_axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise AxisError(f"vmap: out_axes has {axis}, and the stacked result has {ndim} axes", where=describe(caller()))
    return axis % ndim


def _in_python(name: str, f: Callable[..., Any], slices: Slices, out_axes: AxisTree) -> Any:
    if slices.size == 0:
        return _of_no_rows(name, f, slices, out_axes)
    rows: list[list[Any]] = []
    spec: PyTreeSpec | None = None
    axes: list[Axis] = []
    for i in range(int(slices.size)):
        args, kwargs = slices.arguments(slices.row(i))
        tree = f(*args, **kwargs)
        leaves, structure = flatten(tree)
        if spec is None:
            spec, axes = structure, out_axes.of_result(tree)
        if structure != spec:
            raise ArgumentError(
                f"vmap: {name} returns {spec} for slice 0 and {structure} for slice {i}", where=describe(caller())
            )
        rows.append(leaves)
    assert spec is not None
    labels = leaf_names(spec, "the result")
    columns = zip(*rows, strict=True)
    return unflatten(spec, [_stacked(name, *each) for each in zip(columns, axes, labels, strict=True)])


def _stacked(name: str, column: Sequence[Any], axis: Axis, label: str) -> Any:
    """Return one leaf of the results of all slices as one array."""
    for i, x in enumerate(column):
        if not isinstance(x, Handle | np.ndarray | np.generic | bool | int | float):
            raise ArgumentTypeError(
                f"vmap: {name} returned a {type(x).__name__}, {x!r}, and only arrays and numbers can be stacked",
                where=describe(caller()),
            )
        if shape_of(x) != shape_of(column[0]):
            raise ShapeError(
                f"vmap: {label} of {name} is {type_of(column[0])} for slice 0 and {type_of(x)} for slice {i}",
                where=describe(caller()),
            )
    if axis is None:
        first = np.asarray(column[0])
        if not all(np.array_equal(first, np.asarray(x), equal_nan=first.dtype.kind == "f") for x in column):
            _require_axis(name, label, None)
        return column[0]
    return np.stack(column, axis=_result_axis(axis, len(shape_of(column[0])) + 1))


def _of_no_rows(name: str, f: Callable[..., Any], slices: Slices, out_axes: AxisTree) -> Any:
    """Return the results of no slices: empty arrays of the shapes that a trace finds."""
    with building(Builder()):
        program, result, axes = _program(name, f, slices, out_axes)
    outs = []
    for r, axis, label in zip(program.results, axes, leaf_names(result, "the result"), strict=True):
        if axis is None:
            raise ArgumentError(
                f"vmap: there are no slices to compute {label} of {name} from", where=describe(caller())
            )
        shape = list(r.type.shape)
        shape.insert(_result_axis(axis, len(shape) + 1), 0)
        outs.append(np.zeros(shape, r.type.dtype))
    return unflatten(result, outs)
