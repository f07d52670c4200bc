"""Settings: from the environment once, changed by a call or for a block."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from jitdiff import config
from jitdiff.config import Settings, settings
from jitdiff.errors import ArgumentError


def in_process(**environment: str) -> list[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("JITDIFF_")}
    code = (
        "from jitdiff.config import settings as s; print(s().cache_dir, s().cache_bytes, s().dump, s().default_float)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**env, **environment}, capture_output=True, text=True, timeout=60
    )
    return done.stdout.split() if done.returncode == 0 else [done.stderr]


def test_environment(tmp_path):
    got = in_process(JITDIFF_CACHE_DIR=str(tmp_path), JITDIFF_CACHE_BYTES="1000", JITDIFF_DUMP="all")
    assert got == [str(tmp_path), "1000", "all", "float64"]


@pytest.mark.skipif(sys.platform != "linux", reason="folders of Linux")
def test_default_folder():
    assert in_process(XDG_CACHE_HOME="/somewhere")[0] == "/somewhere/jitdiff"
    assert in_process(HOME="/home/someone", XDG_CACHE_HOME="")[0] == "/home/someone/.cache/jitdiff"


def test_a_bad_environment_says_what_is_wrong():
    (message,) = in_process(JITDIFF_CACHE_BYTES="lots")
    assert "cache_bytes is a number of bytes, not 'lots'" in message


def test_a_call_changes_for_good_and_a_block_for_its_length():
    before = settings()
    try:
        config(dump="source")
        assert settings().dump == "source"
        with config(default_float="float32", cache_bytes=7) as inside:
            assert inside is settings()
            assert (inside.default_float, inside.cache_bytes, inside.dump) == (np.float32, 7, "source")
        assert settings() == Settings(before.default_float, before.cache_dir, before.cache_bytes, "source")
    finally:
        config(dump=before.dump)
    assert settings() == before


def test_a_block_ends_with_an_error_too():
    before = settings()
    with pytest.raises(KeyError), config(cache_bytes=1):
        raise KeyError
    assert settings() == before


def test_a_block_restores_only_what_it_changed():
    before = settings()
    with config(cache_bytes=1):
        config(dump="cse")
    assert (settings().cache_bytes, settings().dump) == (before.cache_bytes, "cse")
    config(dump=before.dump)


def test_threads_do_not_lose_changes():
    def change(name_and_value):
        for _ in range(200):
            with config(**dict([name_and_value])):
                pass

    before = settings()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, [("dump", "all"), ("cache_bytes", 5), ("default_float", "f4"), ("cache_dir", "/x")]))
    assert settings() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speed": 1}, "there is no setting 'speed'"),
        ({"default_float": "int64"}, "default_float is float32 or float64, not int64"),
        ({"cache_bytes": -1}, "cache_bytes is a number of bytes, not -1"),
    ],
)
def test_mistakes(changes, message):
    before = settings()
    with pytest.raises(ArgumentError, match=message):
        config(**changes)
    assert settings() == before


def test_paths_are_made_absolute():
    with config(cache_dir="~/somewhere"):
        assert settings().cache_dir == Path.home() / "somewhere"
