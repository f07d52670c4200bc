"""Timing calls side by side: rounds interleave the contenders, so that a slow moment of the machine meets them all."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.benchmarks.contenders import Call

BATCH_SECONDS = 0.002
BATCHES = 7


@dataclass(frozen=True)
class Timed:
    """A call to time, and what to do before each of its rounds."""

    call: Call
    before: Callable[[], None]


def seconds_per_call(contenders: Mapping[str, Timed], rounds: int) -> dict[str, float]:
    """Return for each contender the best of its rounds, a round being the median of several batches of calls."""
    names = list(contenders)
    calls = {name: _calls_per_batch(contenders[name]) for name in names}
    medians: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.disable()
    try:
        for i in range(rounds):
            start = i % len(names)
            for name in names[start:] + names[:start]:
                timed = contenders[name]
                timed.before()
                # Uncounted: threads of the contender before still spin, and this one's data has left the cache.
                _batch(timed.call, calls[name])
                medians[name].append(statistics.median(_batch(timed.call, calls[name]) for _ in range(BATCHES)))
            gc.collect()
    finally:
        gc.enable()
    return {name: min(times) for name, times in medians.items()}


def _calls_per_batch(timed: Timed) -> int:
    timed.before()
    count = 1
    while (elapsed := _batch(timed.call, count) * count) < BATCH_SECONDS:
        count = max(2 * count, int(count * BATCH_SECONDS / max(elapsed, 1e-9)) // 2)
    return count


def _batch(call: Call, count: int) -> float:
    function, args = call
    start = time.perf_counter()
    for _ in range(count):
        function(*args)
    return (time.perf_counter() - start) / count
