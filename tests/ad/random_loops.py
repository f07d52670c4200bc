"""Random programs of nested loops and branches that change a scalar and the elements of an array.

They are written with jitdiff's loops as functions, so that the same program runs eagerly, under tapes, and traced.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import jitdiff as jd
from jitdiff.ops.index import index_update

N = 5

State = tuple[Any, Any]
"""A scalar and an array of N elements."""

Step = Callable[[State, tuple[Any, ...]], State]
"""One statement: from the state, and the indices of the loops around, to the next state."""


def random_program(seed: int) -> Callable[[Any, Any], Any]:
    """Return a function of a scalar and an array of N elements that gives a scalar."""
    r = random.Random(seed)
    body = _block(r, depth=0, length=r.randint(2, 4))

    def program(s: Any, a: Any) -> Any:
        s, a = body((s, a), ())
        return s + np.sum(a * np.cos(a))

    program.__name__ = f"program_{seed}"
    return program


def _block(r: random.Random, depth: int, length: int) -> Step:
    kinds = [_scalar, _element, _element, _whole, *([_for, _for, _if, _while] if depth < 3 else [])]
    steps = [r.choice(kinds)(r, depth) for _ in range(length)]

    def run(state: State, indices: tuple[Any, ...]) -> State:
        for step in steps:
            state = step(state, indices)
        return state

    return run


def _position(r: random.Random) -> Callable[[tuple[Any, ...]], Any]:
    number, which = r.randrange(N), r.random()

    def at(indices: tuple[Any, ...]) -> Any:
        return (indices[int(which * len(indices))] + number) % N if indices else number

    return at


def _expression(r: random.Random) -> Callable[[Any, Any], Any]:
    c = r.uniform(0.3, 0.9)
    return r.choice(
        [
            lambda s, x: c * s * x,
            lambda s, x: np.tanh(s + c * x),
            lambda s, x: np.sin(s) - c * x,
            lambda s, x: c * x * np.exp(-x * x) + s / 3.0,
            lambda s, x: c * s + 0.5 * x,
        ]
    )


def _scalar(r: random.Random, depth: int) -> Step:
    at, f = _position(r), _expression(r)
    return lambda state, indices: (f(state[0], state[1][at(indices)]), state[1])


def _element(r: random.Random, depth: int) -> Step:
    read, write, f = _position(r), _position(r), _expression(r)

    def step(state: State, indices: tuple[Any, ...]) -> State:
        s, a = state
        return s, index_update(a, write(indices), f(s, a[read(indices)]))

    return step


def _whole(r: random.Random, depth: int) -> Step:
    f = _expression(r)
    return lambda state, indices: (state[0], f(state[0], state[1]))


def _for(r: random.Random, depth: int) -> Step:
    body, trips, grows = _block(r, depth + 1, r.randint(1, 3)), r.randint(0, 3), r.random() < 0.4

    def step(state: State, indices: tuple[Any, ...]) -> State:
        upper = indices[-1] + 1 if indices and grows else trips
        return jd.fori_loop(0, upper, lambda i, c: body(c, (*indices, i)), state)

    return step


def _if(r: random.Random, depth: int) -> Step:
    then, orelse = (_block(r, depth + 1, r.randint(1, 2)) for _ in range(2))
    bound, odd = r.uniform(-0.3, 0.5), r.random() < 0.4

    def step(state: State, indices: tuple[Any, ...]) -> State:
        verdict = indices[-1] % 2 == 0 if indices and odd else state[0] > bound
        return jd.cond(verdict, lambda c: then(c, indices), lambda c: orelse(c, indices), state)

    return step


def _while(r: random.Random, depth: int) -> Step:
    body, bound = _block(r, depth + 1, r.randint(1, 2)), r.uniform(0.2, 0.9)

    def step(state: State, indices: tuple[Any, ...]) -> State:
        # An early exit: at most three times, and only as long as the scalar is small.
        _, s, a = jd.while_loop(
            lambda c: (c[0] < 3) & (c[1] < bound), lambda c: (c[0] + 1, *body(c[1:], (*indices, c[0]))), (0, *state)
        )
        return s, a

    return step
