"""What a first call costs in a new process: with nothing on disk (cold), and again (warm)."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.suites import all_cases

RUN = Path(__file__).with_name("run.py")


def measure(contender: str, case: str) -> dict[str, float]:
    """Return the seconds that import, the cold and the warm first call take, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (_in_new_process(contender, case, folder) for _ in range(2))
    return {"import": warm["import"], "cold": cold["first call"], "warm": warm["first call"]}


def _in_new_process(contender: str, case: str, folder: str) -> dict[str, float]:
    caches = {
        "JITDIFF_CACHE_DIR": folder,
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    done = subprocess.run(
        [sys.executable, str(RUN), "--first-call", contender, case],
        env=os.environ | caches,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def here(contender_name: str, case_name: str) -> dict[str, float]:
    """Return the seconds that the import and the first call take in this process."""
    contender = next(c for c in CONTENDERS if c.name == contender_name)
    case = next(c for c in all_cases() if c.name == case_name)
    began = time.perf_counter()
    __import__(contender.package)
    imported = time.perf_counter()
    call = contender.call(case)
    assert call is not None
    function, args = call
    function(*args)
    return {"import": imported - began, "first call": time.perf_counter() - imported}
