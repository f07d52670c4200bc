"""Arrays over memory that other arrays own, made without the general machinery of slicing, viewing and reshaping.

That machinery takes Numba 90 ms to compile for each array, these 10 ms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import types

from jitdiff.native.extending import borrowed, lowered, make_array, populate_array, typed, unpack_tuple

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


@typed(buffer)
def _type_buffer(context: Any) -> Any:
    def typer(ws: Any, start: Any, dtype: Any, shape: Any) -> Any:
        if isinstance(ws, types.Array) and isinstance(dtype, types.DTypeSpec | types.NumberClass):
            return types.Array(_element(dtype), len(shape), "C")
        return None

    return typer


def _element(dtype: Any) -> Any:
    return dtype.instance_type if isinstance(dtype, types.NumberClass) else dtype.dtype


@lowered(buffer, types.Array, types.Integer, types.Any, types.BaseTuple)
def _lower_buffer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    ws, start, _, shape = args
    parent = make_array(signature.args[0])(context, builder, ws)
    start = context.cast(builder, start, signature.args[1], types.intp)
    sizes = _sizes(context, builder, signature.args[3], shape)
    width = context.get_constant(types.intp, _item_size(context, signature.return_type))
    stop = builder.add(start, _product(builder, [width, *sizes]))
    with builder.if_then(builder.icmp_signed(">", stop, parent.nitems), likely=False):
        context.call_conv.return_user_exc(builder, IndexError, (_BEYOND,))
    return _over(context, builder, signature.return_type, parent, builder.gep(parent.data, [start]), sizes)


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
    sizes = _sizes(context, builder, signature.args[1], args[1])
    return _over(context, builder, signature.return_type, parent, parent.data, sizes)


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
    return _over(context, builder, signature.return_type, parent, parent.data, sizes)


def _sizes(context: Any, builder: Any, kinds: Any, shape: Any) -> list[Any]:
    values = unpack_tuple(builder, shape, len(kinds))
    return [context.cast(builder, value, kind, types.intp) for value, kind in zip(values, kinds, strict=True)]


def _product(builder: Any, factors: list[Any]) -> Any:
    first, *rest = factors
    for factor in rest:
        first = builder.mul(first, factor)
    return first


def _item_size(context: Any, array_type: Any) -> int:
    return int(context.get_abi_sizeof(context.get_data_type(array_type.dtype)))


def _over(context: Any, builder: Any, array_type: Any, parent: Any, data: Any, sizes: list[Any]) -> Any:
    """Return a C-contiguous array over `data`, kept alive by `parent`."""
    array = make_array(array_type)(context, builder)
    width = context.get_constant(types.intp, _item_size(context, array_type))
    strides = [_product(builder, [width, *sizes[axis + 1 :]]) for axis in range(len(sizes))]
    populate_array(
        array,
        data=builder.bitcast(data, context.get_data_type(array_type.dtype).as_pointer()),
        shape=sizes,
        strides=strides,
        itemsize=width,
        meminfo=parent.meminfo,
        parent=parent.parent,
    )
    return borrowed(context, builder, array_type, array._getvalue())
