"""What a compiled function returns, and for which arguments it has which program."""

import pickle
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import ArgumentError, ArgumentTypeError, ShapeError


@jd.compile
def logistic(w, X, y):
    """Mean logistic loss."""
    return np.mean(np.log1p(np.exp(-y * (X @ w))))


@dataclass(frozen=True)
class Line:
    slope: object
    offset: object = 0.0


Pair = namedtuple("Pair", "a b")


@pytest.fixture
def data(rng):
    return rng.normal(size=3), rng.normal(size=(5, 3)), np.sign(rng.normal(size=5))


def test_value_gradient_and_product_with_the_hessian(data) -> None:
    w, X, y = data
    plain = logistic.__wrapped__
    value = logistic(w, X, y)
    assert type(value) is np.float64
    np.testing.assert_allclose(value, plain(w, X, y), rtol=1e-14)
    np.testing.assert_allclose(logistic.grad(w, X, y), jd.grad(plain)(w, X, y), rtol=1e-12)
    both = logistic.value_and_grad(w, X, y)
    assert type(both) is tuple
    assert type(both[0]) is np.float64
    np.testing.assert_allclose(both[1], logistic.grad(w, X, y), rtol=1e-14)
    p = np.array([1.0, -1.0, 0.5])
    np.testing.assert_allclose(logistic.hessp(w, p, X, y), jd.hessian(plain)(w, X, y) @ p, rtol=1e-10)


def test_it_keeps_name_doc_and_signature() -> None:
    import inspect

    assert logistic.__name__ == "logistic"
    assert logistic.__doc__ == "Mean logistic loss."
    assert list(inspect.signature(logistic).parameters) == ["w", "X", "y"]
    assert logistic.grad.__name__ == "logistic_grad"
    assert list(inspect.signature(logistic.grad).parameters) == ["w", "X", "y"]


def test_derivatives_are_compiled_once() -> None:
    assert logistic.grad is logistic.grad
    assert jd.grad(logistic) is logistic.grad
    assert jd.grad(logistic, argnums=1) is not logistic.grad
    assert isinstance(jd.grad(logistic), jd.Compiled)


def test_results_are_fresh_writable_and_contiguous(data) -> None:
    w, _, _ = data
    f = jd.compile(lambda w: (w, w * 2, np.ones(2), w.reshape(3, 1).T))
    first, second = f(w), f(w)
    for a, b in zip(first, second, strict=True):
        assert a.flags.owndata or a.base is not None
        assert a.flags.writeable
        assert a.flags.c_contiguous
        a[...] = 0.0
        assert b.any()
    assert w.any()


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (lambda x: np.sum(x), np.float64),
        (lambda x: np.sum(x.astype(np.float32)), np.float32),
        (lambda x: np.argmax(x), np.int64),
        (lambda x: x[0] > 0.0, np.bool_),
        (lambda x: 3.0, np.float64),
        (lambda x: 3, np.int64),
    ],
)
def test_scalars_are_numpys(function, dtype) -> None:
    assert type(jd.compile(function)(np.ones(3))) is dtype


def test_trees_in_and_out() -> None:
    @jd.compile
    def f(params, pair, line):
        return {"sum": params["w"] + pair.b, "pair": Pair(line.slope, [pair.a, None]), "line": Line(params["w"])}

    w = np.ones(2)
    for _ in range(2):
        out = f({"w": w}, Pair(1.0, 2.0), Line(3.0))
        np.testing.assert_array_equal(out["sum"], [3.0, 3.0])
        assert out["pair"] == Pair(3.0, [1.0, None])
        np.testing.assert_array_equal(out["line"].slope, w)


def test_gradients_of_trees_have_their_structure() -> None:
    @jd.compile
    def f(params, x):
        return np.sum(params["w"] * x) + params["b"] ** 2

    grads = f.grad({"w": np.ones(2), "b": 3.0}, np.array([1.0, 2.0]))
    assert grads["b"] == 6.0
    np.testing.assert_array_equal(grads["w"], [1.0, 2.0])


def test_static_values_specialise() -> None:
    seen = []

    @jd.compile
    def f(x, kind, flag=False):
        seen.append((kind, flag))
        return x + 1.0 if kind == "more" else x - 1.0

    assert f(1.0, "more") == f(1.0, "more") == 2.0
    assert f(1.0, "less") == 0.0
    assert f(1.0, "less", flag=True) == 0.0
    assert seen == [("more", False), ("less", False), ("less", True)]


def test_functions_are_static() -> None:
    f = jd.compile(lambda g, x: g(x) * 2)
    assert f(np.sin, 1.0) == 2 * np.sin(1.0)
    assert f(np.cos, 1.0) == 2 * np.cos(1.0)


def test_static_argnames_and_argnums() -> None:
    for options in ({"static_argnames": "n"}, {"static_argnames": ("n",)}, {"static_argnums": 1}):
        f = jd.compile(lambda x, n: sum(x for _ in range(n)), **options)
        assert f(2.0, 3) == 6.0
        assert f(2.0, n=4) == 8.0
        assert jd.grad(f)(2.0, 3) == 3.0


def test_an_integer_is_traced_until_its_number_is_asked_for() -> None:
    scaled = jd.compile(lambda x, n: x * n)
    assert [scaled(2.0, n) for n in (1, 2, 3)] == [2.0, 4.0, 6.0]
    assert len(scaled.specialisations) == 1
    powers = jd.compile(lambda x, n: np.prod(np.stack([x] * n)))
    assert [powers(2.0, n) for n in (1, 2, 3, 2)] == [2.0, 4.0, 8.0, 4.0]
    assert len(powers.specialisations) == 3


def test_defaults_and_keywords() -> None:
    f = jd.compile(lambda x, scale=2.0, *, shift=0.0: x * scale + shift)
    assert f(3.0) == 6.0
    assert f(3.0, 4.0) == f(x=3.0, scale=4.0) == 12.0
    assert f(3.0, shift=1.0) == 7.0


def test_dtypes_specialise() -> None:
    f = jd.compile(lambda x, y: x * y)
    assert f(np.ones(2, np.float32), 2.0).dtype == np.float32
    assert f(np.ones(2), 2.0).dtype == np.float64
    assert f(np.ones(2, np.int64), 2).dtype == np.int64
    assert f(np.ones(2, np.float32), np.float64(2.0)).dtype == np.float64
    assert f(np.ones(2, np.float32), 2.0).dtype == np.float32
    assert f(2, 3) == 6
    assert f(True, 3.5) == 3.5
    assert len(f.specialisations) == 6


def test_after_symbolic_sizes_other_ranks_and_counts_are_still_met() -> None:
    twice = jd.compile(lambda x: x * 2)
    for n in (2, 3, 4, 5):
        np.testing.assert_array_equal(twice(np.ones(n)), np.full(n, 2.0))
    np.testing.assert_array_equal(twice(np.ones((2, 3))), np.full((2, 3), 2.0))
    assert twice(1.5) == 3.0
    for _ in range(3):
        twice(np.ones(7))
    with pytest.raises(TypeError, match="argument"):
        twice(np.ones(3), np.ones(3))


def test_sizes_become_symbolic_once() -> None:
    f = jd.compile(lambda x, A: np.sum(A @ x))
    for n in (3, 4, 5, 6, 3):
        assert f(np.ones(n), np.ones((2, n))) == 2 * n
    assert len(f.specialisations) == 2
    assert "n symbolic" in f.explain()
    with pytest.raises(ShapeError):
        f(np.ones(3), np.ones((2, 5)))
    assert f(np.ones(7), np.ones((2, 7))) == 14


def test_rank_specialises_and_both_programs_stay() -> None:
    f = jd.compile(lambda x: np.sum(x * 2))
    for x in (np.ones(3), np.ones((3, 3)), np.ones(3), 1.0, np.ones((3, 3))):
        assert f(x) == 2 * np.size(x)
    assert len(f.specialisations) == 3


def test_empty_arrays_and_ones_broadcast_as_in_numpy() -> None:
    f = jd.compile(lambda x, y: np.sum(x * y) + np.sum(x))
    for n, m in ((3, 3), (4, 4), (1, 4), (4, 1), (1, 1), (0, 0), (5, 5)):
        x, y = np.arange(1.0, n + 1), np.arange(2.0, m + 2)
        assert f(x, y) == np.sum(x * y) + np.sum(x)


def test_a_size_that_is_asked_for_stays_exact() -> None:
    f = jd.compile(lambda x, y: sum(x[i] for i in range(len(x))) + np.sum(y))
    for n, m in ((2, 2), (3, 4), (3, 5), (3, 6)):
        assert f(np.ones(n), np.ones(m)) == n + m


def test_any_layout_is_taken(data) -> None:
    w, X, y = data
    want = logistic(w, X, y)
    wide = np.repeat(w, 2)
    for v, A in (
        (w, np.asfortranarray(X)),
        (wide[::2], X),
        (w.astype(">f8"), X),
        (w[::-1][::-1], np.concatenate([X, X], 1)[:, :3]),
    ):
        np.testing.assert_allclose(logistic(v, A, y), want, rtol=1e-14)
    frozen = w.copy()
    frozen.flags.writeable = False
    np.testing.assert_allclose(logistic(frozen, X, y), want, rtol=1e-14)
    assert logistic(w, X, y) == want


def test_zero_dimensional_arrays_are_scalars() -> None:
    f = jd.compile(lambda x, a: x * np.sum(a))
    assert f(np.array(2.0), np.ones(3)) == 6.0
    assert f(np.float64(2.0), np.ones(3)) == 6.0
    assert type(f.grad(np.array(2.0), np.ones(3))) is np.float64


def test_captured_arrays_are_read_at_each_call() -> None:
    table, scale = np.arange(3.0), np.array(2.0)
    f = jd.compile(lambda x: np.sum(table[::1] * x) * scale)
    assert f(np.ones(3)) == 6.0
    table[0] = 10.0
    assert f(np.ones(3)) == 26.0
    scale[...] = 1.0
    assert f(np.ones(3)) == 13.0
    np.testing.assert_array_equal(f.grad(np.ones(3)), table)
    assert "10.0" not in f.source


def test_arguments_are_never_written_to() -> None:
    x = np.arange(3.0)
    jd.compile(lambda x: np.cumsum(x) * x)(x)
    np.testing.assert_array_equal(x, [0, 1, 2])


def test_compiled_functions_call_each_other(data) -> None:
    w, X, y = data
    ridge = jd.compile(lambda w, X, y: logistic(w, X, y) + 0.5 * np.sum(w**2))
    np.testing.assert_allclose(ridge(w, X, y), logistic(w, X, y) + 0.5 * np.sum(w**2), rtol=1e-13)
    np.testing.assert_allclose(ridge.grad(w, X, y), logistic.grad(w, X, y) + w, rtol=1e-12)
    assert "logistic" not in [node.op.name for node in ridge.specialisations[0].block.nodes]


def test_gradients_inside_compiled_functions(data) -> None:
    w, X, y = data
    step = jd.compile(lambda w, X, y: w - 0.1 * jd.grad(logistic)(w, X, y))
    np.testing.assert_allclose(step(w, X, y), w - 0.1 * logistic.grad(w, X, y), rtol=1e-13)


def test_methods() -> None:
    class Model:
        def __init__(self) -> None:
            self.scale = 2.0
            self.table = np.ones(3)
            self.name = "m"

        @jd.compile
        def predict(self, x):
            return np.sum(self.table * x) * self.scale * self.factor()

        def factor(self):
            return 10.0

    model = Model()
    x = np.arange(3.0)
    assert model.predict(x) == 60.0
    np.testing.assert_array_equal(model.predict.grad(x), [20.0, 20.0, 20.0])
    assert model.predict.value_and_grad(x)[0] == 60.0
    np.testing.assert_array_equal(jd.hessian(model.predict)(x), np.zeros((3, 3)))
    model.scale, model.table = 1.0, np.full(3, 2.0)
    assert model.predict(x) == 60.0
    assert len(Model.predict.specialisations) == 1
    other = Model()
    assert other.predict(x) == 60.0
    assert len(Model.predict.specialisations) == 1


def test_methods_of_classes_and_of_objects_without_a_dict() -> None:
    class Model:
        scale = 3.0

        @classmethod
        @jd.compile
        def of_class(cls, x):
            return x * cls.scale

        @staticmethod
        @jd.compile
        def of_nobody(x):
            return x * 2.0

    class Pinned:
        __slots__ = ("scale",)

        @jd.compile
        def scaled(self, x):
            return x * self.scale

    class Span(namedtuple("Span", "low high")):
        __slots__ = ()

        @jd.compile
        def width(self, unit):
            return (self.high - self.low) / unit

    assert Model.of_class(2.0) == 6.0
    assert Model.of_class.grad(2.0) == 3.0
    assert Model().of_nobody(2.0) == 4.0
    pinned = Pinned()
    pinned.scale = 5.0
    assert pinned.scaled(2.0) == 10.0
    assert Span(1.0, 4.0).width(2.0) == 1.5
    assert Span(1.0, 9.0).width(2.0) == 4.0
    assert len(Span.width.specialisations) == 1


def test_threads_trace_and_compile_once() -> None:
    traces = []

    @jd.compile
    def f(x):
        traces.append(1)
        return np.sum(np.sin(x))

    results = []
    start = threading.Barrier(8)

    def work(k: int) -> None:
        start.wait()
        results.extend((k, f(np.full(3, float(k)))) for _ in range(20))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(traces) == 1
    for k, value in results:
        np.testing.assert_allclose(value, 3 * np.sin(k), rtol=1e-12)


def double(x):
    return 2 * x


doubled = jd.compile(double)


def test_pickle_of_importable_functions(data) -> None:
    w, X, y = data
    assert pickle.loads(pickle.dumps(logistic)) is logistic
    gradient = pickle.loads(pickle.dumps(logistic.grad))
    np.testing.assert_array_equal(gradient(w, X, y), logistic.grad(w, X, y))
    assert pickle.loads(pickle.dumps(doubled))(2.0) == 4.0


@dataclass
class Weights:
    w: object


def test_pickle_of_lambdas_keeps_their_programs() -> None:
    table = np.array([1.0, 2.0])
    f = jd.compile(lambda p, n, kind="sin": np.sum(np.sin(p.w) * table) * n)
    with pytest.raises(ArgumentError, match="no program yet"):
        pickle.dumps(f)
    p = Weights(np.ones(2))
    want = f(p, 2, "cos")
    copy, gradient = pickle.loads(pickle.dumps((f, f.grad)))
    assert copy(p, 3, "cos") == 1.5 * want
    np.testing.assert_array_equal(gradient(p, 2, "cos").w, f.grad(p, 2, "cos").w)
    np.testing.assert_allclose(jd.hessian(copy)(p, 2, "cos").w.w, np.diag(-2 * np.sin(1.0) * table))
    assert pickle.loads(pickle.dumps(copy))(p, 2, "cos") == want
    with pytest.raises(jd.errors.TracingError, match="came here by pickle") as caught:
        copy(p, 2, "sin")
    assert "'sin'" in str(caught.value)


def test_pickle_of_a_gradient_whose_function_was_never_called() -> None:
    gradient = jd.compile(lambda x: np.sum(x**3)).grad
    np.testing.assert_array_equal(gradient(np.ones(2)), [3, 3])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(gradient))(np.full(2, 2.0)), [12, 12])


def test_pickled_programs_of_any_size_take_any_size() -> None:
    f = jd.compile(lambda x: np.sum(np.exp(x)))
    for n in (2, 3):
        f(np.zeros(n))
    copy = pickle.loads(pickle.dumps(f))
    assert [copy(np.zeros(n)) for n in (2, 5, 7, 9)] == [2, 5, 7, 9]
    assert len(copy.specialisations) <= 2


def test_a_pickle_in_another_process(tmp_path) -> None:
    f = jd.compile(lambda x: np.sum(x * x))
    f.grad(np.ones(2))
    path = tmp_path / "f.pickle"
    path.write_bytes(pickle.dumps(f.grad))
    code = f"import pickle, numpy as np; print(pickle.load(open({str(path)!r}, 'rb'))(np.array([3.0, 4.0])))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[6. 8.]\n"


def test_a_rule_of_ones_own_is_not_pickled() -> None:
    @jd.custom_vjp
    def twice(x):
        return x * 2

    twice.defvjp(lambda x: (x * 2, None), lambda _, g: (g * 2,))
    f = jd.compile(lambda x: twice(x))
    f(1.0)
    with pytest.raises(ArgumentTypeError, match="cannot be pickled"):
        pickle.dumps(f)


def test_inspection() -> None:
    f = jd.compile(lambda x, y: np.sum(np.exp(x) * y))
    assert "not traced yet" in repr(f)
    assert f.explain() == "<lambda> has not been called yet"
    for ask in (lambda: f.source, lambda: f.adjoint_source, lambda: f.ir):
        with pytest.raises(ArgumentError, match="no program yet") as caught:
            ask()
        assert "warmup" in str(caught.value)
    f(np.ones(3), np.ones(3))
    assert "x: f64[3], y: f64[3]) -> f64[]" in repr(f)
    assert "1 specialisation" in repr(f)
    assert "first call" in f.explain()
    assert "exp(x)" in f.ir
    for text in (f.source, f.adjoint_source):
        compile(text, "module.py", "exec")
    f(np.ones(3, np.float32), np.ones(3))
    assert "2 specialisations" in repr(f)
    assert "changed x: f64[3] -> f32[3]" in f.explain()


def test_the_same_program_gives_the_same_text() -> None:
    texts = set()
    for _ in range(2):
        f = jd.compile(logistic.__wrapped__)
        f.warmup(np.ones(3), np.ones((4, 3)), np.ones(4))
        texts.add((f.source, f.adjoint_source))
    assert len(texts) == 1


def test_callables_of_all_kinds() -> None:
    import functools

    class Scale:
        def __init__(self, by):
            self.by = by

        def __call__(self, x):
            return self.by * x

    assert jd.compile(np.sin)(0.5) == np.sin(0.5)
    assert jd.compile(np.sin).grad(0.5) == np.cos(0.5)
    assert jd.compile(functools.partial(pow, exp=3))(2.0) == 8.0
    scale = jd.compile(Scale(2.0))
    assert scale(3.0) == 6.0
    assert scale.grad(3.0) == 2.0
    assert "Scale(self_by: f64[], x: f64[])" in repr(scale)
    assert jd.compile(lambda x: np.max(x), static_argnames=())(np.ones(2)) == 1.0


def test_memory_counts_workspace_and_results() -> None:
    f = jd.compile(lambda x: np.cumsum(np.exp(x)) * 2)
    exact = f.memory(np.ones(100)).total
    assert 800 < exact < 3000
    assert f.memory(np.ones(200)).total > 1600
    assert f.memory(np.ones(1000)).total > 8000
    assert len(f.specialisations) == 2


def test_variadic_arguments() -> None:
    f = jd.compile(lambda *xs, **options: sum(np.sum(x) for x in xs) * options.get("scale", 1.0))
    assert f(1.0, np.ones(2)) == 3.0
    assert f(1.0, scale=2.0) == 2.0
    assert f.grad(1.0, np.ones(2), scale=3.0) == 3.0


def test_a_result_that_does_not_depend_has_gradient_zero() -> None:
    f = jd.compile(lambda x: 3.0)
    np.testing.assert_array_equal(f.grad(np.ones(3)), np.zeros(3))


def test_names_of_the_user_do_not_clash() -> None:
    @jd.compile
    def exp(ws, exp, float, out, i):
        return np.sum(np.exp(ws) * exp) * float + out * np.sum(i)

    assert exp(np.zeros(2), np.ones(2), 2.0, 1.0, np.ones(3)) == 7.0
    np.testing.assert_array_equal(exp.grad(np.zeros(2), np.ones(2), 2.0, 1.0, np.ones(3)), [2.0, 2.0])


def test_integers_that_do_not_fit() -> None:
    f = jd.compile(lambda x, n: x * n)
    assert f(2.0, 3) == 6.0
    with pytest.raises(ArgumentError, match="does not fit 64 bits"):
        f(2.0, 2**70)


def test_scalars_are_not_converted_to_another_program() -> None:
    f = jd.compile(lambda x, n: np.sum(x) * n)
    x = np.ones(2)
    assert type(f(x, 2)) is np.float64
    assert f(x, 2.5) == 5.0
    assert f(x, np.float32(2.5)) == 5.0
    assert f(x, True) == 2.0
    assert f(x, np.array(2.5)) == 5.0
    assert f(x, 2) == 4.0


def test_the_pullback_of_a_vector_function_has_a_source() -> None:
    f = jd.compile(lambda x: np.sin(x)).warmup(np.ones(3))
    assert "cos" in f.adjoint_source
    assert "g" in f.adjoint_source


def test_the_derivative_says_what_it_is() -> None:
    assert logistic.grad.__doc__.startswith("Gradient of logistic")
    assert jd.hessian(logistic).__doc__.startswith("Hessian of logistic")


def test_warmup_compiles_without_running() -> None:
    f = jd.compile(lambda x: np.sum(x))
    assert f.warmup(np.ones(3)) is f
    assert len(f.specialisations) == 1


def test_options_are_checked() -> None:
    with pytest.raises(ArgumentError, match="parallel"):
        jd.compile(double, parallel="yes")
    with pytest.raises(ArgumentTypeError, match="a function is needed"):
        jd.compile(3)
    with pytest.raises(ArgumentError, match="no argument 'n'"):
        jd.compile(double, static_argnames=["n"])


def test_importing_is_light() -> None:
    code = "import sys, jitdiff; print([m for m in ('numba', 'llvmlite', 'scipy', 'optree') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_plain_derivatives_do_not_need_numba() -> None:
    code = (
        "import sys, numpy as np, jitdiff as jd; jd.grad(lambda x: np.sum(x * x))(np.ones(3)); "
        "f = jd.compile(np.sin); print('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_dump_prints_every_stage(capfd) -> None:
    with jd.config(dump="all"):
        jd.compile(lambda x: np.sum(x * 1.0)).warmup(np.ones(3))
    printed = capfd.readouterr().err
    for stage in ("traced", "dce", "cse", "simplify", "source"):
        assert f": {stage}\n" in printed
    with jd.config(dump="cse"):
        jd.compile(lambda x: np.sum(x * 1.0)).warmup(np.ones(3))
    printed = capfd.readouterr().err
    assert ": cse\n" in printed
    assert ": traced\n" not in printed
