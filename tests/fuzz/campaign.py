"""Many programs, in several processes, and what came of them."""

from __future__ import annotations

import contextlib
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.fuzz.generator import generate
from tests.fuzz.modes import NATIVE, Truth, run
from tests.fuzz.oracle import NotSmooth
from tests.fuzz.outcome import Outcome
from tests.fuzz.program import Program

SECONDS = 60
"""What one mode of one program may take."""


@dataclass(frozen=True)
class Report:
    """What came of one program; no outcomes if its derivatives cannot be had by differences."""

    program: Program
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes that should not be, and refusals of some modes where others answer."""
        return [o for o in self.outcomes if o.is_failure]

    @property
    def disagrees(self) -> bool:
        """Whether some modes refuse what others answer."""
        kinds = {o.kind for o in self.outcomes}
        return {"ok", "refusal"} <= kinds


def truths_of(program: Program) -> list[Truth]:
    """Return what NumPy says of a program at each size."""
    return [Truth(program, point) for point in program.sizes]


def judge(program: Program, modes: Iterable[str]) -> Report:
    """Run a program in some modes."""
    try:
        truths = truths_of(program)
    except NotSmooth:
        return Report(program)
    return Report(program, [within(SECONDS, partial(run, program, truths, name), name) for name in modes])


def judge_seed(seed: int, modes: Sequence[str], native_every: int) -> tuple[int, Report]:
    """Generate the program of a seed and run it; the native modes for one seed of so many."""
    chosen = [m for m in modes if m not in NATIVE or seed % native_every == 0]
    report = judge(generate(seed), chosen)
    return seed, report


def within(seconds: int, call: partial[Outcome], name: str) -> Outcome:
    """Return an outcome, or that it takes too long."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        return call()
    except TimeoutError as error:
        return Outcome(name, "foreign error", f"TimeoutError: {error}")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def campaign(
    seeds: Sequence[int], modes: Sequence[str], jobs: int = 1, native_every: int = 1
) -> Iterator[tuple[int, Report]]:
    """Yield the report of each seed, in order."""
    one = partial(judge_seed, modes=tuple(modes), native_every=native_every)
    if jobs == 1:
        yield from map(one, seeds)
        return
    # Processes are replaced now and then, since a compiler's memory grows.
    with contextlib.closing(_pool(jobs)) as pool:
        yield from pool.executor.map(one, seeds, chunksize=4)


@dataclass
class _pool:
    jobs: int

    def __post_init__(self) -> None:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        self.executor = ProcessPoolExecutor(self.jobs, mp_context=context, max_tasks_per_child=400)

    def close(self) -> None:
        self.executor.shutdown(cancel_futures=True)


class Summary:
    """Counts of outcomes."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.programs = self.not_smooth = self.disagreements = 0
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.refusals: dict[str, list[int]] = defaultdict(list)

    def add(self, seed: int, report: Report) -> None:
        self.programs += 1
        self.not_smooth += not report.outcomes
        self.disagreements += report.disagrees
        for outcome in report.outcomes:
            self.counts[outcome.mode][outcome.kind] += 1
            if outcome.kind in {"refusal", "warned"}:
                self.refusals[f"{outcome.kind}: {outcome.message}"].append(seed)

    def __str__(self) -> str:
        kinds = ["ok", "refusal", "warned", "wrong number", "silent loss", "foreign error"]
        rows = [f"{'mode':<14}" + "".join(f"{kind:>15}" for kind in kinds)]
        for name, counts in self.counts.items():
            rows.append(f"{name:<14}" + "".join(f"{counts[kind]:>15}" for kind in kinds))
        minutes = max(time.monotonic() - self.start, 1e-9) / 60
        rows.append(
            f"\n{self.programs} programs, {self.not_smooth} not smooth there, {self.disagreements} refused by some "
            f"modes only; {self.programs / minutes:.0f} a minute"
        )
        common = sorted(self.refusals.items(), key=lambda item: -len(item[1]))
        rows += [f"{len(seeds):>6}  {text}  (seed {seeds[0]})" for text, seeds in common[:40]]
        return "\n".join(rows)
