"""Numba's tools for extensions, with types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba.core import cgutils, types
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AbstractTemplate, infer, infer_global, signature
from numba.extending import lower_builtin
from numba.extending import overload as numba_overload
from numba.extending import register_jitable as numba_register_jitable
from numba.np import arrayobj
from numba.np.numpy_support import as_dtype, from_dtype

F = TypeVar("F", bound=Callable[..., Any])

_lower_builtin: Callable[..., Any] = lower_builtin
_overload: Callable[..., Any] = numba_overload
_register_jitable: Callable[..., Any] = numba_register_jitable
_signature: Callable[..., Any] = signature
_infer: Callable[..., Any] = infer
_infer_global: Callable[..., Any] = infer_global
make_array: Callable[..., Any] = arrayobj.make_array
populate_array: Callable[..., Any] = arrayobj.populate_array
borrowed: Callable[..., Any] = impl_ret_borrowed
unpack_tuple: Callable[..., Any] = cgutils.unpack_tuple
stored: Callable[..., Any] = cgutils.alloca_once_value
inserted_function: Callable[..., Any] = cgutils.get_or_insert_function

FLOATS = (types.float32, types.float64)


def jitable(function: F) -> F:
    """Let compiled code call a plain Python function."""
    decorator: Callable[[F], F] = _register_jitable(error_model="numpy", _nrt=True)
    return decorator(function)


def jitable_exact(function: F) -> F:
    """Let compiled code call a plain Python function whose floating-point operations must not be reordered."""
    decorator: Callable[[F], F] = _register_jitable(error_model="numpy", fastmath=False, _nrt=True)
    return decorator(function)


def overload(function: Callable[..., Any]) -> Callable[[F], F]:
    """Give compiled code its own version of `function`, chosen by the types of the arguments."""
    # Not strict: annotations on the one side and none on the other would count as different signatures.
    return cast(Callable[[F], F], _overload(function, jit_options={"_nrt": True}, strict=False))


def typed(function: Callable[..., Any], *, literal: bool = False) -> Callable[[F], F]:
    """Say which types `function` maps to which: the decorated makes a function of types from a context.

    That is asked once for each call in a text, and Numba's own way takes the signature of the answer apart twice.
    With `literal` it is given the types of single numbers for numbers in the text.
    """

    def decorate(typing_function: F) -> F:
        def generic(self: Any, args: Any, kws: Any) -> Any:
            result = None if kws else typing_function(self.context)(*args)
            return None if result is None else _signature(result, *args)

        name = f"{function.__name__}_template"
        template = type(name, (AbstractTemplate,), {"key": function, "generic": generic, "prefer_literal": literal})
        _infer(template)
        _infer_global(function, types.Function(template))
        return typing_function

    return decorate


def lowered(function: Callable[..., Any], *args: Any) -> Callable[[F], F]:
    """Say how a call of `function` becomes LLVM instructions."""
    decorator: Callable[[F], F] = _lower_builtin(function, *args)
    return decorator


def scalar_function(
    ufunc: Callable[..., Any],
    arity: int,
    result: Callable[..., Any],
    emit: Callable[[Any, Any, Any, list[Any]], Any],
) -> Callable[..., Any]:
    """Make a function of scalars that is `ufunc` in Python and some LLVM instructions in compiled code.

    Parameters
    ----------
    ufunc : callable
        What plain Python calls, warnings off as in compiled code.
    arity : int
        Number of arguments, up to three.
    result : callable
        Maps the Numba types of the arguments to the type of the result, or to None where there is none.
    emit : callable
        ``emit(context, builder, type, operands)`` appends the instructions. The operands have been cast to ``type``,
        the result's, or to float64 where it is a boolean whatever the arguments are.
    """
    predicate = result is not promoted

    def function(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return ufunc(*args)

    function.__name__ = function.__qualname__ = ufunc.__name__

    def typing_function(context: Any) -> Any:
        # Numba reads the number of arguments off the function.
        return (lambda x: result(x), lambda x, y: result(x, y), lambda x, y, z: result(x, y, z))[arity - 1]

    def lowering(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = types.float64 if predicate and signature.return_type == types.boolean else signature.return_type
        operands = [context.cast(builder, x, given, kind) for x, given in zip(args, signature.args, strict=True)]
        return emit(context, builder, kind, operands)

    typed(function)(typing_function)
    lowered(function, *[types.Any] * arity)(lowering)
    return function


def promoted(*args: Any) -> Any:
    """Return the Numba type that NumPy promotes real or boolean argument types to, None if there is another kind."""
    if not all(isinstance(t, types.Integer | types.Boolean) or t in FLOATS for t in args):
        return None
    return from_dtype(np.result_type(*map(as_dtype, args)))


def floating(*args: Any) -> Any:
    """Return the floating type, float32 only among float32s, that functions such as ``exp`` give."""
    kind = promoted(*args)
    return kind if kind is None or kind in FLOATS else types.float64
