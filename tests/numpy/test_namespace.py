"""The array namespace: NumPy's functions by another name."""

import numpy as np
import pytest

import jitdiff as jd
import jitdiff.numpy as jnp


def test_functions_are_numpys() -> None:
    assert jnp.exp is np.exp
    assert jnp.mean is np.mean
    assert jnp.pi == np.pi
    assert jnp.float32 is np.float32
    assert jd.numpy is jnp


@pytest.mark.parametrize("compiled", [False, True])
def test_lists_of_values_under_differentiation_become_arrays(compiled: bool) -> None:
    def f(x):
        return jnp.sum(jnp.array([[x, 2.0 * x], [1.0, x * x]]) ** 2)

    f = jd.compile(f) if compiled else f
    assert f(3.0) == 9 + 36 + 1 + 81
    assert jd.grad(f)(3.0) == 6 + 24 + 108


def test_array_of_numbers_is_numpys() -> None:
    assert type(jnp.array([1, 2])) is np.ndarray
    assert jnp.asarray([1, 2], dtype=float).dtype == float
    x = jd.constant([1.0, 2.0])
    assert jnp.array(x) is x
    assert jnp.array(x, dtype=np.float32).dtype == np.float32
    assert jnp.array([x, x], np.float32).dtype == np.float32


def test_names_without_a_rule_are_refused() -> None:
    with pytest.raises(AttributeError, match=r"numpy\.unwrap is not supported"):
        _ = jnp.unwrap
    for name in ("unwrap", "soup", "foo"):
        assert not hasattr(jnp, name)
        assert getattr(jnp, name, None) is None
        with pytest.raises(ImportError):
            exec(f"from jitdiff.numpy import {name}", {})
    with pytest.raises(AttributeError, match="has no soup, nor has NumPy"):
        _ = jnp.soup


def test_everything_listed_is_there() -> None:
    assert "exp" in dir(jnp)
    for name in dir(jnp):
        if hasattr(np, name):
            assert getattr(jnp, name) is not None
