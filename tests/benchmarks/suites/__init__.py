"""What is timed, a file a subject: each module here has `cases(rng)`, which yields `Case`s."""

import importlib
import pkgutil
from collections.abc import Collection, Iterator

import numpy as np

from tests.benchmarks.case import Case


def all_cases(suites: Collection[str] | None = None) -> Iterator[Case]:
    """Yield the cases of every module here, or of those named, by name of module."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    if unknown := set(suites or ()) - set(names):
        raise SystemExit(f"no suite {sorted(unknown)}; there are: {', '.join(names)}")
    for name in names:
        if suites is None or name in suites:
            yield from importlib.import_module(f"{__name__}.{name}").cases(np.random.default_rng(7))
