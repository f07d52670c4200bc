"""The folder of compiled functions: found again, shared, trusted only where it can be, bounded."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from jitdiff import config
from jitdiff.errors import CacheError
from jitdiff.native import cache
from jitdiff.native.kernel import Kernel, build
from tests.native.modules import module

X = np.arange(3.0)
PROGRAM = """
    import json
    import numba.core.event
    import numpy as np
    from jitdiff.native import cache
    from tests.native.modules import native

    # Numba reports each function that it compiles.
    with numba.core.event.install_recorder("numba:compile") as recorder:
        kernel = native("return exp(a[0]) + {}", np.arange(3.0))
        value = kernel.call(np.arange(3.0))
    info = cache.info()
    print(json.dumps([value, len(recorder.buffer), kernel.cache_hit, info.hits, info.misses, info.entries]))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path):
    """A cache of its own for each test, its counts at zero."""
    with config(cache_dir=tmp_path / "cache"):
        cache.clear()
        yield tmp_path / "cache"


def made(number: float = 0.5) -> Kernel:
    kernel = build(module(f"return a[0] + {number}", [X]))
    assert kernel.call(X) == number
    return kernel


def start(folder: Path, number: float = 0.5, **environment: str) -> subprocess.Popen[str]:
    env = {**os.environ, "JITDIFF_CACHE_DIR": str(folder), **environment}
    code = textwrap.dedent(PROGRAM.format(number))
    return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> list[float]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out)


def test_a_second_process_compiles_nothing(folder):
    value, compiled, hit, hits, misses, entries = result(start(folder))
    assert value == 1.5
    assert compiled > 0
    assert (hit, hits, misses, entries) == (False, 0, 1, 1)
    assert result(start(folder)) == [1.5, 0, True, 1, 0, 1]


def test_processes_at_once_compile_one_thing_once(folder):
    results = [result(process) for process in [start(folder) for _ in range(3)]]
    assert [value for value, *_ in results] == [1.5] * 3
    assert sorted(hit for _, _, hit, *_ in results) == [False, True, True]
    assert [compiled > 0 for _, compiled, *_ in results] == [not hit for _, _, hit, *_ in results]


def test_numbas_own_cache_folder_is_not_used(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    result(start(folder, NUMBA_CACHE_DIR=str(elsewhere)))
    assert not elsewhere.exists()
    assert result(start(folder, NUMBA_CACHE_DIR=str(elsewhere)))[2] is True


def test_another_processor_is_another_entry(folder):
    result(start(folder))
    generic = result(start(folder, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=""))
    assert generic[0] == 1.5
    assert generic[2] is False
    assert generic[-1] == 2


def test_counts(folder):
    assert cache.info() == cache.CacheInfo(0, 0, 0, 0, folder)
    made()
    made()
    made(0.25)
    info = cache.info()
    assert (info.hits, info.misses, info.entries) == (1, 2, 2)
    assert info.bytes == sum(path.lstat().st_size for entry in folder.iterdir() for path in entry.rglob("*"))
    cache.clear()
    assert cache.info() == cache.CacheInfo(0, 0, 0, 0, folder)


def test_clear_leaves_other_files_alone(folder):
    made()
    (folder / "mine.txt").write_text("mine")
    (folder / "mine").mkdir()
    cache.clear()
    assert sorted(path.name for path in folder.iterdir()) == ["mine", "mine.txt"]


def test_a_loaded_function_outlives_its_entry():
    kernel = made()
    cache.clear()
    assert kernel.call(X) == 0.5


def test_cache_false_touches_no_disk(folder):
    kernel = build(module("return a[0] + 0.75", [X]), cache=False)
    assert kernel.call(X) == 0.75
    assert not kernel.cache_hit
    assert not folder.exists()


def test_the_text_is_a_file_of_the_entry(folder):
    kernel = made()
    path = Path(kernel.path)
    assert path.read_text() == kernel.emitted.source
    assert path.parent.parent == folder
    assert path.stem == path.parent.name


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_everything_belongs_to_the_user_alone(folder):
    before = os.umask(0)
    try:
        made()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.rglob("*"):
        assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert made().cache_hit


@pytest.mark.parametrize("kind", ["cut", "changed", "empty", "missing"])
@pytest.mark.parametrize("pattern", ["*.py", "__pycache__/*.nbi", "__pycache__/*.nbc", "seal.json"])
def test_a_damaged_entry_is_built_anew(folder, kind, pattern, caplog):
    made()
    (entry,) = folder.iterdir()
    (victim,) = entry.glob(pattern)
    data = victim.read_bytes()
    victim.unlink()
    if kind != "missing":
        middle = len(data) // 2
        changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        victim.write_bytes({"cut": data[:middle], "changed": changed, "empty": b""}[kind])
        victim.chmod(0o600)
    assert not made().cache_hit
    # Without a seal the entry is unfinished, as after a crash, which is no reason to warn.
    assert ("is damaged" in caplog.text) == (victim.name != "seal.json" or kind != "missing")
    assert made().cache_hit


def test_an_added_file_is_not_run(folder):
    made()
    (entry,) = folder.iterdir()
    (entry / "__pycache__" / "more.nbc").write_bytes(b"")
    assert not made().cache_hit


def test_an_unfinished_entry_is_built_anew(folder):
    made()
    (entry,) = folder.iterdir()
    (entry / "seal.json").unlink()
    (entry / "left-over.tmp").write_bytes(b"x")
    assert not made().cache_hit
    assert not (entry / "left-over.tmp").exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("pattern", [".", "*", "*/*.py", "*/__pycache__", "*/__pycache__/*.nbc"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_could_have_written_is_refused(folder, pattern, mode):
    made()
    victim = folder if pattern == "." else next(folder.glob(pattern))
    victim.chmod(victim.stat().st_mode | mode)
    with pytest.raises(CacheError, match="can be written by others") as caught:
        made()
    assert f"chmod -R go-w {victim}" in str(caught.value)
    victim.chmod(victim.stat().st_mode & ~mode)
    assert made().cache_hit


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("pattern", [".", "*", "*/*.py"])
def test_what_belongs_to_others_is_refused(folder, pattern):
    made()
    victim = folder if pattern == "." else next(folder.glob(pattern))
    os.chown(victim, 12345, -1)
    with pytest.raises(CacheError, match="belongs to the user with id 12345"):
        made()


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_a_link_to_a_file_elsewhere_is_refused(folder, tmp_path):
    made()
    victim = next(folder.glob("*/__pycache__/*.nbc"))
    target = tmp_path / "target"
    victim.rename(target)
    victim.symlink_to(target)
    with pytest.raises(CacheError):
        made()


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with config(cache_dir=tmp_path / "file" / "cache"), pytest.raises(CacheError, match="cannot be made") as caught:
        made()
    assert "JITDIFF_CACHE_DIR" in str(caught.value)


def test_the_longest_unused_entries_go_first(folder):
    paths = {number: Path(made(number).path).parent for number in (0.5, 1.5, 2.5)}
    size = cache.info().bytes // 3
    for age, number in enumerate((0.5, 1.5, 2.5)):
        long_ago = time.time() - 1000 + age
        os.utime(paths[number] / "seal.json", (long_ago, long_ago))
    assert made(0.5).cache_hit  # used, so the next one is the oldest now
    with config(cache_bytes=3 * size + size // 2):
        made(3.5)
    assert [number for number, path in paths.items() if path.exists()] == [0.5, 2.5]
    with config(cache_bytes=0):
        newest = made(4.5)
    assert [path.name for path in folder.iterdir()] == [Path(newest.path).parent.name]
