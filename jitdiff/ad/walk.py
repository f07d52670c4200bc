"""The reverse walk: recorded nodes backwards, each op's rule once. The tapes and the IR share it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from numpy import ndarray

from jitdiff.ad.masks import Mask, Part, guarded, joined, passed
from jitdiff.ad.roots import POWERS, chain, exponent, makers_of, operand, pulled, slope
from jitdiff.ir import Apply, Atom, Node, Value, outs_of, reads_of
from jitdiff.ops import Op
from jitdiff.ops.fit import fit


class Step(Protocol):
    """What the walk needs of a recorded operation; `Apply` is one."""

    @property
    def op(self) -> Any:
        """The operation."""

    @property
    def args(self) -> Sequence[Any]:
        """Keys of the operands, for their cotangents."""

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Attributes of the call."""

    @property
    def outs(self) -> Sequence[Any]:
        """Keys of the results."""


class Cotangents:
    """Cotangents by the value they belong to, summed as they come in.

    Parameters
    ----------
    wanted : callable
        ``wanted(key)`` says whether a cotangent of this value is of use to anyone.
    keep : set, optional
        Values whose cotangents are asked for: they stay when the walk passes the node that makes them.
    masking : bool
        Whether to tell which elements count; of no use in a linear program.
    steps : sequence, optional
        What is walked, so that a power of a root finds the root.

    Notes
    -----
    A key is anything hashable with a ``type`` that names its dtype and shape: an IR `Value`, a Tensor.
    """

    __slots__ = ("_makers", "_steps", "keep", "masks", "sums", "wanted")

    def __init__(
        self,
        wanted: Callable[[Any], bool],
        keep: Collection[Hashable] = (),
        masking: bool = True,
        steps: Sequence[Any] = (),
    ) -> None:
        self._steps = steps
        self._makers: dict[Hashable, Any] | None = None
        self.sums: dict[Hashable, Any] = {}
        self.masks: dict[Hashable, Mask] | None = {} if masking else None
        self.wanted = wanted
        self.keep = keep

    def add(self, key: Any, g: Any, mask: Mask | None = None) -> None:
        """Add `g`, fitted to the shape and dtype of `key` and of which `mask` counts, to its cotangent."""
        if g is None or not self.wanted(key):
            return
        if getattr(g, "shape", ()) != key.shape or getattr(g, "dtype", None) != key.dtype:
            g = fit(g, key.type)
        have = self.sums.get(key)
        if have is not None:
            before = self.masks.get(key) if self.masks else None
            mask = None if mask is None or before is None else before.union(mask)
        self.put(key, g if have is None else have + g, mask)

    def put(self, key: Any, g: Any, mask: Mask | None = None) -> None:
        """Let `g`, to which the cotangent of `key` so far has been added, be its cotangent."""
        self.sums[key] = g
        if self.masks is None:
            return
        if mask is not None:
            self.masks[key] = mask
        else:
            self.masks.pop(key, None)

    def take(self, key: Any) -> Any:
        """Return the cotangent of `key`, no longer needed, or None."""
        return self.sums.get(key) if key in self.keep else self.sums.pop(key, None)

    def get(self, key: Any) -> Any:
        """Return the cotangent of `key`, or None."""
        return self.sums.get(key)

    def below(self, step: Any) -> list[Any] | None:
        """Return the steps from below a power down to the root that it is taken of, if it is of one."""
        if self._makers is None:
            self._makers = makers_of(self._steps)
        return chain(step, self._makers, self.wanted, self.keep) if self._makers else None

    def part(self, key: Any) -> Part:
        """Return the cotangent of `key`, and what of it counts."""
        return Part(self.sums.get(key), self.masks.get(key) if self.masks else None)

    def take_part(self, key: Any) -> Part:
        """Return the cotangent of `key`, no longer needed, and what of it counts."""
        mask = self.masks.pop(key, None) if self.masks else None
        return Part(self.take(key), mask)


Read = Callable[[Any], tuple[Sequence[Any], Any]]
"""Gives the operand values and the result (a tuple if there are several) of a step."""


def apply_rule(step: Step, cotangents: Cotangents, read: Read) -> None:
    """Take the cotangents of a step's results, and add to those of its operands."""
    # What `Cotangents.take` and `add` do stands here in line: tapes spend much of their time in this function.
    op: Op = step.op
    sums, masks = cotangents.sums, cotangents.masks
    mask: Mask | None = None
    attrs = step.attrs
    g: Any
    if op.multiple:
        g = tuple(cotangents.take(out) for out in step.outs)
        if all(t is None for t in g):
            return
        if masks:
            each = [masks.pop(out, None) for out in step.outs]
            if op.told:
                attrs = {**attrs, "masks": each}
            else:
                mask = joined([m for m, t in zip(each, g, strict=True) if t is not None])
    else:
        (out,) = step.outs
        g = sums.get(out)
        if g is None:
            return
        if out not in cotangents.keep:
            del sums[out]
        if masks:
            mask = masks.pop(out, None)
    xs, y = read(step)
    if op.name in POWERS and (n := exponent(step, xs)) is not None and (roots := cotangents.below(step)) is not None:
        _pull_power(step, n, roots, Part(g, mask), cotangents, read)
        return
    wanted = cotangents.wanted
    masking = mask is not None or (masks is not None and (op.counts is not None or op.selects is not None))
    below: Mask | None = None
    for k, (arg, x, ct) in enumerate(zip(step.args, xs, op.pullback(xs, y, g, attrs), strict=True)):
        if ct is None or not wanted(arg):
            continue
        if callable(ct):
            ct = ct()  # noqa: PLW2901
        if masking:
            only = not any(n != k and wanted(other) for n, other in enumerate(step.args))
            if mask is not None:
                ct = guarded(op, k, xs, ct, mask, only)  # noqa: PLW2901
            below = passed(op, k, arg.type, xs, y, step.attrs, mask, only)
        if type(ct) is Part:
            ct, below = ct  # noqa: PLW2901
        if type(ct) is ndarray is type(x):
            fits = ct.shape == x.shape and ct.dtype is x.dtype
        else:
            fits = getattr(ct, "shape", ()) == x.shape and getattr(ct, "dtype", None) == x.dtype
        if not fits:
            ct = fit(ct, arg.type)  # noqa: PLW2901
        have = sums.get(arg)
        if have is None:
            sums[arg] = ct
        else:
            sums[arg] = have + ct
            if masks is not None:
                before = masks.pop(arg, None)
                below = None if below is None or before is None else before.union(below)
        if below is not None and masks is not None:
            masks[arg] = below


def _pull_power(step: Step, n: float, steps: Sequence[Any], part: Part, cotangents: Cotangents, read: Read) -> None:
    """Add the cotangent of a power of a root to that of what is under the root."""
    xs, _ = read(step)
    g, mask = slope(part.g, xs[0], n), part.mask
    if mask is not None:
        g = guarded(step.op, 0, xs, g, mask, True)
    for step in steps:  # noqa: PLR1704
        xs, y = read(step)
        k = operand(step, cotangents.wanted) or 0
        if step.op.name != "sqrt":
            g = fit(pulled(step, k, xs, y, g), step.args[k].type)
            mask = passed(step.op, k, step.args[k].type, xs, y, step.attrs, mask, True)
    cotangents.add(steps[-1].args[0], g, mask)


def walk(
    nodes: Iterable[Any],
    cotangents: Cotangents,
    read: Read,
    region: Callable[[Any, Cotangents], None] | None = None,
) -> None:
    """Run the nodes backwards, turning cotangents of results into cotangents of operands.

    Parameters
    ----------
    nodes : iterable
        Recorded steps in order of execution reversed: last first.
    cotangents : Cotangents
        Seeds on entry; on return the cotangents of everything that no node makes.
    read : callable
        Gives a step's operand and result values for the rule to compute with.
    region : callable, optional
        Does the same for a node that is a branch or a loop; only the IR has those.
    """
    for node in nodes:
        if region is None or hasattr(node, "op"):
            apply_rule(node, cotangents, read)
        else:
            region(node, cotangents)


def active_values(nodes: Sequence[Node], seeds: Iterable[Value], constants: Collection[Value] = ()) -> set[Value]:
    """Return the floating values that depend on `seeds` through differentiable operations, but not on `constants`."""
    active = set(seeds)
    for node in nodes:
        if isinstance(node, Apply) and isinstance(node.op, Op) and node.op.vjp is None:
            continue
        if any(v in active for v in reads_of(node)):
            active.update(v for v in outs_of(node) if v.type.is_float and v not in constants)
    return active


def wanted_among(active: set[Value]) -> Callable[[Atom], bool]:
    """Return the test whether an atom is one of the active values."""
    return active.__contains__
