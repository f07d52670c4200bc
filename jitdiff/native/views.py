"""Arrays over memory that other arrays own, made without the general machinery of slicing, viewing and reshaping.

That machinery takes Numba 90 ms to compile for each array, these 10 ms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.np.numpy_support import from_dtype

from jitdiff.native.extending import borrowed, lowered, make_array, populate_array, typed, unpack_tuple

_WORD = ir.IntType(64)
_BEYOND = "an array ends beyond its workspace"


def buffer(ws: Any, start: Any, dtype: Any, shape: Any) -> Any:
    """Return the array of a dtype and shape that begins at a byte of a workspace.

    Parameters
    ----------
    ws : array of uint8
        The workspace.
    start : int
        The first byte, aligned for `dtype`.
    dtype : type
        A NumPy scalar type.
    shape : tuple of int
        The sizes.

    Raises
    ------
    IndexError
        If the workspace ends before the array does.

    Examples
    --------
    >>> import numpy as np
    >>> buffer(np.zeros(64, np.uint8), 16, np.float64, (2, 3))
    array([[0., 0., 0.],
           [0., 0., 0.]])
    """
    stop = start + math.prod(shape) * np.dtype(dtype).itemsize
    if stop > ws.size:
        raise IndexError(_BEYOND)
    return ws[start:stop].view(dtype).reshape(shape)


def seen_as(x: Any, shape: Any) -> Any:
    """Return a C-contiguous array in another shape of the same size, unchecked."""
    return x.reshape(shape)


def leading(x: Any, count: Any) -> Any:
    """Return the first `count` rows of a C-contiguous array, unchecked."""
    return x[:count]


_KINDS: list[tuple[np.dtype[Any], tuple[int, ...]]] = []


def number_of(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return the number that stands for a dtype and a shape in the tree that Numba is handed.

    A dtype and a tuple take it twice as long as a number.
    """
    kind = dtype, shape
    if kind not in _KINDS:
        _KINDS.append(kind)
    return _KINDS.index(kind)


def kind_of(number: int) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the dtype and the shape that a number stands for.

    Examples
    --------
    >>> kind_of(number_of(np.dtype(float), (2, 3)))
    (dtype('float64'), (2, 3))
    """
    return _KINDS[number]


def place(ws: Any, start: Any, kind: Any) -> Any:
    """Return what `buffer` does, of a workspace that is known to be large enough."""
    return buffer(ws, start, *kind_of(kind))


def check_workspace(ws: Any, size: Any) -> None:
    """Raise IndexError for a workspace of fewer bytes."""
    if ws.size < size:
        raise IndexError(_BEYOND)


@typed(buffer)
def _type_buffer(context: Any) -> Any:
    return lambda ws, start, dtype, shape: array_over(ws, dtype, shape)


def array_over(source: Any, dtype: Any, shape: Any) -> Any:
    """Return the Numba type of an array of a dtype and shape, found by means of another array."""
    if isinstance(source, types.Array) and isinstance(dtype, types.DTypeSpec | types.NumberClass):
        return types.Array(element_of(dtype), len(shape), "C")
    return None


@typed(place, literal=True)
def _type_place(context: Any) -> Any:
    return lambda ws, start, kind: array_of(kind)


def array_of(number: Any) -> Any:
    """Return the Numba type of the array that the type of a number stands for."""
    if not isinstance(number, types.IntegerLiteral):
        return None
    dtype, shape = kind_of(number.literal_value)
    return types.Array(from_dtype(dtype), len(shape), "C")


def element_of(dtype: Any) -> Any:
    """Return the Numba type of the elements of a dtype."""
    return dtype.instance_type if isinstance(dtype, types.NumberClass) else dtype.dtype


@lowered(buffer, types.Array, types.Integer, types.Any, types.BaseTuple)
def _lower_buffer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    ws, start, _, shape = args
    parent = make_array(signature.args[0])(context, builder, ws)
    start = context.cast(builder, start, signature.args[1], types.intp)
    sizes = sizes_of(context, builder, signature.args[3], shape)
    stop = builder.add(start, _number(_product(builder, [_item_size(context, signature.return_type), *sizes])))
    with builder.if_then(builder.icmp_signed(">", stop, parent.nitems), likely=False):
        context.call_conv.return_user_exc(builder, IndexError, (_BEYOND,))
    return over(context, builder, signature.return_type, None, builder.gep(parent.data, [start]), sizes)


@lowered(place, types.Array, types.Integer, types.Integer)
def _lower_place(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    parent = make_array(signature.args[0])(context, builder, args[0])
    start = context.cast(builder, args[1], signature.args[1], types.intp)
    sizes = list(kind_of(signature.args[2].literal_value)[1])
    return over(context, builder, signature.return_type, None, builder.gep(parent.data, [start]), sizes)


@lowered(check_workspace, types.Array, types.Integer)
def _lower_check_workspace(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    parent = make_array(signature.args[0])(context, builder, args[0])
    size = context.cast(builder, args[1], signature.args[1], types.intp)
    with builder.if_then(builder.icmp_signed("<", parent.nitems, size), likely=False):
        context.call_conv.return_user_exc(builder, IndexError, (_BEYOND,))
    return context.get_dummy_value()


@typed(check_workspace)
def _type_check_workspace(context: Any) -> Any:
    return lambda ws, size: types.none


@typed(seen_as)
def _type_seen_as(context: Any) -> Any:
    def typer(x: Any, shape: Any) -> Any:
        if isinstance(x, types.Array) and x.layout == "C":
            return x.copy(ndim=len(shape))
        return None

    return typer


@lowered(seen_as, types.Array, types.BaseTuple)
def _lower_seen_as(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    parent = make_array(signature.args[0])(context, builder, args[0])
    sizes = sizes_of(context, builder, signature.args[1], args[1])
    return over(context, builder, signature.return_type, parent, parent.data, sizes)


@typed(leading)
def _type_leading(context: Any) -> Any:
    def typer(x: Any, count: Any) -> Any:
        return x if isinstance(x, types.Array) and x.layout == "C" else None

    return typer


@lowered(leading, types.Array, types.Integer)
def _lower_leading(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    parent = make_array(signature.args[0])(context, builder, args[0])
    count = context.cast(builder, args[1], signature.args[1], types.intp)
    sizes = [count, *unpack_tuple(builder, parent.shape, signature.args[0].ndim)[1:]]
    return over(context, builder, signature.return_type, parent, parent.data, sizes)


Size = Any
"""A size in instructions: an int where it is a number in the text, otherwise a value."""


def sizes_of(context: Any, builder: Any, kinds: Any, shape: Any) -> list[Size]:
    """Return the elements of a tuple of integers."""
    if all(isinstance(kind, types.IntegerLiteral) for kind in kinds):
        return [kind.literal_value for kind in kinds]
    values = unpack_tuple(builder, shape, len(kinds))
    return [context.cast(builder, value, kind, types.intp) for value, kind in zip(values, kinds, strict=True)]


def _product(builder: Any, factors: list[Size]) -> Size:
    known = math.prod(f for f in factors if isinstance(f, int))
    product: Size = known
    for factor in factors:
        if not isinstance(factor, int):
            product = factor if product == 1 else builder.mul(_number(product), factor)
    return product


def _number(size: Size) -> Any:
    return ir.Constant(_WORD, size) if isinstance(size, int) else size


def _item_size(context: Any, array_type: Any) -> int:
    return int(context.get_abi_sizeof(context.get_data_type(array_type.dtype)))


def over(context: Any, builder: Any, array_type: Any, parent: Any, data: Any, sizes: list[Size]) -> Any:
    """Return a C-contiguous array over `data`, kept alive by `parent`, or by who calls if that is None."""
    width = _item_size(context, array_type)
    strides = [_product(builder, [width, *sizes[axis + 1 :]]) for axis in range(len(sizes))]
    data = builder.bitcast(data, context.get_data_type(array_type.dtype).as_pointer())
    if parent is None and all(isinstance(size, int) for size in sizes):
        return _known(context, builder, array_type, data, sizes, strides)
    array = make_array(array_type)(context, builder)
    populate_array(
        array,
        data=data,
        shape=list(map(_number, sizes)),
        strides=list(map(_number, strides)),
        itemsize=_number(width),
        meminfo=None if parent is None else parent.meminfo,
        parent=None if parent is None else parent.parent,
    )
    return borrowed(context, builder, array_type, array._getvalue())


def _known(context: Any, builder: Any, array_type: Any, data: Any, sizes: list[int], strides: list[int]) -> Any:
    """Return an array of which nothing but the address has to be computed: one instruction."""
    kind, model = context.get_value_type(array_type), context.data_model_manager[array_type]
    # What owns the memory is null.
    fields: list[Any] = [None] * len(kind.elements)
    fields[model.get_field_position("nitems")] = math.prod(sizes)
    fields[model.get_field_position("itemsize")] = _item_size(context, array_type)
    fields[model.get_field_position("shape")] = list(map(_number, sizes))
    fields[model.get_field_position("strides")] = list(map(_number, strides))
    fields[model.get_field_position("data")] = ir.Undefined
    parts = [ir.Constant(element, field) for element, field in zip(kind.elements, fields, strict=True)]
    return builder.insert_value(ir.Constant(kind, parts), data, model.get_field_position("data"))
