"""What is timed, a file a subject: each module here has `cases(rng)`, which yields `Case`s."""

import importlib
import pkgutil
from collections.abc import Iterator

import numpy as np

from tests.benchmarks.case import Case


def all_cases() -> Iterator[Case]:
    """Yield the cases of every module here, by name of module."""
    for info in pkgutil.iter_modules(__path__):
        yield from importlib.import_module(f"{__name__}.{info.name}").cases(np.random.default_rng(7))
