"""The cache on disks that are full or cannot be written to, with entries that are not what they were, and killed
processes: what is compiled works, and nothing waits for ever."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from jitdiff import config
from jitdiff.errors import CacheError, CacheWarning
from jitdiff.native import cache, compiler, entry
from jitdiff.native.kernel import build
from tests.native.modules import module

X = np.arange(3.0)
ROOT = os.geteuid() == 0
PROGRAM = """
    import json, os, resource, signal, sys, warnings
    from pathlib import Path
    import numpy as np
    from jitdiff import config
    from jitdiff.native import cache, entry
    from tests.native.modules import native

    def run(number):
        kernel = native(f"return exp(a[0]) + {number}", np.arange(3.0))
        assert kernel.call(np.arange(3.0)) == 1 + number
        return kernel.cache_hit

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        BODY
    print(json.dumps([hits, [f"{w.category.__name__}: {w.message}" for w in caught]]))
"""


@pytest.fixture
def folder(tmp_path):
    """A cache of its own for each test."""
    with config(cache_dir=tmp_path / "cache"):
        cache.clear()
        yield tmp_path / "cache"


@pytest.fixture
def soon():
    """Ends a test that waits for ever."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(200)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def start(folder: Path, body: str, *, bound: bool = False) -> subprocess.Popen[str]:
    """Start a process that runs `body`, bound by permissions, as the superuser is not, if that is asked for."""
    code = textwrap.dedent(PROGRAM).replace("BODY", textwrap.indent(textwrap.dedent(body), "    ").strip())
    env = {**os.environ, "JITDIFF_CACHE_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if bound and ROOT else []
    return subprocess.Popen([*command, sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> tuple[list[bool], list[str]]:
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    hits, messages = json.loads(out)
    return hits, messages


def made() -> bool:
    """Compile or load the function of the tests; say whether it was loaded."""
    kernel = build(module("return a[0] + 0.5", [X]))
    assert kernel.call(X) == 0.5
    return kernel.cache_hit


def names(folder: Path) -> list[str]:
    return sorted(path.name.rpartition("_")[0] + path.suffix for path in folder.iterdir())


def test_a_warm_cache_that_cannot_be_written_to_is_loaded_from(tmp_path):
    folder = tmp_path / "cache"
    assert result(start(folder, "hits = [run(1), run(2)]")) == ([False, False], [])
    subprocess.run(["chmod", "-R", "a+rX,a-w", folder], check=True)
    hits, messages = result(start(folder, "hits = [run(1), run(2), run(1)]", bound=True))
    assert (hits, messages) == ([True, True, True], [])
    # What is not there is compiled.
    hits, (message,) = result(start(folder, "hits = [run(2), run(3), run(4)]", bound=True))
    assert hits == [True, False, False]
    assert message.startswith(f"CacheWarning: the cache folder {folder}: what is compiled is kept in memory only")
    assert "Permission denied" in message
    assert "JITDIFF_CACHE_DIR" in message
    assert len(names(folder)) == 2


def test_a_warm_cache_is_loaded_from_where_nothing_can_be_written_to(tmp_path):
    folder = tmp_path / "cache"
    assert result(start(folder, "hits = [run(1)]")) == ([False], [])
    body = "import tempfile; tempfile.tempdir = '/dev/null/nowhere'; hits = [run(1)]"
    assert result(start(folder, body)) == ([True], [])
    hits, (message,) = result(start(folder, body.replace("run(1)", "run(2), run(3)")))
    assert hits == [False, False]
    assert "no room for temporary files" in message


def test_a_cache_that_cannot_be_made_is_gone_without(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    hits, (message,) = result(start(tmp_path / "closed" / "cache", "hits = [run(1), run(2)]", bound=True))
    assert hits == [False, False]
    assert message.startswith("CacheWarning")


def test_a_folder_that_cannot_be_entered_is_gone_without(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o000)
    body = "hits = [run(1), run(2)]; assert cache.info().entries == 0"
    hits, (message,) = result(start(tmp_path / "cache", body, bound=True))
    assert hits == [False, False]
    assert message.startswith("CacheWarning")


@pytest.mark.parametrize("size", [0, 500, 5000])
def test_files_that_cannot_grow(tmp_path, size):
    """As on a full disk: writes fail after some bytes, in the cache and for temporary files."""
    body = f"""
    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
    hits = [run(1), run(2)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert list(Path(os.environ["JITDIFF_CACHE_DIR"]).glob("*")) == []
    hits += [run(3)]
    """
    hits, (message,) = result(start(tmp_path / "cache", body))
    assert hits == [False, False, False]
    assert message.startswith("CacheWarning")
    assert len(names(tmp_path / "cache")) == 1


@pytest.mark.skipif(not ROOT or sys.platform != "linux", reason="only root can mount a small disk")
def test_a_full_disk(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "none", folder], check=True)
    try:
        hits, (message,) = result(start(folder, "hits = [run(1), run(2)]"))
        assert hits == [False, False]
        assert "No space left on device" in message
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", folder], check=True)


def directory(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("")


def unreadable(path: Path) -> None:
    path.write_bytes(b"x")
    path.chmod(0o000)


KINDS = {
    "directory": directory,
    "pipe": os.mkfifo,
    "link to nothing": lambda path: path.symlink_to(path.parent / "nothing"),
    "link to a file": lambda path: path.symlink_to(__file__),
    "link to a folder": lambda path: path.symlink_to(Path(__file__).parent),
    "link to itself": lambda path: path.symlink_to(path),
    "file": lambda path: path.write_bytes(b"x"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "list": lambda path: path.write_bytes(b"[1]"),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "unreadable": unreadable,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pattern", ["*", "*/seal.json", "*/*.py", "*/__pycache__", "*/*/*.nbi", "*/*/*.nbc"])
def test_what_is_in_the_place_of_a_file_is_refused_or_replaced(folder, soon, pattern, kind):
    made()
    (victim,) = folder.glob(pattern)
    if victim.is_dir():
        shutil.rmtree(victim)
    else:
        victim.unlink()
    KINDS[kind](victim)
    if victim.is_symlink():
        with pytest.raises(CacheError, match="is a link"):
            made()
        victim.unlink()
    assert not made()
    assert made()
    assert len(names(folder)) == 1


@pytest.mark.parametrize("kind", ["file", "pipe", "link to nothing", "link to a file", "link to itself"])
def test_a_cache_that_is_no_folder_is_refused(folder, soon, kind):
    KINDS[kind](folder)
    with pytest.raises(CacheError, match=r"cannot be made|is a link"):
        made()
    assert cache.info().entries == 0


def test_the_superuser_may_have_filled_the_cache(folder, monkeypatch):
    made()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if ROOT:
        assert made()
    else:
        with pytest.raises(CacheError, match="belongs to the user with id"):
            made()


def test_a_link_to_the_cache_is_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with config(cache_dir=tmp_path / "cache"):
        assert not made()
        assert made()
    assert len(names(tmp_path / "elsewhere")) == 1


@pytest.mark.parametrize("pattern", ["*", "*/__pycache__", "*/*.py", "*/seal.json"])
def test_what_cannot_be_read_is_replaced(tmp_path, pattern):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    body = """
    hits = [run(1)]
    (victim,) = Path(os.environ["JITDIFF_CACHE_DIR"]).glob(PATTERN)
    victim.chmod(0o000)
    hits += [run(1), run(1)]
    assert len(os.listdir(os.environ["JITDIFF_CACHE_DIR"])) == 1
    """
    hits, messages = result(start(folder, body.replace("PATTERN", repr(pattern)), bound=True))
    assert (hits, messages) == ([False, False, True], [])


@pytest.mark.parametrize("count", range(1, 6))
def test_a_process_killed_while_it_writes_leaves_no_entry(tmp_path, count):
    """Of the files it writes, it gets to the one of a number; to the last means before the entry is put in place."""
    folder = tmp_path / "cache"
    body = f"""
    left = {count}
    def killed(path, data, write=entry.write_private):
        global left
        left -= 1
        path.write_bytes(data[: len(data) // 2])
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        path.unlink()
        write(path, data)
    entry.write_private = killed
    if {count} == 5:
        Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    hits = [run(1)]
    """
    process = start(folder, body)
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    assert {path.suffix for path in folder.iterdir()} == {".partial", ".lock"}
    assert result(start(folder, "hits = [run(1)]")) == ([False], [])
    assert result(start(folder, "hits = [run(1)]")) == ([True], [])
    # What it left goes once nobody can be at work on it.
    for path in folder.iterdir():
        os.utime(path, (time.time() - 7200,) * 2)
    assert result(start(folder, "hits = [run(2)]")) == ([False], [])
    assert {path.suffix for path in folder.iterdir()} == {""}


@pytest.mark.parametrize("error", ["OSError(errno.ENOLCK, 'No locks available')", "NotImplementedError('no flock')"])
def test_where_locks_do_not_work_processes_compile_the_same(tmp_path, error):
    body = f"""
    import errno, filelock
    def acquire(*_):
        raise {error}
    filelock.FileLock.acquire = acquire
    hits = [run(1), run(2)]
    """
    results = [result(process) for process in [start(tmp_path / "cache", body) for _ in range(3)]]
    for _, (message,) in results:
        assert message.startswith("CacheWarning")
        assert "cannot be locked" in message
    assert len(names(tmp_path / "cache")) == 2
    assert result(start(tmp_path / "cache", "hits = [run(1), run(2)]")) == ([True, True], [])


def test_a_process_that_was_stopped_is_not_waited_for_ever(tmp_path):
    folder = tmp_path / "cache"
    stopped = start(
        folder,
        """
        def stop(*_):
            os.kill(os.getpid(), signal.SIGSTOP)
        entry.Entry.write, write = stop, entry.Entry.write
        hits = [run(1)]
        """,
    )
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED)
    try:
        assert result(start(folder, "entry.PATIENCE = 0.5; hits = [run(1)]")) == ([False], [])
        assert result(start(folder, "hits = [run(1)]")) == ([True], [])
    finally:
        stopped.send_signal(signal.SIGCONT)
        assert result(stopped) == ([False], [])


def test_an_entry_removed_while_it_is_loaded_is_loaded(folder, monkeypatch):
    made()
    compile_text = compiler.compile_text

    def removing(*args, **kwargs):
        cache.clear()
        return compile_text(*args, **kwargs)

    monkeypatch.setattr(compiler, "compile_text", removing)
    assert made()
    assert names(folder) == []


def test_processes_load_and_compile_while_another_removes(tmp_path):
    folder = tmp_path / "cache"
    load = "hits = [run(k % 2) for k in range(12)]"
    remove = """
    import time
    for _ in range(100):
        cache.clear()
        time.sleep(0.02)
    hits = []
    """
    for process in [start(folder, load), start(folder, remove), start(folder, load)]:
        assert result(process)[1] == []


def test_a_cache_that_cannot_be_cleared_says_so(folder, monkeypatch):
    made()

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(CacheError, match="cannot be cleared: Permission denied"):
        cache.clear()


def test_each_folder_is_warned_of_once(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(entry, "write_private", refuse)
    for name in ("one", "two"):
        with config(cache_dir=tmp_path / name):
            with pytest.warns(CacheWarning, match="No space left") as caught:
                assert not made()
            assert caught[0].filename == __file__
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert not made()


def test_functions_of_the_users_go_where_they_go_meanwhile(tmp_path):

    (tmp_path / "users.py").write_text("import numba\n\n\n@numba.njit(cache=True)\ndef f(x):\n    return x + 1\n")
    code = "import sys; from pathlib import Path; from jitdiff.native.locator import numba_files\n"
    code += f"with numba_files(Path({str(tmp_path)!r}) / 'ours', 'ours.py'):\n    import users\n"
    code += "print(users.f(1), users.f.stats.cache_path)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", str(tmp_path / "__pycache__")]
