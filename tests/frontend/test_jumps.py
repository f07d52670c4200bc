"""Variables that have a value on some ways only, by `break`, `else` and `return`, and what is raised on one of them."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import TracingError
from tests.frontend.agree import agrees_in_every_mode, second_derivatives_agree

X = np.linspace(0.11, 1.03, 30)


def before_break_and_in_else(x):
    for v in x:
        if v > 0.5:
            found = v * v
            break
    else:
        found = x[0]
    return found * x[1]


def never_broken(x):
    for v in x:
        if v > 5.0:
            found = v * v
            break
    else:
        found = x[0] * 3
    return found * x[1]


def before_break_of_an_endless_loop(x):
    i = 0
    while True:
        if x[i] > 0.5:
            found = x[i]
            break
        i += 1
        if i > 20:
            found = x[0]
            break
    return found * x[1]


def in_the_else_of_a_while(x):
    n = 0
    while n < 29:
        v = x[n]
        if v > 0.7:
            best = v
            where = n
            break
        n += 1
    else:
        best, where = x[0] * 1.0, -1
    if best > 0.5:
        best = best * 2
    return best * x[where]


def in_nested_loops(x):
    total = 0.0
    for i in range(10):
        for j in range(30):
            if x[j] > 0.1 * i + 0.005:
                found = x[j] * j
                sine = np.sin(found)
                break
        else:
            found = 1.0
            sine = x[0]
        total += found * sine
    return total


def dicts_before_break(x):
    for i in range(30):
        if x[i] > 0.55:
            state = {"a": x[i], "b": x * 2}
            break
    else:
        state = {"a": x[0], "b": x * 3}
    return state["a"] * np.sum(state["b"])


def found_or_returned(x):
    for i in range(30):
        if x[i] > 0.55:
            low = x[i - 1]
            high = x[i]
            break
    else:
        return x[0]
    for _ in range(12):
        middle = 0.4 * low + 0.6 * high
        if np.sin(middle) > 10.0:
            high = middle
        else:
            low = middle
    return low * high * x[1]


def returned_or_broken(x):
    for i in range(30):
        if x[i] > 5:
            return x[i]
        if x[i] > 0.5:
            r = x[i] ** 2
            break
    else:
        r = x[3]
    return r * x[0]


def returned_in_a_helper(x):
    def first_above(level):
        for v in x:
            if v > level:
                return v
        else:
            return x[-1]

    return first_above(0.3) * first_above(3.0)


def continued_and_broken(x):
    total = 0.0
    for i in range(30):
        if x[i] < 0.3:
            continue
        if x[i] > 0.8:
            last = x[i]
            n = i * 2
            break
        total += x[i]
    else:
        last = total
        n = 1
    return last * total + n


def branches_before_break(x):
    for i in range(12):
        if x[i] > 0.2:
            if x[i] > 0.3:
                r = x[i]
                scale = 1.0
            else:
                r = x[i] * 2
                scale = 2.0
            break
    else:
        r = scale = 0.0
    return r * x[0] * scale


def inside_a_branch(x):
    f = 0.0
    if x[0] > 0:
        for v in x:
            if v > 0.4:
                found = v
                break
        else:
            found = 1.0
        f = found * 2
    return f * x[2]


def raised_for_arguments(x, n=3):
    if n < 1:
        raise ValueError("n must be positive")
    if x.ndim != 1:
        raise ValueError(f"x has {x.ndim} axes")
    return np.sum(x) * n


PROGRAMS = [
    before_break_and_in_else, never_broken, before_break_of_an_endless_loop, in_the_else_of_a_while, in_nested_loops,
    dicts_before_break, found_or_returned, returned_or_broken, returned_in_a_helper, continued_and_broken,
    branches_before_break, inside_a_branch, raised_for_arguments,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_gradients(program):
    agrees_in_every_mode(program, X)


@pytest.mark.parametrize("program", [before_break_and_in_else, in_nested_loops], ids=lambda f: f.__name__)
def test_second_derivatives(program):
    second_derivatives_agree(program, X)


def no_value_without_break(x):
    for v in x:
        if v > 0.4:
            found = v
            break
    return found


def no_value_on_a_way_to_break(x):
    for v in x:
        if v > 0.4:
            if v > 5:
                found = v
            break
    else:
        found = x[0]
    return found


def raised_in_a_branch(x):
    if x[0] > 5:
        raise ValueError("too large")
    return np.sum(x)


def raised_in_an_else(x):
    for k in range(30):
        if x[k] > 0.5:
            break
    else:
        raise RuntimeError("no convergence")
    return x[k]


@pytest.mark.parametrize(
    ("function", "message", "line"),
    [
        (no_value_without_break, "found has no value if the condition at line", 5),
        (no_value_on_a_way_to_break, "found has no value if the condition at line", 8),
        (raised_in_a_branch, "ValueError is raised in a traced branch or loop", 2),
        (raised_in_an_else, "RuntimeError is raised in a traced branch or loop", 5),
    ],
    ids=lambda p: p.__name__ if callable(p) else "",
)
def test_mistakes(function, message, line):
    with pytest.raises(TracingError, match=message) as caught:
        jd.compile(function)(X)
    here = f"test_jumps.py:{function.__code__.co_firstlineno + line} in {function.__name__}"
    assert here in str(caught.value)


def test_what_no_traced_condition_decides_is_raised():
    with pytest.raises(ValueError, match="n must be positive"):
        jd.compile(raised_for_arguments)(X, 0)
    with pytest.raises(ValueError, match="x has 0 axes"):
        jd.vmap(jd.compile(raised_for_arguments))(X)
