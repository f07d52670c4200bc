"""The figures as tables for people, and as JSON."""

import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Aim:
    """How many times as long as jitdiff another contender should take, in the cases with certain words in their name.

    The least of the cases is compared, or their geometric mean.
    """

    words: tuple[str, ...]
    contender: str
    least: float
    mean: bool = False

    def verdict(self, ratios: Mapping[str, Mapping[str, float]]) -> str | None:
        found = {
            case: row[self.contender]
            for case, row in ratios.items()
            if self.contender in row and any(words in case for words in self.words)
        }
        if not found:
            return None
        worst = min(found, key=found.__getitem__)
        got = statistics.geometric_mean(found.values()) if self.mean else found[worst]
        cases = " and ".join(words.strip(":") or "every case" for words in self.words)
        return (
            f"aim: {cases}: {self.contender} takes at least {self.least:.3g} times as long"
            f"{' in geometric mean' if self.mean else ''}: {'met' if got >= self.least else 'MISSED'} "
            f"({got:.2f}{'' if self.mean else f', {worst}'})"
        )


KERNELS = ("stencil:", "factorisation:")
AIMS = (
    Aim(("logistic 100x10",), "jax", 8.0),
    Aim(("",), "jax", 1.0),
    Aim(("Lotka-Volterra",), "jax", 50.0),
    Aim(("Lotka-Volterra",), "numba by hand", 1 / 1.5),
    Aim(KERNELS, "jax", 10.0, mean=True),
    Aim(("",), "jitdiff value", 1 / 5),
)
COMPILE_SECONDS = 5.0
VALUES = {"jitdiff value": "by jitdiff", "numba value": "by Numba"}


@dataclass
class Report:
    """All that a run found out."""

    environment: dict[str, str]
    rounds: int
    left_out: list[str] = field(default_factory=list)
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    """Seconds a call, by case and contender."""
    first_call: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Seconds of import, cold and warm first call, by case and contender."""

    @property
    def ratios(self) -> dict[str, dict[str, float]]:
        """How many times longer each peer takes than jitdiff, by case and peer."""
        return {
            case: {name: took / times["jitdiff"] for name, took in times.items() if name != "jitdiff"}
            for case, times in self.seconds.items()
            if "jitdiff" in times
        }

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"ratios": self.ratios}

    def text(self) -> str:
        parts = [*(f"{name}: {value}" for name, value in self.environment.items()), *self.left_out]
        micro = {case: {n: f"{1e6 * s:,.1f}" for n, s in times.items()} for case, times in self.seconds.items()}
        parts.append(_table(f"microseconds a call (best of {self.rounds} rounds' medians)", micro))
        if self.ratios:
            ratio = {case: {n: f"{r:.2f}" for n, r in row.items()} for case, row in self.ratios.items()}
            parts.append(_table("times as long as jitdiff", ratio))
        if values := {case: row for case, row in self.ratios.items() if row.keys() & VALUES.keys()}:
            rows = {
                case: {title: f"{1 / row[name]:.2f}" for name, title in VALUES.items() if name in row}
                for case, row in values.items()
            }
            parts.append(_table("value and gradient by jitdiff: times as long as the value alone", rows))
        if self.first_call:
            rows = {
                case: {f"{n} {what}": f"{s:.2f}" for n, row in by.items() for what, s in row.items()}
                for case, by in self.first_call.items()
            }
            parts.append(_table("seconds in a new process: import, first call with a cold and a warm cache", rows))
        return "\n".join([*parts, *self._verdicts()])

    def _verdicts(self) -> Iterable[str]:
        yield from filter(None, (aim.verdict(self.ratios) for aim in AIMS))
        cold = {case: by["jitdiff"]["cold"] for case, by in self.first_call.items() if "jitdiff" in by}
        if cold:
            worst = max(cold, key=cold.__getitem__)
            verdict = "met" if cold[worst] < COMPILE_SECONDS else "MISSED"
            yield (
                f"aim: the first call with a cold cache takes less than {COMPILE_SECONDS:g} s: "
                f"{verdict} ({cold[worst]:.2f} s, {worst})"
            )


def _table(title: str, rows: Mapping[str, Mapping[str, str]]) -> str:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    cells = [["", *columns], *([case, *(row.get(c, "-") for c in columns)] for case, row in rows.items())]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(["", title, *(_line(row, widths) for row in cells), ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    head, *rest = zip(cells, widths, strict=True)
    return "  ".join([head[0].ljust(head[1]), *(cell.rjust(width) for cell, width in rest)])


def environment() -> dict[str, str]:
    """Describe the machine and the versions that the figures belong to."""
    versions = [f"{name} {v}" for name in PACKAGES if (v := _version(name))]
    threads = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    return {
        "cpu": f"{_cpu()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
        "system": f"{platform.platform()}, Python {platform.python_version()}",
        "versions": ", ".join(versions),
        "commit": _commit(),
        "threads": ", ".join(f"{n}={v}" for n, v in threads.items()) or "each library's default",
    }


PACKAGES = ("jitdiff", "numpy", "numba", "llvmlite", "scipy", "jax", "torch", "autograd")
THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
