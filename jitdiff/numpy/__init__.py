"""NumPy's functions under the name of jitdiff, for those who want names rather than protocols.

``jitdiff.numpy.exp`` is `numpy.exp`, which works on arrays, traced values and Tensors alike. What differs: `array` and
`asarray` also take lists with traced values or Tensors in them, and a function that jitdiff has no rule for is refused
when it is looked up.

Examples
--------
>>> import jitdiff as jd
>>> import jitdiff.numpy as jnp
>>> jd.grad(lambda x: jnp.sum(jnp.array([x, x * x])))(3.0)
np.float64(7.0)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from jitdiff.errors import MissingAttributeError
from jitdiff.ops import FUNCTIONS, UFUNCS, Handle
from jitdiff.ops.table import unsupported

_INDEPENDENT = frozenset(
    "arange linspace logspace geomspace zeros ones empty full eye identity tri indices meshgrid broadcast_shapes shape "
    "ndim size dtype finfo iinfo result_type promote_types errstate isscalar".split()
)
"""Functions that work as they are: of sizes and numbers, or of what every array answers."""


def array(object: Any, dtype: npt.DTypeLike | None = None) -> Any:
    """Return an array of `object`: a list may hold traced values and Tensors.

    Examples
    --------
    >>> array([1.0, 2.0])
    array([1., 2.])
    """
    if isinstance(object, Handle):
        return object if dtype is None else object.astype(dtype)  # type: ignore[attr-defined]
    if isinstance(object, list | tuple) and _has_handle(object):
        stacked = np.stack([array(x) for x in object])
        return stacked if dtype is None else stacked.astype(dtype)
    return np.array(object, dtype=dtype)


asarray = array


def _has_handle(x: Any) -> bool:
    return any(map(_has_handle, x)) if isinstance(x, list | tuple) else isinstance(x, Handle)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    found = getattr(np, name, None)
    if found is None:
        raise AttributeError(f"jitdiff.numpy has no {name}, nor has NumPy")
    if not callable(found) or isinstance(found, type) or name in _INDEPENDENT or found in FUNCTIONS or found in UFUNCS:
        return found
    # As of any name that a module lacks, so that hasattr and imports of it answer as usual.
    refused = unsupported(name)
    raise MissingAttributeError(refused.what, where=refused.where, hint=refused.hint)


def __dir__() -> list[str]:
    return sorted(
        {"array", "asarray", *_INDEPENDENT, *(f.name for f in FUNCTIONS.values()), *(u.__name__ for u in UFUNCS)}
    )
