"""Arguments of programs, as text, each at two sizes."""

from __future__ import annotations

import random
from dataclasses import dataclass

Sizes = dict[str, int]
Shape = tuple[str | int, ...]

LENGTHS = [(3, 5), (3, 5), (3, 4), (4, 2), (2, 6), (5, 3), (1, 3), (2, 1), (3, 0), (0, 2)]
SHAPES: list[Shape] = [("n",), ("n", 2), (3,), ("n", "n"), (2, "n"), (), (2, 2), (1,), (2, 3, "n")]
NAMES = ["x", "y", "z", "b"]
OTHERS = {"int": "k", "index": "ix", "mask": "mask", "text": "how", "flag": "on", "counts": "counts", "weights": "wt"}


@dataclass(frozen=True)
class Argument:
    """A parameter of the function, and the text of its value at each size."""

    name: str
    texts: tuple[str, str]


def draw(rng: random.Random) -> list[Argument]:
    """Return one to three floating arguments, then perhaps others."""
    lengths = rng.choices(LENGTHS, [8, 8, 4, 4, 3, 2, 1.5, 1.5, 0.7, 0.7])[0]
    dtype = "float32" if rng.random() < 0.12 else "float64"
    sizes = [{"n": n} for n in lengths]
    low = rng.choice([-1.2, -1.2, 0.2])
    shapes: list[Shape] = [
        rng.choices(SHAPES, [9, 3, 2, 2, 2, 2, 1, 0.5, 0.7])[0] for _ in range(rng.choice([1, 1, 1, 2, 2, 3]))
    ]
    if not any(shapes):
        shapes[0] = ("n",)
    found = []
    for name, shape in zip(NAMES, shapes, strict=False):
        kind = rng.random()
        texts = [_floats(random.Random(rng.random()), shape, s, low, dtype, kind) for s in sizes]
        if rng.random() < 0.06:
            other = _floats(rng, (), {}, -1.0, dtype, 0.0)
            texts = [f'{{"w": {text}, "b": {other}}}' for text in texts]
        elif rng.random() < 0.04:
            texts = [f"[{text}, {_floats(rng, (), {}, -1.0, dtype, 0.0)}]" for text in texts]
        found.append(Argument(name, (texts[0], texts[1])))
    if rng.random() < 0.4:
        found.append(_other(rng, sizes))
    return found


def _floats(rng: random.Random, shape: Shape, sizes: Sizes, low: float, dtype: str, kind: float) -> str:
    numbers = [sizes[d] if isinstance(d, str) else d for d in shape]
    single = ", np.float32" if dtype == "float32" else ""
    if not numbers:
        number = f"{rng.uniform(low, 1.3):.2f}"
        if single:
            return f"np.float32({number})"
        return number if kind < 0.5 else f"np.float64({number})" if kind < 0.75 else f"np.array({number})"
    if kind < 0.12:
        # Every second one of a longer array.
        text = _literal(rng, [2 * numbers[0], *numbers[1:]], low)
        return f"{_array(text, [2 * numbers[0], *numbers[1:]], single)}[::2]"
    if kind < 0.2:
        return f"{_array(_literal(rng, numbers, low), numbers, single)}[::-1]"
    if kind < 0.3 and len(numbers) > 1:
        back = numbers[::-1]
        return f"{_array(_literal(rng, back, low), back, single)}.T"
    return _array(_literal(rng, numbers, low), numbers, single)


def _array(literal: str, numbers: list[int], single: str) -> str:
    return f"np.zeros({tuple(numbers)}{single})" if 0 in numbers else f"np.array({literal}{single})"


def _literal(rng: random.Random, numbers: list[int], low: float) -> str:
    if not numbers:
        return f"{rng.uniform(low, 1.3):.2f}"
    return f"[{', '.join(_literal(rng, numbers[1:], low) for _ in range(numbers[0]))}]"


def _other(rng: random.Random, sizes: list[Sizes]) -> Argument:
    kind = rng.choice(["int", *OTHERS])
    name = OTHERS[kind]
    drawn = rng.random()

    def text(n: int) -> str:
        if kind == "int":
            return str(2 + int(drawn * 2))
        if kind == "text":
            return '"sum"'
        if kind == "flag":
            return str(drawn < 0.5)
        if kind == "index":
            return f"np.array({[rng.randrange(max(n, 1)) for _ in range(3)]})"
        if kind == "mask":
            return f"np.array({[rng.random() < 0.5 for _ in range(n)]}, bool)"
        if kind == "counts":
            dtype = "np.int32" if drawn < 0.4 else "np.int64"
            return f"np.array({[rng.randrange(1, 5) for _ in range(n)]}, {dtype})"
        return f"np.array({[round(rng.uniform(0.2, 1.0), 2) for _ in range(n)]})"

    texts = [text(s["n"]) for s in sizes]
    return Argument(name, (texts[0], texts[1]))
