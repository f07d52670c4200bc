"""Kernels: what they take, what they give, threads, forks, errors."""

from __future__ import annotations

import gc
import linecache
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jitdiff.ir import Emitted
from jitdiff.native import compiler
from jitdiff.native.kernel import aligned, build
from jitdiff.native.runtime import NotMine
from tests.native.modules import module, native, types_of

SOURCE = '''"""Logistic loss and its gradient, in two functions."""

import numpy as np

from jitdiff.native.runtime import NotMine, expit, log1p, exp, matmul


def loss_1(ws, w, X, y, z):
    total = 0.0
    for i in range(100):
        total += log1p(exp(-y[i] * z[i]))
        z[i] = -y[i] * expit(-y[i] * z[i])
    return total


def loss(ws, w, X, y):
    if w.shape[0] != 10 or X.shape[0] != 100 or X.shape[1] != 10 or y.shape[0] != 100:
        raise NotMine
    z = ws[0:800].view(np.float64).reshape((100,))
    matmul(X, w, z)
    value = loss_1(ws, w, X, y, z)
    grad = np.empty(10)
    matmul(X.T, z, grad)
    return value, grad
'''


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    return rng.normal(size=10), rng.normal(size=(100, 10)), np.sign(rng.normal(size=100))


@pytest.fixture(scope="module")
def loss(problem):
    return build(Emitted(SOURCE, "loss", ("loss_1", "loss"), types_of(*problem), (), 800))


def check(loss, w, X, y):
    value, grad = loss.call(w, X, y)
    margin = y * (X @ w)
    np.testing.assert_allclose(value, np.log1p(np.exp(-margin)).sum(), rtol=1e-13)
    np.testing.assert_allclose(grad, -X.T @ (y / (1 + np.exp(margin))), rtol=1e-12)
    return grad


def test_results_are_fresh_arrays_of_our_own(loss, problem):
    first, second = check(loss, *problem), check(loss, *problem)
    assert not np.shares_memory(first, second)
    for grad in (first, second):
        assert grad.flags.writeable
        assert grad.flags.c_contiguous
        assert grad.dtype == np.float64


def test_text_runs_as_plain_python(loss, problem):
    names: dict[str, object] = {}
    exec(loss.emitted.source, names)
    value, grad = names["loss"](aligned(800), *problem)
    for got, want in zip(loss.call(*problem), (value, grad), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_read_only_arrays_are_taken(loss, problem):
    frozen = [x.copy() for x in problem]
    for x in frozen:
        x.flags.writeable = False
    check(loss, *frozen)


def test_nothing_is_compiled_by_calls(loss, problem):
    w, X, y = problem
    before = len(loss.dispatcher.overloads)
    for wrong in ((w.astype(np.float32), X, y), (w, np.asfortranarray(X), y), (w, X, y[::-1]), (w, X[0], y)):
        with pytest.raises(TypeError, match="No matching definition"):
            loss.call(*wrong)
    assert len(loss.dispatcher.overloads) == before == 1


def test_other_shapes_are_not_its_own(loss, problem):
    w, X, y = problem
    for wrong in ((w[:9].copy(), X, y), (w, X[:50].copy(), y), (np.empty(0), X, y)):
        with pytest.raises(NotMine):
            loss.call(*wrong)


def test_equal_modules_are_one_kernel_while_it_lives(loss):
    assert build(loss.emitted) is loss
    kernel = native("return a + 1.25", 1.0)
    name = kernel.path
    del kernel
    gc.collect()
    again = native("return a + 1.25", 1.0)
    assert again.path == name
    assert again.cache_hit


@pytest.mark.parametrize("cached", [True, False])
def test_a_kernel_that_nobody_uses_is_freed(cached):
    source = "def half(ws, a):\n    return a / 2\n\n\ndef entry(ws, a):\n    return 1 + half(ws, a)\n"
    kernel = build(Emitted(source, "entry", ("half", "entry"), types_of(1.0), types_of(1.0), 0), cache=cached)
    assert kernel.call(1.0) == kernel.dispatcher.py_func(None, 1.0) == 1.5
    path, dispatcher = kernel.path, weakref.ref(kernel.dispatcher)
    assert path in linecache.cache
    del kernel
    gc.collect()
    assert dispatcher() is None
    assert path not in linecache.cache
    assert not [name for name in sys.modules if name.startswith("entry_")]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_])
def test_scalars_and_arrays_of_all_dtypes(dtype):
    array, scalar = np.array([1, 0, 1]).astype(dtype), dtype(1)
    value, same = native("return a[0], b", array, scalar).call(array, scalar)
    assert value == same == 1
    assert native("return a.copy()", array).call(array).dtype == dtype


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise IndexError('index 7 is out of bounds')", IndexError),
        ("raise LinAlgError('Singular matrix')", np.linalg.LinAlgError),
        ("raise NotMine", NotMine),
    ],
)
def test_errors_come_out(body, error):
    kernel = native(body, 1.0)
    for _ in range(3):
        with pytest.raises(error):
            kernel.call(1.0)


def test_tracebacks_show_the_text(problem):
    kernel = native("if a > 0:\n    raise IndexError('too far')  # model.py:7\nreturn a", 1.0)
    try:
        kernel.call(1.0)
    except IndexError as error:
        text = "".join(traceback.format_exception(error))
    assert kernel.path in text
    assert "raise IndexError('too far')  # model.py:7" in text
    assert linecache.getline(kernel.path, 1) == '"""entry."""\n'


def test_the_workspace_grows_when_the_text_asks_for_more():
    body = """
    need = 8 * a.size
    if ws.size < need:
        raise WorkspaceTooSmall(need)
    z = buffer(ws, 0, np.float64, (a.size,))
    total = 0.0
    for i in range(a.size):
        z[i] = 2 * a[i]
    for i in range(a.size):
        total += z[i]
    return total
    """
    kernel = native(body, np.ones(4), workspace=32)
    for size in (4, 1000, 10, 5000):
        assert kernel.call(np.ones(size)) == 2 * size


def test_workspaces_are_aligned():
    for size in (1, 63, 64, 1000):
        block = aligned(size)
        assert block.ctypes.data % 64 == 0
        assert block.shape == (size,)
        assert block.dtype == np.uint8


def test_threads_have_workspaces_of_their_own(loss, problem):
    w, X, y = problem
    inputs = [(w + k, X, y) for k in range(8)]
    want = [loss.call(*args)[0] for args in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            assert [value for value, _ in pool.map(lambda args: loss.call(*args), inputs * 4)] == want * 4


def test_threads_build_one_kernel():
    emitted = module("return a * 3.5", [1.0])
    barrier = threading.Barrier(4)

    def work(_):
        barrier.wait()
        return build(emitted)

    with ThreadPoolExecutor(4) as pool:
        kernels = list(pool.map(work, range(4)))
    assert len({id(kernel) for kernel in kernels}) == 1


def test_the_interpreter_lock_is_released():
    body = """
    total = 0.0
    for i in range(a):
        total += np.sin(i * b)
    return total
    """
    kernel = native(body, 1, 1.0)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (kernel.call(5_000_000, 0.5), done.set()))
    thread.start()
    steps = 0
    while not done.is_set():
        steps += 1
    thread.join()
    # With the lock held this loop would not have run meanwhile.
    assert steps > 1000


def _in_child(queue, args):
    loss = build(Emitted(SOURCE, "loss", ("loss_1", "loss"), types_of(*args), (), 800))
    other = native("return a - 0.125", 1.0)
    queue.put((loss.call(*args)[0], other.call(1.0)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_call_and_build(loss, problem):
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    children = [context.Process(target=_in_child, args=(queue, problem)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert [queue.get() for _ in children] == [(loss.call(*problem)[0], 0.875)] * 2


def test_compiling_is_logged(caplog):
    with caplog.at_level(logging.INFO, "jitdiff"):
        kernel = build(module("return a * 7.75", [1.0], name="logged"), cache=False)
    assert caplog.messages == [f"logged: compiled in {kernel.compile_seconds:.2f} s"]
    assert repr(kernel) == f"<jitdiff kernel logged, compiled in {kernel.compile_seconds:.2f} s>"


def test_results_do_not_depend_on_where_helpers_were_compiled():
    # Two instances of one library function in one process, with the same argument types.
    kernels = [build(module(f"return polygamma({n}, a)", [1.0], name=f"p{n}"), cache=False) for n in (1, 2)]
    assert [kernel.call(1.0) for kernel in kernels] == pytest.approx([np.pi**2 / 6, -2.4041138063191885])


def test_importing_jitdiff_imports_no_numba():
    code = "import jitdiff, jitdiff.native.kernel, jitdiff.native.cache, sys; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_options_are_part_of_the_name():
    emitted = module("return a", [1.0])
    assert compiler.digest(emitted, parallel=True) != compiler.digest(emitted, parallel=False)


def test_a_function_that_only_moved_keeps_its_name():
    here = module("    y = x * 2.0        # model.py:7\n    return y", (1.0,))
    there = module("    y = x * 2.0        # model.py:19\n    return y", (1.0,))
    other = module("    y = x * 3.0        # model.py:7\n    return y", (1.0,))
    names = [compiler.digest(emitted, parallel=False) for emitted in (here, there, other)]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        ("return a[0] + np.float64(b)", False),
        ("x = buffer(ws, 0, np.float64, (2,))\nx[0] = a[0]\nreturn x[0]", False),
        ("if a[0] > b:\n    raise NotMine\nreturn a[0]", False),
        ("x = np.empty((2,), np.float64)\nx[0] = a[0]\nreturn x[0]", True),
        ("x = enlarged(a.reshape(2, 1), b)\nreturn x[0, 0]", True),
        ("if a[0] > b:\n    raise WorkspaceTooSmall(b)\nreturn a[0]", True),
    ],
)
def test_references_are_counted_where_arrays_are_made(body, counted):
    kernel = native(body, np.ones(2), 2, workspace=64)
    assert compiler.counts_references(kernel.emitted) == counted
    assert kernel.call(np.ones(2), 2) in (1.0, 3.0)
