"""Differentiation: the reverse walk, forward mode derived from it, and what to save between forward and adjoint."""

from jitdiff.ad.forward import push, pushforward
from jitdiff.ad.reverse import pull
from jitdiff.ad.walk import Cotangents, active_values, walk
from jitdiff.ops.replay import evaluate, replay

__all__ = ["Cotangents", "active_values", "evaluate", "pull", "push", "pushforward", "replay", "walk"]
