"""Differentiation: the reverse walk, forward mode derived from it, and what to save between forward and adjoint."""

from jitdiff.ad.forward import push, pushforward, pushforward_block
from jitdiff.ad.masks import Mask, Part, counted
from jitdiff.ad.reverse import pull
from jitdiff.ad.save import Split, joint, split
from jitdiff.ad.walk import Cotangents, active_values, walk
from jitdiff.ops.replay import evaluate, replay

__all__ = [
    "Cotangents",
    "Mask",
    "Part",
    "Split",
    "active_values",
    "counted",
    "evaluate",
    "joint",
    "pull",
    "push",
    "pushforward",
    "pushforward_block",
    "replay",
    "split",
    "walk",
]
