"""Very many array arguments as one: a tuple in plain Python, their addresses in compiled code.

Numba's time for a function grows faster than its number of arguments, since each array is seven values that are handed
on from function to function.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from jitdiff.ir.emitted import AXES, DTYPES
from jitdiff.native import records
from jitdiff.native.extending import lowered, make_array, overload, typed
from jitdiff.native.signals import NotMine
from jitdiff.native.views import array_of, array_over, kind_of, over, sizes_of

_NUMBERS = np.array([records.numbers_of(dtype) for dtype in DTYPES])
_FOREIGN = ord(">" if sys.byteorder == "little" else "<")
_ANY = -1


def check_arrays(arrays: Any, table: Any) -> None:
    """Raise TypeError unless arrays have the dtypes and dimensions of a table, `NotMine` unless they have its sizes.

    Parameters
    ----------
    arrays : tuple of array
        The arrays.
    table : array of int64
        For each array its number in `DTYPES`, its number of dimensions, and its sizes. Of these -1 is any, and below
        that ``-2 - AXES * k - axis`` the size of array number k along an axis.

    Examples
    --------
    >>> check_arrays((np.ones(3), np.ones((2, 3))), np.array([10, 1, -1, 10, 2, 2, -2]))
    """
    at = 0
    for x in arrays:
        code, ndim = table[at : at + 2]
        if type(x) is not np.ndarray or x.dtype != DTYPES[code] or x.ndim != ndim or not x.flags.c_contiguous:
            raise TypeError("an argument has another dtype, number of dimensions or order")
        at += 2 + ndim
    at = 0
    for x in arrays:
        for axis in range(x.ndim):
            want = table[at + 2 + axis]
            if want < _ANY:
                want = arrays[(-2 - want) // AXES].shape[(-2 - want) % AXES]
            if want != _ANY and x.shape[axis] != want:
                raise NotMine
        at += 2 + x.ndim


def size_of(arrays: Any, k: Any, axis: Any) -> Any:
    """Return the size of array number k along an axis."""
    return arrays[k].shape[axis]


def taken(arrays: Any, k: Any, dtype: Any, shape: Any) -> Any:
    """Return array number k, of this dtype, in this shape."""
    return arrays[k].reshape(shape)


def taken_as(arrays: Any, k: Any, kind: Any) -> Any:
    """Return what `taken` does, given the number of a dtype and a shape."""
    return taken(arrays, k, *kind_of(kind))


def _loading(bits: int) -> Any:
    """Return a function that reads an unsigned integer at an address, in compiled code only."""

    def load(address: Any) -> Any:
        raise NotImplementedError

    @typed(load)
    def _type_load(context: Any) -> Any:
        return lambda address: types.int64 if isinstance(address, types.Integer) else None

    @lowered(load, types.Integer)
    def _lower_load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.IntType(bits)
        address = context.cast(builder, args[0], signature.args[0], types.intp)
        value = builder.load(builder.inttoptr(address, kind.as_pointer()))
        return value if bits == 64 else builder.zext(value, ir.IntType(64))

    return load


_word, _short, _byte = map(_loading, (64, 32, 8))


@overload(check_arrays)
def _check_arrays(arrays: Any, table: Any) -> Any:
    kind, sizes, ndim_ = records.TYPE, records.SIZES, records.NDIM
    flags, good, description = records.FLAGS, records.GOOD, records.DESCRIPTION
    order, number = records.BYTE_ORDER, records.NUMBER
    numbers, foreign = _NUMBERS, _FOREIGN

    def check(arrays: Any, table: Any) -> None:
        at = 0
        for i in range(1, arrays.size):
            x = arrays[i]
            code, ndim = table[at], table[at + 1]
            if _word(x + kind) != arrays[0]:
                raise TypeError("an argument is no array")
            about = _word(x + description)
            found = _short(about + number)
            if (
                _short(x + ndim_) != ndim
                or (found != numbers[code, 0] and found != numbers[code, 1])
                or _byte(about + order) == foreign
                or _short(x + flags) & good != good
            ):
                raise TypeError("an argument has another dtype, number of dimensions or order")
            at += 2 + ndim
        at = 0
        for i in range(1, arrays.size):
            ndim = table[at + 1]
            have = _word(arrays[i] + sizes)
            for axis in range(ndim):
                want = table[at + 2 + axis]
                if want < _ANY:
                    other = _word(arrays[1 + (-2 - want) // AXES] + sizes)
                    want = _word(other + 8 * ((-2 - want) % AXES))
                if want != _ANY and _word(have + 8 * axis) != want:
                    raise NotMine
            at += 2 + ndim

    return check


@overload(size_of)
def _size_of(arrays: Any, k: Any, axis: Any) -> Any:
    sizes = records.SIZES
    return lambda arrays, k, axis: _word(_word(arrays[1 + k] + sizes) + 8 * axis)


@typed(taken, literal=True)
def _type_taken(context: Any) -> Any:
    return lambda arrays, k, dtype, shape: array_over(arrays, dtype, shape)


@typed(taken_as, literal=True)
def _type_taken_as(context: Any) -> Any:
    return lambda arrays, k, kind: array_of(kind)


@lowered(taken, types.Array, types.Integer, types.Any, types.BaseTuple)
def _lower_taken(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    sizes = sizes_of(context, builder, signature.args[3], args[3])
    return over(context, builder, signature.return_type, None, _data(context, builder, signature, args), sizes)


@lowered(taken_as, types.Array, types.Integer, types.Integer)
def _lower_taken_as(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    sizes = list(kind_of(signature.args[2].literal_value)[1])
    return over(context, builder, signature.return_type, None, _data(context, builder, signature, args), sizes)


def _data(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Return where the elements of an array begin."""
    table = make_array(signature.args[0])(context, builder, args[0])
    k = context.cast(builder, args[1], signature.args[1], types.intp)
    address = builder.load(builder.gep(table.data, [builder.add(k, k.type(1))]))
    word = context.get_data_type(signature.return_type.dtype).as_pointer()
    return builder.load(builder.inttoptr(builder.add(address, address.type(records.DATA)), word.as_pointer()))
