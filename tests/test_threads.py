"""Locks and lazy attributes, among threads and in forked children."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from jitdiff.threads import Lock, lazy

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork")


class Slow:
    def __init__(self) -> None:
        self._lock = Lock()
        self.computed = 0

    @lazy
    def value(self) -> object:
        self.computed += 1
        time.sleep(0.05)
        return object()

    @lazy
    def failing(self) -> object:
        self.computed += 1
        raise ValueError("not today")


def test_several_threads_compute_a_lazy_attribute_once() -> None:
    slow, found = Slow(), []
    threads = [threading.Thread(target=lambda: found.append(slow.value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slow.computed == 1
    assert found == [slow.value] * 4


def test_lazy_attributes_of_other_objects_do_not_wait() -> None:
    slow = Slow()
    with slow._lock:
        thread = threading.Thread(target=lambda: Slow().value)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


def test_what_fails_is_tried_again() -> None:
    slow = Slow()
    for _ in range(2):
        with pytest.raises(ValueError, match="not today"):
            _ = slow.failing
    assert slow.computed == 2


def in_a_process(code: str, timeout: float) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@forks
def test_a_forked_child_finds_locks_free_that_other_threads_held() -> None:
    out = in_a_process(
        """
        import os, signal, threading
        from jitdiff.threads import Lock
        theirs, mine, ready = Lock(), Lock(), threading.Event()
        def hold():
            with theirs:
                ready.set()
                threading.Event().wait()
        threading.Thread(target=hold, daemon=True).start()
        ready.wait()
        with mine, mine:
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                with theirs, mine:
                    pass
        if pid == 0:
            os._exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        os._exit(0)
        """,
        60,
    )
    assert out == "3\n"


@forks
def test_children_forked_while_threads_compile_compile_and_call() -> None:
    """Each child does what the threads are at, and what they are not, or is killed by its alarm."""
    out = in_a_process(
        """
        import os, random, signal, threading, time
        import numpy as np
        import jitdiff as jd

        def made(k):
            return jd.compile(lambda x: np.sum(np.sin(x * float(k)) + x), cache=False)

        shared = jd.compile(lambda x: np.sum(np.exp(x) * x), cache=False)
        stop = threading.Event()

        def work(k):
            while not stop.is_set():
                k += 10
                made(k).grad(np.ones(3))
                shared.value_and_grad(np.ones(k % 7 + 1))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
        for thread in threads:
            thread.start()
        draw, codes = random.Random(0), []
        for n in range(1, 11):
            time.sleep(0.5 * draw.random())
            pid = os.fork()
            if pid == 0:
                signal.alarm(100)
                own, common = made(-n).grad(np.ones(2)), shared.grad(np.ones(2))
                right = np.allclose(own, 1 - n * np.cos(n)) and np.allclose(common, 2 * np.e)
                os._exit(0 if right else 1)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        stop.set()
        for thread in threads:
            thread.join()
        print(codes)
        """,
        500,
    )
    assert out == f"{[0] * 10}\n"
