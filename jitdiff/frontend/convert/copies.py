"""Copies: containers and objects in place of one of several, which one depending on the way that control took.

A variable that is bound in one arm of a branch to what there was before, and in the other to something new, holds a
copy of either after it. Once it is changed in place, the original cannot be read any more, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jitdiff.frontend.containers import mutable
from jitdiff.frontend.convert.holders import kind_of
from jitdiff.frontend.convert.state import Undefined
from jitdiff.ir import Builder
from jitdiff.ir.builder import current_builder


def foreign(value: Any, builder: Builder) -> list[Any]:
    """Return the containers and objects in a value that a block has not made itself."""
    made = builder.notes.get("born", {})
    return [part for part in mutable(value) if id(part) not in made]


def copied(copy: Any, originals: Iterable[Any]) -> None:
    """Note that containers and objects in `copy` stand for some of `originals`."""
    parts, given = mutable(copy), list(originals)
    builder = current_builder()
    if not parts or not given or builder is None:
        return
    known = builder.root.notes.setdefault("copies", {})
    for each, others in [*((x, given) for x in parts), *((x, parts) for x in given)]:
        known.setdefault(id(each), (each, []))[1].extend(others)


def peers(x: Any) -> list[Any]:
    """Return what may be the same as a container or object, depending on the way that control took."""
    builder = current_builder()
    known = {} if builder is None else builder.root.notes.get("copies", {})
    found: list[Any] = known[id(x)][1] if id(x) in known else []
    return [other for other in found if other is not x]


def out_of_date(x: Any) -> Undefined:
    """Return what a container or object holds once another one is changed that it may be."""
    return Undefined(
        f"a {kind_of(x)} is read after another one was changed in place, and whether it is that one depends on the way "
        "that control took"
    )
