"""The mistakes that a newcomer makes first: class, message, the user's line, and what to do."""

from collections.abc import Callable

import numpy as np
import pytest

import jitdiff as jd
from jitdiff import errors

X, w, y = np.ones((5, 3)), np.ones(3), np.ones(5)
TABLE = np.zeros(3)
KEPT: list[object] = []


def shape_mismatch():
    return jd.compile(lambda X, w: X @ w)(X, np.ones(4))  # the line


def broadcast_mismatch():
    return jd.compile(lambda a, b: a + b)(np.ones(3), np.ones(4))  # the line


def range_of_a_traced_array():
    return jd.compile(lambda x: sum(range(x)))(np.float64(3.0))  # the line


def unsupported_function():
    return jd.compile(lambda x: np.unwrap(x))(w)  # the line


def unsupported_option():
    return jd.compile(lambda x: np.add(x, x, where=x > 0))(w)  # the line


def gradient_of_a_vector():
    return jd.grad(lambda x: x * 2)(w)  # the line


def compiled_gradient_of_a_vector():
    return jd.compile(lambda x: x * 2).grad(w)  # the line


def gradient_of_a_pair():
    return jd.grad(lambda x: (np.sum(x), x))(w)  # the line


def gradient_by_an_integer():
    return jd.grad(lambda x: x * x)(3)  # the line


def compiled_gradient_by_an_integer():
    return jd.compile(lambda x: x * x).grad(3)  # the line


def gradient_by_an_integer_array():
    return jd.grad(lambda x: np.sum(x * x))(np.arange(3))  # the line


def gradient_by_a_string():
    return jd.grad(lambda kind: 1.0)("sum")  # the line


def gradient_of_an_integer():
    return jd.grad(lambda x: np.argmax(x))(w)  # the line


def none_returned():
    @jd.compile
    def f(x):  # the line
        np.sum(x)

    return f(w)


def none_returned_to_grad():
    return jd.grad(lambda x: None)(w)  # the line


def text_returned():
    @jd.compile
    def f(x):  # the line
        return "done"

    return f(w)


def in_place_on_a_captured_array():
    @jd.compile
    def f(x):
        TABLE[0] = x[0]  # the line
        return TABLE

    return f(w)


def in_place_operator_into_a_captured_array():
    @jd.compile
    def f(x):
        total = TABLE
        total += x  # the line
        return total

    return f(w)


def leaked_tracer():
    @jd.compile
    def f(x):
        KEPT.append(x * 2)
        return x

    f(w)
    return jd.compile(lambda x: x + KEPT[-1])(w)  # the line


def leaked_tracer_outside():
    return KEPT[-1] + 1.0  # the line


def leaked_from_a_branch():
    @jd.compile
    def f(x):
        kept = []
        jd.cond(x[0] > 0, lambda: kept.append(x * 2) or x, lambda: x)  # the line
        return kept[0] + 1.0

    return f(w)


def argnums_out_of_range():
    return jd.grad(lambda x: np.sum(x), argnums=1)(w)  # the line


def argnums_as_text():
    return jd.grad(lambda x: np.sum(x), argnums="x")(w)  # the line


def differentiated_by_keyword():
    return jd.grad(lambda x: np.sum(x))(x=w)  # the line


def too_few_arguments():
    return jd.compile(lambda X, w: X @ w)(X)  # the line


def unknown_keyword():
    return jd.compile(lambda x: x).grad(1.0, scale=2.0)  # the line


def branches_of_different_shapes():
    return jd.compile(lambda x: jd.cond(x[0] > 0, lambda: x, lambda: x[0]))(w)  # the line


def changed_carry():
    return jd.compile(lambda x: jd.fori_loop(0, 3, lambda i, c: np.append(c, 1.0), x))(w)  # the line


def object_array():
    return jd.compile(lambda x: x)(np.array([1.0, None]))  # the line


def ragged_list():
    return jd.compile(lambda x: x)(np.array([np.ones(2), np.ones(3)], dtype=object))  # the line


def complex_array():
    return jd.compile(lambda x: x)(np.ones(2) * 1j)  # the line


def unhashable_static():
    return jd.compile(lambda x, opts: x, static_argnames="opts")(w, {"a": 1})  # the line


def unhashable_argument():
    return jd.compile(lambda x, names: x)(w, {"a", "b"})  # the line


def index_out_of_range():
    return jd.compile(lambda x: x[7])(w)  # the line


def axis_out_of_range():
    return jd.compile(lambda x: np.sum(x, axis=2))(w)  # the line


def wrong_reshape():
    return jd.compile(lambda x: x.reshape(2, 2))(w)  # the line


def cotangent_of_another_shape():
    return jd.vjp(lambda x: x * 2, w)[1](np.ones(4))  # the line


def tangent_of_another_shape():
    return jd.jvp(lambda x: x * 2, (w,), (np.ones(4),))  # the line


def tangents_not_in_a_tuple():
    return jd.jvp(lambda x: x * 2, w, w)  # the line


def mistaken_aux():
    return jd.grad(lambda x: np.sum(x), has_aux=True)(w)  # the line


E = errors
MISTAKES: list[tuple[Callable[[], object], type[Exception], type[Exception], tuple[str, ...]]] = [
    (shape_mismatch, E.ShapeError, ValueError, ("matmul", "f64[5,3]", "f64[4]", "3 != 4")),
    (broadcast_mismatch, E.ShapeError, ValueError, ("add", "[3]", "[4]", "broadcast")),
    (range_of_a_traced_array, E.ArgumentTypeError, TypeError, ("range", "must be an integer")),
    (unsupported_function, E.UnsupportedError, TypeError, ("np.unwrap", "not supported")),
    (unsupported_option, E.UnsupportedError, TypeError, ("np.add", "where=")),
    (gradient_of_a_vector, E.ShapeError, ValueError, ("grad", "must return a scalar", "f64[3]", "jitdiff.jacobian")),
    (compiled_gradient_of_a_vector, E.ShapeError, ValueError, ("must return a scalar", "f64[3]")),
    (gradient_of_a_pair, E.ShapeError, ValueError, ("one scalar", "(f64[], f64[3])", "has_aux=True")),
    (gradient_by_an_integer, E.DtypeError, TypeError, ("argument_0", "i64[]", "pass a float")),
    (compiled_gradient_by_an_integer, E.DtypeError, TypeError, ("argument_0", "i64[]", "pass a float")),
    (gradient_by_an_integer_array, E.DtypeError, TypeError, ("i64[3]", "x.astype(float)")),
    (gradient_by_a_string, E.DtypeError, TypeError, ("argument_0", "'sum'", "not an array")),
    (gradient_of_an_integer, E.DtypeError, TypeError, ("returned i64[]", "only floating results")),
    (none_returned, E.TracingError, TypeError, ("f returned None", "forget to return")),
    (none_returned_to_grad, E.TracingError, TypeError, ("returned None", "forget to return")),
    (text_returned, E.TracingError, TypeError, ("returned a str", "'done'")),
    (in_place_on_a_captured_array, E.TracingError, TypeError, ("from outside of the compiled function", "np.copy")),
    (in_place_operator_into_a_captured_array, E.TracingError, TypeError, ("changed in place", "np.copy")),
    (leaked_tracer, E.TracingError, TypeError, ("outside of the function", "return it")),
    (leaked_tracer_outside, E.TracingError, TypeError, ("after its trace has ended", "return it")),
    (leaked_from_a_branch, E.TracingError, TypeError, ("a list grows in a branch", "np.where")),
    (argnums_out_of_range, E.ArgumentError, ValueError, ("argnums=1", "1 positional argument")),
    (argnums_as_text, E.ArgumentTypeError, TypeError, ("argnums", "'x'")),
    (differentiated_by_keyword, E.ArgumentError, ValueError, ("0 positional arguments", "by position")),
    (too_few_arguments, E.ArgumentTypeError, TypeError, ("missing a required argument: 'w'", "(X, w)")),
    (unknown_keyword, E.ArgumentTypeError, TypeError, ("unexpected keyword argument 'scale'", "(x)")),
    (branches_of_different_shapes, E.ShapeError, ValueError, ("cond", "f64[3] if true", "f64[] if false")),
    (changed_carry, E.TracingError, TypeError, ("fori_loop", "from f64[3] to f64[4]")),
    (object_array, E.DtypeError, TypeError, ("the argument x", "dtype object")),
    (ragged_list, E.DtypeError, TypeError, ("dtype object", "unequal length")),
    (complex_array, E.DtypeError, TypeError, ("dtype complex128", "real and imaginary")),
    (unhashable_static, E.ArgumentTypeError, TypeError, ("opts", "must be hashable", "dict")),
    (unhashable_argument, E.ArgumentTypeError, TypeError, ("names", "must be hashable", "set")),
    (index_out_of_range, E.BoundsError, IndexError, ("7", "3")),
    (axis_out_of_range, E.AxisError, np.exceptions.AxisError, ("axis 2",)),
    (wrong_reshape, E.ShapeError, ValueError, ("f64[3]", "2, 2")),
    (cotangent_of_another_shape, E.ShapeError, ValueError, ("the cotangent", "f64[4]", "f64[3]")),
    (tangent_of_another_shape, E.ShapeError, ValueError, ("the tangent", "f64[4]", "f64[3]")),
    (tangents_not_in_a_tuple, E.ArgumentTypeError, TypeError, ("primals must be a tuple",)),
    (mistaken_aux, E.TracingError, TypeError, ("has_aux", "pair")),
]


@pytest.mark.parametrize(("mistake", "error", "builtin", "parts"), MISTAKES, ids=[m[0].__name__ for m in MISTAKES])
def test_mistake(
    mistake: Callable[[], object], error: type[Exception], builtin: type[Exception], parts: tuple[str, ...]
) -> None:
    if "leaked" in mistake.__name__ and not KEPT:
        jd.compile(lambda x: KEPT.append(x * 2) or x)(w)
    with pytest.raises(error) as caught:
        mistake()
    message = str(caught.value)
    assert isinstance(caught.value, builtin)
    for part in parts:
        assert part in message
    assert f"test_mistakes.py:{line_of(mistake)} in " in message


def line_of(mistake: Callable[[], object]) -> int:
    """Return the number of the line that a mistake marks as the one to name."""
    import inspect

    lines, first = inspect.getsourcelines(mistake)
    (offset,) = (k for k, line in enumerate(lines) if "# the line" in line)
    return first + offset
