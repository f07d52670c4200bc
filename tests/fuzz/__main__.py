"""The command: see the package's documentation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.campaign import Report, Summary, campaign, judge
from tests.fuzz.generator import generate
from tests.fuzz.modes import CHEAP, MODES
from tests.fuzz.program import Program
from tests.fuzz.shrink import shrink


def main() -> int:
    """Run what the command line asks for; return how many programs failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="a program to run in place of generated ones")
    parser.add_argument("--seeds", default="0:100", help="first:last, or one seed")
    parser.add_argument("--modes", default="cheap", help=f"cheap, all, or some of {', '.join(MODES)}")
    parser.add_argument("--native-every", type=int, default=1, help="run native modes for one seed of so many")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--no-shrink", action="store_true", help="show failing programs as generated")
    parser.add_argument("--show", action="store_true", help="print the programs, and do not run them")
    options = parser.parse_args()
    modes = {"cheap": CHEAP, "all": tuple(MODES)}.get(options.modes) or tuple(options.modes.split(","))
    first, _, last = options.seeds.partition(":")
    seeds = range(int(first), int(last or int(first) + 1))
    if options.show:
        for seed in seeds:
            print(f"# seed {seed}\n{generate(seed).source}")
        return 0
    if options.file is not None:
        report = judge(Program(options.file.read_text(), options.file.stem), modes)
        for outcome in report.outcomes:
            print(f"{outcome.mode:<14} {outcome.kind}  {outcome.detail}")
        print("" if report.outcomes else "not smooth at these arguments")
        return len(report.failures)
    summary, failed = Summary(), 0
    for seed, report in campaign(seeds, modes, options.jobs, options.native_every):
        summary.add(seed, report)
        if report.failures:
            failed += 1
            _tell(seed, report, shrinking=not options.no_shrink)
    print(summary)
    return min(failed, 100)


def _tell(seed: int, report: Report, *, shrinking: bool) -> None:
    """Print the failures of a program, and the smallest program that fails as the first does."""
    print(f"--- seed {seed}: {', '.join(f'{o.mode}: {o.kind}' for o in report.failures)}")
    first = report.failures[0]
    program = shrink(report.program, first) if shrinking else report.program
    outcome = next(iter(judge(program, [first.mode]).outcomes), first)
    print(f"# {outcome.mode}: {outcome.kind}: {outcome.detail}")
    print(f"# python -m tests.fuzz --seeds {seed} --modes {first.mode}")
    print(program.source.strip(), "\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
