"""Times jitdiff beside JAX, torch, autograd and NumPy by hand; all results are checked first.

python tests/benchmarks/run.py [--quick] [--suites stencils] [--only logistic] [--contenders jitdiff,jax]\
                               [--json figures.json]
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks import first_call
from tests.benchmarks.case import Case, check
from tests.benchmarks.contenders import CONTENDERS, JAX, JITDIFF, Contender
from tests.benchmarks.report import Report, environment
from tests.benchmarks.suites import all_cases
from tests.benchmarks.timing import Timed, seconds_per_call


def main() -> None:
    options = parse()
    if options.first_call:
        print(json.dumps(first_call.here(*options.first_call)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JITDIFF_CACHE_DIR"] = folder
        report = measure(options)
    print(report.text())
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=2) + "\n")


def parse() -> argparse.Namespace:
    names = [c.name for c in CONTENDERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, first-call times of one case only")
    parser.add_argument("--no-first-call", action="store_true", help="leave out the times of import and compilation")
    parser.add_argument("--only", default="", metavar="WORDS", help="cases with these words in their name")
    parser.add_argument(
        "--suites", type=lambda s: s.split(","), metavar="A,B", help="some of the files in tests/benchmarks/suites"
    )
    parser.add_argument(
        "--contenders", type=lambda s: s.split(","), default=names, metavar="A,B", help=f"some of: {', '.join(names)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--first-call", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.contenders) - set(names):
        parser.error(f"no contender {sorted(unknown)}; there are: {', '.join(names)}")
    options.cases = [case for case in all_cases(options.suites) if options.only in case.name]
    if not options.cases:
        parser.error(f"no case has {options.only!r} in its name")
    return options


def measure(options: argparse.Namespace) -> Report:
    """Time every case with every contender asked for."""
    report = Report(environment(), rounds=3 if options.quick else 20)
    asked = [c for c in CONTENDERS if c.name in options.contenders]
    contenders = [c for c in asked if c.installed]
    report.left_out = [f"left out: {c.name} ({c.package} is not installed)" for c in asked if not c.installed]
    for case in options.cases:
        progress(case.name)
        report.seconds[case.name] = seconds_per_call(prepare(case, contenders), report.rounds)
    if options.no_first_call:
        return report
    for case in options.cases[:1] if options.quick else options.cases:
        progress(f"{case.name}, first call")
        compiling = [c for c in contenders if c in (JITDIFF, JAX) and c.call(case)]
        report.first_call[case.name] = {c.name: first_call.measure(c.name, case.name) for c in compiling}
    return report


def prepare(case: Case, contenders: list[Contender]) -> dict[str, Timed]:
    """Build the calls of a case and check what they return."""
    timed = {}
    for contender in contenders:
        contender.before()
        if call := contender.call(case):
            function, args = call
            check(case, contender.name, contender.after(function(*args)))
            timed[contender.name] = Timed(call, contender.before)
    return timed


def progress(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
