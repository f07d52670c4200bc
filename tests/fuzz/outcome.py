"""What came of running a program in one mode."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

FAILURES = ("wrong number", "silent loss", "foreign error", "disagreement")


@dataclass(frozen=True)
class Outcome:
    """One of "ok", "refusal", "warned", and the `FAILURES`, with what there is to say."""

    mode: str
    kind: str
    detail: str = ""

    @property
    def is_failure(self) -> bool:
        return self.kind in FAILURES

    @property
    def message(self) -> str:
        """The detail without the names and numbers of one program."""
        text = re.sub(r"\s+at .*", "", self.detail.split("\n")[0])
        text = re.sub(r"[biuf]\d+\[[^]]*\]", "T", text)
        text = re.sub(r"\b[a-z]\d?\b", "v", text)
        return re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", text)[:110]

    def like(self, other: Outcome) -> bool:
        """Say whether this is the same failure of a smaller program."""
        if (self.mode, self.kind) != (other.mode, other.kind):
            return False
        return self.kind != "foreign error" or self.message.split(":")[0] == other.message.split(":")[0]


class Wrong(Exception):
    """A result that is not what it should be."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def expect_close(got: Any, want: Any, tolerance: float, what: str) -> None:
    """Raise `Wrong` unless two trees of numbers agree, by the largest of the numbers of a leaf."""
    gots, wants = optree.tree_leaves(got), optree.tree_leaves(want)
    if len(gots) != len(wants):
        raise Wrong("wrong number", f"{what} has {len(gots)} leaves, not {len(wants)}: {got!r}")
    for g, w in zip(gots, wants, strict=True):
        if isinstance(w, str):
            continue
        if np.shape(g) != np.shape(w):
            raise Wrong("wrong number", f"{what} has the shape {np.shape(g)}, not {np.shape(w)}")
        a, b = np.asarray(g, float), np.asarray(w, float)
        scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
        if not np.allclose(a, b, rtol=0.0, atol=tolerance * scale):
            raise Wrong("wrong number", f"{what} is {a.tolist()}, not {b.tolist()}")


def expect_types(got: Any, like: Any, what: str) -> None:
    """Raise `Wrong` unless each leaf has the shape of its model, and the dtype where the model has one."""
    for g, x in zip(optree.tree_leaves(got), optree.tree_leaves(like), strict=True):
        dtype = getattr(x, "dtype", None)
        if np.shape(g) != np.shape(x):
            raise Wrong("wrong number", f"{what} has the shape {np.shape(g)}, not {np.shape(x)}")
        if dtype is not None and getattr(g, "dtype", None) != dtype:
            raise Wrong("wrong number", f"{what} is {type(g).__name__} of {getattr(g, 'dtype', None)}, not {dtype}")
