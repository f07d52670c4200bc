"""Programs with every kind of node, each with arguments to run it at. Results begin with the loss, a scalar."""

from typing import Any

import numpy as np

from jitdiff.ops import control


def straight(x: Any, y: Any) -> list[Any]:
    return [np.sum(np.multiply(x, y) * x + 1.0 / y)]


def broadcasting(x: Any, y: Any) -> list[Any]:
    return [np.sum(x * y + x / 3.0)]


def counted(x: Any) -> list[Any]:
    (c,), _ = control.fori(5, lambda i, c: [c * x + c], [x])
    return [c]


def counted_array(x: Any, y: Any) -> list[Any]:
    (c, _), _ = control.fori(4, lambda i, c, s: [np.tanh(c * y + s), s * 0.5], [x, 1.0])
    return [np.sum(c * c)]


def stacking(x: Any, y: Any) -> list[Any]:
    _, (rows,) = control.fori(3, lambda i, c: [c * y, c + x], [x])
    return [np.sum(rows * rows)]


def indexing(x: Any) -> list[Any]:
    (total,), _ = control.fori(x.shape[0], lambda i, s: [s * 0.9 + x[i] * x[i]], [0.0])
    return [total]


def until(x: Any) -> list[Any]:
    (c,), _, _ = control.while_(lambda c: c < 100.0, lambda c: [c * x + c], [x])
    return [c]


def branching(x: Any) -> list[Any]:
    (c,) = control.cond(x > 1.0, lambda: [x * x * x], lambda: [np.exp(x)])
    return [c * x]


def branch_in_loop(x: Any, y: Any) -> list[Any]:
    def body(i: Any, c: Any) -> list[Any]:
        return control.cond(np.sum(c) > 2.0, lambda: [c * y], lambda: [c + x])

    (c,), _ = control.fori(6, body, [x])
    return [np.sum(c)]


def loop_in_loop(x: Any, y: Any) -> list[Any]:
    def outer(i: Any, c: Any) -> list[Any]:
        (d,), _ = control.fori(3, lambda j, d: [d * y + 0.1 * x], [c])
        return [np.sin(d)]

    (c,), _ = control.fori(4, outer, [x])
    return [np.sum(c * x)]


def while_in_loop(x: Any) -> list[Any]:
    def outer(i: Any, c: Any) -> list[Any]:
        (d,), _, _ = control.while_(lambda d: d < 3.0, lambda d: [d * 1.5 + x], [c])
        return [d / 4.0]

    (c,), _ = control.fori(3, outer, [x])
    return [c * c]


def no_trip(x: Any) -> list[Any]:
    (c,), _ = control.fori(0, lambda i, c: [c * x], [x])
    return [c * 2.0]


def untouched_carry(x: Any, y: Any) -> list[Any]:
    (a, b), _ = control.fori(3, lambda i, a, b: [b, a * y], [x, y])
    return [np.sum(a + 2.0 * b)]


X3, Y3 = np.array([0.4, 0.8, 1.3]), np.array([1.1, 0.7, 0.9])

PROGRAMS = {
    straight: (X3, Y3),
    broadcasting: (np.array([[0.2], [0.5]]), X3),
    counted: (np.float64(1.3),),
    counted_array: (X3, Y3),
    stacking: (X3, Y3),
    indexing: (X3,),
    until: (np.float64(1.3),),
    branching: (np.float64(2.0),),
    branch_in_loop: (X3, Y3),
    loop_in_loop: (X3, Y3),
    while_in_loop: (np.float64(0.7),),
    no_trip: (np.float64(1.3),),
    untouched_carry: (X3, Y3),
}
