"""Adjoints of programs with every kind of node, against differences and against forward mode."""

import numpy as np
import pytest

from jitdiff import ad, passes
from jitdiff.errors import TracingError
from jitdiff.ir import verify
from jitdiff.ir.builder import building
from tests.ad.programs import PROGRAMS
from tests.tracing import gradient_of, numerical, run, tangents_of, trace

CASES = [pytest.param(fn, args, id=fn.__name__) for fn, args in PROGRAMS.items()]


@pytest.mark.parametrize(("fn", "args"), CASES)
def test_gradient_is_the_numerical_one(fn, args):
    gradients = run(gradient_of(fn), *args)
    for k, g in enumerate(gradients):
        np.testing.assert_allclose(g, numerical(fn, args, k), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("fn", "args"), CASES)
def test_reverse_and_forward_agree(fn, args, rng):
    dots = [rng.normal(size=np.shape(a)) for a in args]
    (dy, *_) = run(tangents_of(fn, len(args)), *args, *dots)
    gradients = run(gradient_of(fn), *args)
    np.testing.assert_allclose(dy, sum(np.sum(g * d) for g, d in zip(gradients, dots, strict=True)), rtol=1e-12)


@pytest.mark.parametrize(("fn", "args"), CASES)
def test_second_order_is_the_derivative_of_the_first(fn, args, rng):
    dots = [rng.normal(size=np.shape(a)) for a in args]

    def slope(*xs):
        return [sum(np.sum(g * d) for g, d in zip(gradient_of(fn)(*xs), dots, strict=True))]

    second = run(gradient_of(slope), *args)
    for k, g in enumerate(second):
        np.testing.assert_allclose(g, numerical(slope, args, k), rtol=2e-7, atol=1e-7)


@pytest.mark.parametrize(("fn", "args"), CASES)
def test_passes_keep_the_meaning(fn, args):
    for program in (fn, gradient_of(fn), gradient_of(lambda *xs: [np.sum(gradient_of(fn)(*xs)[0])])):
        block = trace(program, *args)
        before = ad.evaluate(block, [*args, *block.captured])
        after_passes = passes.optimise(block, lambda name, b: verify(b))
        after = ad.evaluate(after_passes, [*args, *after_passes.captured])
        for a, b in zip(before, after, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-12)


@pytest.mark.parametrize(("fn", "args"), CASES)
def test_split_programs_give_the_gradient(fn, args):
    block = trace(fn, *args)
    whole = ad.joint(block, range(len(args)))
    program = passes.optimise(verify(whole))
    seed = program.params[len(args)]
    split = ad.split(program, len(block.results), [seed])
    verify(split.forward)
    verify(split.adjoint)
    inputs = [*args, *split.forward.captured]
    outs = ad.evaluate(split.forward, inputs)
    residuals = outs[len(block.results) :]
    assert len(residuals) == split.residuals
    gradients = ad.evaluate(split.adjoint, [*(inputs[k] for k in split.reads), *residuals, 1.0])
    for g, want in zip(gradients, run(gradient_of(fn), *args), strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-12)


def test_residuals_are_only_what_the_adjoint_reads():
    x = np.ones(3)
    split = _split(lambda x: [np.sum(np.exp(x) + x * 3.0)], x)
    assert split.residuals == 1  # exp(x), and not x * 3
    linear = _split(lambda x: [np.sum(x * 3.0 + 1.0)], x)
    assert (linear.residuals, linear.reads) == (0, ())


def _split(fn, *args):
    program = passes.optimise(ad.joint(trace(fn, *args), range(len(args))))
    return ad.split(program, 1, [program.params[len(args)]])


def test_a_value_of_another_trace_is_refused():
    kept = []
    trace(lambda x: [kept.append(x) or x * 2.0], np.ones(3))
    with pytest.raises(TracingError, match="outside of the function"):
        trace(lambda x: [x + kept[0]], np.ones(3))
    with building(None), pytest.raises(TracingError, match="after its trace has ended"):
        kept[0] + 1.0
