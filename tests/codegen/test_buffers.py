"""Where buffers lie in the workspace."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jitdiff.codegen.buffers import _pack


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]


@pytest.mark.parametrize("seed", range(20))
def test_buffers_alive_together_share_no_bytes_and_lie_as_low_as_they_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [int(64 * n) for n in rng.integers(0, 5, 25)]
    starts = rng.integers(0, 40, 25)
    spans = [(int(a), int(a + n)) for a, n in zip(starts, rng.integers(0, 12, 25), strict=True)]
    offsets, total = _pack(sizes, spans)
    bytes_of = [(offset, offset + size - 1) for offset, size in zip(offsets, sizes, strict=True)]
    for (a, b), (x, y) in zip(itertools.combinations(spans, 2), itertools.combinations(bytes_of, 2), strict=True):
        assert not (overlap(a, b) and overlap(x, y))
    assert total == max(offset + size for offset, size in zip(offsets, sizes, strict=True))
    placed: list[int] = []
    for k in sorted(range(25), key=lambda k: (-sizes[k], spans[k], k)):
        others = [bytes_of[n] for n in placed if overlap(spans[n], spans[k])]
        lower = [end + 1 for _, end in others if end < offsets[k]] + [0]
        fits = [at for at in lower if not any(overlap((at, at + sizes[k] - 1), other) for other in others)]
        assert offsets[k] == min(fits)
        placed.append(k)


def test_no_buffers_take_no_bytes() -> None:
    assert _pack([], []) == ([], 0)
