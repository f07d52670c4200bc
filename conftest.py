"""What every test and doctest runs under: a cache folder of its own, no display, fixed random draws.

It stands at the root so that `pytest jitdiff/ops` meets it too. The environment is set while this file loads, before
jitdiff reads it, and test processes (xdist workers, subprocesses of tests) inherit it. The cache folder is removed at
the end, unless JITDIFF_TEST_CACHE names one to keep: its keys hold all that machine code depends on.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ

if not IS_WORKER:
    # Workers share the folder, so that nothing is compiled twice.
    os.environ["JITDIFF_CACHE_DIR"] = os.environ.get("JITDIFF_TEST_CACHE") or tempfile.mkdtemp(prefix="jitdiff-tests-")
    os.environ["MPLBACKEND"] = "Agg"
    # Processes that tests start import the same tree as the tests do.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    # Doctests are collected from the package as imported: executing its modules again would enter their ops twice.
    import jitdiff.ops  # noqa: F401


def pytest_unconfigure(config: pytest.Config) -> None:
    if not IS_WORKER and "JITDIFF_TEST_CACHE" not in os.environ:
        shutil.rmtree(os.environ["JITDIFF_CACHE_DIR"], ignore_errors=True)
