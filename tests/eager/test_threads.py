"""Values belong to the transform they were made in, in whatever thread they are used."""

from __future__ import annotations

import asyncio
import math
import queue
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import TracingError, UnsupportedError

Program = Callable[[Any], Any]
X = np.array([1.0, 2.0])


def mapped(x: Any) -> Any:
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda v: v * v, [x[0], x[1]]))
    return parts[0] + parts[1] + np.sum(x)


def mathematics(x: Any) -> Any:
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda v: math.pow(v, 2.0) * np.sum(np.array([v, 1.0]) * 0.0 + 0.5), [x[0], x[1]]))
    return parts[0] + parts[1] + np.sum(x)


def submitted(x: Any) -> Any:
    with ThreadPoolExecutor(2) as pool:
        futures: list[Future[Any]] = [pool.submit(np.square, v) for v in x]
        return sum(f.result() for f in futures) + np.sum(x)


def started(x: Any) -> Any:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda v: found.append(v * v), args=(v,)) for v in x]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sum(found) + np.sum(x)


class Squaring(threading.Thread):
    def __init__(self, v: Any) -> None:
        super().__init__()
        self.v = v

    def run(self) -> None:
        self.y = self.v**2


def threads_of_a_class(x: Any) -> Any:
    threads = [Squaring(v) for v in x]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sum(t.y for t in threads) + np.sum(x)


def pool_of_multiprocessing(x: Any) -> Any:
    with ThreadPool(2) as pool:
        return sum(pool.map(lambda v: v * v, [x[0], x[1]])) + np.sum(x)


def worker_beside(x: Any) -> Any:
    tasks: queue.Queue[Any] = queue.Queue()
    done: queue.Queue[Any] = queue.Queue()

    def run() -> None:
        while (v := tasks.get()) is not None:
            done.put(v * v)

    worker = threading.Thread(target=run)
    worker.start()
    for v in x:
        tasks.put(v)
    tasks.put(None)
    y = np.sum(x)
    worker.join()
    return done.get() + done.get() + y


def event_loop(x: Any) -> Any:
    async def main() -> Any:
        return await asyncio.gather(*(asyncio.to_thread(lambda u: u * u, v) for v in x))

    return sum(asyncio.run(main())) + np.sum(x)


def parts_of_an_array(x: Any) -> Any:
    y = np.zeros(2)

    def put(i: int) -> None:
        for _ in range(20):
            y[i] = x[i] ** 2

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(put, [0, 1]))
    return np.sum(y) + np.sum(x)


def gradients_inside(x: Any) -> Any:
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(jd.grad(lambda u: u**3 / 3), [x[0], x[1]])) + np.sum(x)


PROGRAMS: list[Program] = [
    mapped,
    mathematics,
    submitted,
    started,
    threads_of_a_class,
    pool_of_multiprocessing,
    worker_beside,
    event_loop,
    parts_of_an_array,
    gradients_inside,
]


@pytest.fixture
def switching() -> Any:
    """Let threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching")
@pytest.mark.parametrize("f", PROGRAMS)
def test_values_are_followed_in_every_thread(f: Program) -> None:
    for _ in range(5):
        np.testing.assert_allclose(jd.grad(f)(X), [3.0, 5.0])
        np.testing.assert_allclose(jd.jvp(f, (X,), (np.array([1.0, 10.0]),))[1], 53.0)
    np.testing.assert_allclose(jd.hessian(f)(X), 2.0 * np.eye(2))
    np.testing.assert_allclose(jd.vmap(f)(np.stack([X, X])), [8.0, 8.0])


@pytest.mark.parametrize("f", [mapped, started, threads_of_a_class, event_loop, parts_of_an_array])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_traces_refuse_other_threads(f: Program) -> None:
    with pytest.raises(TracingError, match="another thread than the one that traces"):
        jd.compile(f)(X)


@pytest.mark.parametrize("f", [mapped, submitted, started, worker_beside])
def test_tapes_follow_threads_without_tapes(f: Program) -> None:
    x = jd.constant(X)
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    np.testing.assert_allclose(tape.gradient(y, x), [3.0, 5.0])


def test_tapes_watch_no_variables_that_only_other_threads_read() -> None:
    v, w = jd.Variable(3.0), jd.Variable(2.0)
    with jd.GradientTape() as tape, ThreadPoolExecutor(1) as pool:
        y = v * 1.0 + pool.submit(lambda: v * w).result()
    assert [x is v for x in tape.watched_variables()] == [True]
    assert tape.gradient(y, v).item() == 3.0


def test_threads_with_tapes_keep_to_them() -> None:
    v = jd.Variable(3.0)
    sizes = []

    def train(k: int) -> Any:
        with jd.GradientTape(persistent=True) as tape:
            y = v
            for _ in range(50):
                y = y * 1.0
            y = y * float(k)
        sizes.append(repr(tape).split(", ")[2])
        return tape.gradient(y, v)

    with ThreadPoolExecutor(4) as pool:
        found = [float(g) for g in pool.map(train, range(8))]
    assert found == [float(k) for k in range(8)]
    assert len(set(sizes)) == 1


def test_transforms_in_threads_keep_apart() -> None:
    def gradient(k: int) -> Any:
        return jd.grad(lambda x: np.sum(x**2) * k)(X)

    with ThreadPoolExecutor(4) as pool:
        for k, g in enumerate(pool.map(gradient, range(20))):
            np.testing.assert_allclose(g, 2.0 * k * X)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_a_thread_alone_sees_reaches_the_caller() -> None:
    def f(x: Any) -> Any:
        found: list[float] = []
        thread = threading.Thread(target=lambda: found.append(len(struct.pack("d", x[0]))))
        thread.start()
        thread.join()
        return np.sum(x) + sum(found)

    with pytest.raises(UnsupportedError, match="takes the plain numbers"):
        jd.grad(f)(X)
    with pytest.raises(UnsupportedError, match="takes the plain numbers"):
        jd.jvp(f, (X,), (X,))


def square(v: Any) -> Any:
    return v * v


def test_values_do_not_leave_for_other_processes() -> None:
    def f(x: Any) -> Any:
        with ProcessPoolExecutor(1) as pool:
            return sum(pool.map(square, [x[0], x[1]]))

    with pytest.raises(UnsupportedError, match="pickling takes the plain numbers"):
        jd.grad(f)(X)
