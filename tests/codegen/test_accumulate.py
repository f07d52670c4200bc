"""Totals of loops: what is added to a number that is carried is written as ``+=``, and nothing else is."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.codegen.accumulate import accumulate
from jitdiff.codegen.text import render
from tests.codegen.programs import run
from tests.codegen.test_distribute import statements

X = np.random.default_rng(3).uniform(0.5, 1.5, 12)

ADDED = {
    "a sum": ("t = s + x[i]\ns = t", "s += x[i]"),
    "a sum the other way round": ("t = x[i] + s\ns = t", "s += x[i]"),
    "a difference": ("t = s - x[i] * 2.0\ns = t", "s -= x[i] * 2.0"),
    "a negative number": ("t = s + -x[i]\ns = t", "s -= x[i]"),
    "a sum of more": ("t = s + (x[i] + r)\ns = t", "s += x[i] + r"),
    "a count": ("k_1 = k + 1\nk = k_1", "k += 1"),
    "two sums": ("t = s + x[i]\nu = r - x[i]\ns, r = t, u", "s += x[i]\nr -= x[i]"),
    "one of two": ("t = s + x[i]\nu = r * 0.5\ns, r = t, u", "s += x[i]\nu = r * 0.5\nr = u"),
    "a sum of what another total is about to be": (
        "u = r * 0.5\nt = s + u\ns, r = t, u",
        "u = r * 0.5\ns += u\nr = u",
    ),
}

KEPT = {
    "a difference from the total": "t = x[i] - s\ns = t",
    "a product": "t = s * x[i]\ns = t",
    "a sum that is read": "t = s + x[i]\nx[i] = t\ns = t",
    "a total that is read after it is added to": "t = s + x[i]\nx[i] = s\ns = t",
    "a total that is read before": "u = s * x[i]\nt = s + u\ns = t",
    "a total that is added to itself": "t = s + x[i]\nu = t + s\ns = u",
    "a sum in a branch": "t = s\nif x[i] > 1.0:\n    t = s + x[i]\ns = t",
    "totals that change places": "t = s + x[i]\ns, r = r, t",
    "one sum for two totals": "t = s + x[i]\ns, r = t, t",
    "a total of the iteration before": "t = s + x[i]\ns, r = t, s",
}

HEADS = ("for i in range(12):", "while i < 11:\n    i = i + 1")


def looped(body, head):
    lines = "".join(f"\n    {line}" for line in body.splitlines())
    return f"s = 0.25\nr = 0.5\nk = 0\ni = -1\n{head}{lines}\nend = (s, r, k)"


def accumulated(text):
    stmts = statements(text)
    accumulate(stmts)
    return "\n".join(render(stmts, 0))


def outcome(text):
    scope = {"x": X.copy()}
    exec(text, scope)
    return [*scope["end"], *scope["x"]]


@pytest.mark.parametrize("head", HEADS, ids=["for", "while"])
@pytest.mark.parametrize(("body", "new"), ADDED.values(), ids=ADDED)
def test_sums_are_additions(body, new, head):
    text = accumulated(looped(body, head))
    assert text == looped(new, head)
    np.testing.assert_allclose(outcome(text), outcome(looped(body, head)), rtol=1e-14)


@pytest.mark.parametrize("head", HEADS, ids=["for", "while"])
@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_what_is_no_sum_stays(body, head):
    assert accumulated(looped(body, head)) == looped(body, head)


def test_only_the_loop_around_a_sum_is_looked_at():
    text = """
s = 0.25
for i in range(3):
    for j in range(4):
        t = s + x[j]
        s = t
    u = s + x[i]
    s = u
end = (s,)""".strip()
    new = accumulated(text)
    assert "s += x[j]" in new
    assert "u = s + x[i]" in new
    np.testing.assert_allclose(outcome(new), outcome(text), rtol=1e-14)


def test_a_name_stored_twice_is_no_sum():
    text = looped("t = s + x[i]\ns = t", HEADS[0]).replace("end =", "t = 1.0\nend =")
    assert accumulated(text) == text


def total_and_its_shadow(x):
    a, b, c = 0.0, 0.0, 0.0
    for i in range(len(x)):
        c = c + b * x[i]
        a = a + x[i]
        b = a
    return c * a + b


def fibonacci(x):
    a, b = 0.5, 1.0
    for v in x:
        a, b = b, a + v
    return a * b


def until_it_is_enough(x):
    s, k = 0.0, 0
    while s < 4.0 and k < len(x):
        s = s + x[k] * x[k]
        k = k + 1
    return s * k


def rows(x):
    a = np.reshape(x, (3, 4))
    total, largest = 0.0, 0.0
    for i in range(3):
        row = 0.0
        for j in range(4):
            row = row + a[i, j] * a[j % 3, i]
        total = total + row * row
        largest = largest if largest > row else row
    return total * largest


def trapezoids(x):
    s, last = 0.0, x[0]
    for i in range(len(x)):
        s = s + 0.5 * (last + x[i])
        last = x[i]
    return s * last


PROGRAMS = (total_and_its_shadow, fibonacci, until_it_is_enough, rows, trapezoids)


def outermost(function):
    """The text of value and gradient, which is not compiled, and what it gives."""
    emitted = jd.value_and_grad(jd.compile(function)).specialisation(X).emitted
    return emitted.source, run(emitted, [X])


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_programs(function):
    source, (value, gradient) = outermost(function)
    right = jd.value_and_grad(function)(X)
    np.testing.assert_allclose(value, function(X), rtol=1e-13, err_msg=source)
    np.testing.assert_allclose(gradient, right[1], rtol=1e-12, err_msg=source)


def test_the_text_of_a_program_adds():
    source, _ = outermost(trapezoids)
    loop = source.split("for step")[1]
    assert " += 0.5 * (" in loop


def test_integers_and_floats_keep_their_types():
    def counts(x, n):
        s, k, last = np.float32(0.0), 0, 0
        for i in range(n):
            last = k
            s = s + x[i]
            if x[i] > 1.0:
                k = k + 2
        return s, k, last

    x = X.astype(np.float32)
    have, want = jd.compile(counts)(x, 12), counts(x, 12)
    assert [np.asarray(h).dtype for h in have] == [np.float32, np.int64, np.int64]
    np.testing.assert_allclose(have, want, rtol=1e-6)
