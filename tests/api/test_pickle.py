"""Compiled and derived functions in other processes: pickled by name or by value, copied, sent by joblib."""

import copy
import functools
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jitdiff as jd
from jitdiff.api.transforms import hessp
from jitdiff.errors import ArgumentError

X = np.array([0.5, -1.0, 2.0])


def cubic(x, scale=2.0):
    total = 0.0
    for v in x:
        if v > 0:
            total = total + scale * v**3
        else:
            total = total - v**2
            scale = scale + 1.0
    return total


@jd.compile
def compiled_cubic(x, scale=2.0):
    return cubic(x, scale)


@functools.partial(jd.grad, argnums=0)
def decorated(x):
    return np.sum(x**3)


def pair(x):
    return np.sum(x**2), {"aux": x}


def both(a, b):
    return np.sum(a * b**2)


TRANSFORMS = {
    "grad": lambda f: jd.grad(f),
    "value_and_grad": lambda f: jd.value_and_grad(f),
    "jacobian": lambda f: jd.jacobian(f),
    "jacfwd": lambda f: jd.jacfwd(f),
    "jacrev": lambda f: jd.jacrev(f),
    "hessian": lambda f: jd.hessian(f),
    "grad of grad": lambda f: jd.grad(lambda_free(jd.grad(f))),
    "jacobian of grad": lambda f: jd.jacobian(jd.grad(f)),
    "gradients_function": lambda f: jd.gradients_function(f),
    "value_and_gradients_function": lambda f: jd.value_and_gradients_function(f, params=[0]),
    "implicit_gradients": lambda f: jd.implicit_value_and_gradients(f),
}


class lambda_free:
    """The sum of a function's results."""

    def __init__(self, f):
        self.f = f

    def __call__(self, x):
        return np.sum(self.f(x))


def flat(result):
    if isinstance(result, tuple | list):
        return np.concatenate([flat(x) for x in result])
    return np.ravel(np.asarray(result.numpy() if isinstance(result, jd.Tensor) else result))


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
@pytest.mark.parametrize("transform", [t for t in TRANSFORMS if not t.startswith("implicit")])
def test_transforms_of_plain_functions_are_pickled(transform, dumps):
    derived = TRANSFORMS[transform](cubic)
    again = pickle.loads(dumps(derived))
    assert_allclose(flat(again(X)), flat(derived(X)))
    assert flat(derived(X)).any()


def test_transforms_keep_their_options_in_pickles():
    assert pickle.loads(pickle.dumps(jd.grad(both, argnums=(0, 1))))(2.0, 3.0) == (9.0, 12.0)
    gradient, aux = pickle.loads(pickle.dumps(jd.grad(pair, has_aux=True)))(X)
    assert_allclose(gradient, 2 * X)
    assert_allclose(aux["aux"], X)
    mapped = pickle.loads(pickle.dumps(jd.vmap(jd.grad(both), in_axes=(None, 0))))
    assert_allclose(mapped(2.0, X), X**2)
    assert_allclose(pickle.loads(pickle.dumps(hessp(np.prod)))(X, np.ones(3)), jd.hessian(np.prod)(X) @ np.ones(3))


def test_a_transform_under_the_name_of_its_function_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    assert pickle.loads(cloudpickle.dumps(decorated)) is decorated


def test_transforms_are_functions_to_python():
    gradient = jd.grad(cubic)
    assert gradient.__name__ == "cubic_grad"
    assert "Gradient of cubic" in gradient.__doc__
    assert copy.copy(gradient) is gradient
    assert copy.deepcopy([gradient])[0] is gradient

    class Model:
        slope = jd.grad(lambda self, x: np.sum(self.k * x**2), argnums=1)
        k = 3.0

    assert_allclose(Model().slope(X), 6 * X)


def test_a_compiled_transform_of_a_plain_one_is_pickled():
    again = pickle.loads(pickle.dumps(jd.compile(jd.grad(cubic))))
    assert_allclose(again(X), jd.grad(cubic)(X))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pools_of_processes(method):
    context = multiprocessing.get_context(method)
    functions = [jd.grad(cubic), compiled_cubic.grad, compiled_cubic, jd.hessian(cubic)]
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = [pool.submit(f, X) for f in functions]
        for f, future in zip(functions, found, strict=True):
            assert_allclose(flat(future.result(timeout=100)), flat(f(X)))


MAIN = """
import sys
import numpy as np
import jitdiff as jd

scale = 2.0

def helper(v):
    if v > 0:
        return scale * v**3
    return -v**2

@jd.compile
def loss(x):
    total = 0.0
    for v in x:
        total = total + helper(v)
    return total

def plain(x):
    return loss.__wrapped__(x)

@jd.compile(donate="x")
def change(x):
    x[0] = 0.0
    return np.sum(x)

@jd.compile
def power(x, n):
    return 1.0 if n == 0 else np.sum(x) * power(x, n - 1)

def cube(x):
    return power(x, 3)

def closed(k):
    return jd.compile(lambda x: k * np.sum(x**2) + loss(x))

class Model:
    def __init__(self, w):
        self.w = w

    @jd.compile
    def loss(self, x):
        return self.w * np.sum(x**2)

model = Model(3.0)
X = np.array([0.5, -1.0, 2.0])
FUNCTIONS = [loss, loss.grad, jd.hessian(loss), jd.grad(plain), change, model.loss, jd.compile(cube), jd.vmap(plain)]
ARGUMENTS = [X, X, X, X, X.copy(), X, X, np.array([X, X])]
if sys.argv[1] not in ("multiprocessing", "threading"):
    FUNCTIONS += [closed(3.0), closed(3.0).grad, jd.compile(lambda x: np.sum(x) * 2)]
    ARGUMENTS += [X, X, X]
"""

JOBLIB = (
    MAIN
    + """
if __name__ == "__main__":
    from joblib import Parallel, delayed
    results = Parallel(n_jobs=2, backend=sys.argv[1])(delayed(f)(a) for f, a in zip(FUNCTIONS, ARGUMENTS))
    for f, a, r in zip(FUNCTIONS, ARGUMENTS, results):
        np.testing.assert_allclose(r, f(a))
    print("done")
"""
)

BY_VALUE = (
    MAIN
    + """
if __name__ == "__main__":
    import cloudpickle
    with open(sys.argv[1], "wb") as file:
        cloudpickle.dump([(f, a) for f, a in zip(FUNCTIONS, ARGUMENTS)], file)
    for f, a in zip(FUNCTIONS, ARGUMENTS):
        print(np.sum(f(a)))
"""
)

RECEIVER = """
import pickle, sys
import numpy as np
for f, a in pickle.load(open(sys.argv[1], "rb")):
    print(np.sum(f(a)))
"""


def run(*command, cwd):
    root = Path(__file__).parents[2]
    import os

    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, cwd=cwd, env=environment, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib_takes_functions_of_main(tmp_path, backend):
    script = tmp_path / "program.py"
    script.write_text(JOBLIB)
    assert run(script, backend, cwd=tmp_path) == "done\n"


def test_functions_of_main_go_by_value_to_a_process_without_the_file(tmp_path):
    script, file = tmp_path / "program.py", tmp_path / "functions"
    script.write_text(BY_VALUE)
    sent = run(script, file, cwd=tmp_path)
    script.unlink()
    received = run("-c", RECEIVER, file, cwd="/")
    assert_allclose(np.array(received.split(), float), np.array(sent.split(), float))


def test_a_module_registered_by_value_is_taken_by_value():
    module = sys.modules[__name__]
    assert pickle.loads(cloudpickle.dumps(compiled_cubic)) is compiled_cubic
    cloudpickle.register_pickle_by_value(module)
    try:
        again = pickle.loads(cloudpickle.dumps(compiled_cubic))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert again is not compiled_cubic
    assert_allclose(again.grad(X), compiled_cubic.grad(X))


def test_lambdas_not_called_yet_go_by_value_where_the_pickler_takes_them():
    f = jd.compile(lambda x: np.sum(x**3))
    with pytest.raises(ArgumentError, match="no program yet"):
        pickle.dumps(f)
    again = pickle.loads(cloudpickle.dumps(f))
    assert again(X) == f(X)
    assert_allclose(pickle.loads(cloudpickle.dumps(f.grad))(X), 3 * X**2)


class Model:
    def __init__(self, w):
        self.w = w

    @jd.compile
    def loss(self, x):
        return np.sum(self.w * x**2)

    def plain(self, x):
        return np.sum(self.w * x**2)


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
def test_methods_and_what_is_derived_of_them(dumps):
    m = Model(np.array([1.0, 2.0, 3.0]))
    methods = [m.loss, m.loss.grad, m.loss.value_and_grad, jd.hessian(m.loss), jd.grad(m.plain), jd.compile(m.plain)]
    methods += [jd.compile(m.loss), jd.compile(m.loss).grad]
    for f in methods:
        assert_allclose(flat(pickle.loads(dumps(f))(X)), flat(f(X)))


def test_copies():
    f = jd.compile(lambda x: np.sum(x**2))
    for again in (copy.copy(f), copy.deepcopy(f), copy.deepcopy({"f": f})["f"]):
        assert again is f
    assert f(X) == np.sum(X**2)
    assert copy.deepcopy(f) is f
    assert copy.copy(f.grad) is f.grad


def test_the_copy_of_a_method_belongs_to_a_copy_of_the_object():
    m = Model(2.0)
    pair = copy.deepcopy((m, m.loss))
    m.w = 5.0
    assert pair[1](X) == pair[0].plain(X) == 2.0 * np.sum(X**2)
    gradient = copy.deepcopy(m.loss.grad)
    m.w = 1.0
    assert_allclose(gradient(X), 10.0 * X)
