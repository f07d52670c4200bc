"""Loops that add to several places of one array become a loop for each place, or one that writes each element once.

The adjoint of a stencil adds a cotangent to the neighbours of a cell. In one loop these additions wait for each other,
since the next cell adds to the same elements. Each in its own loop, they are vectors. Better still are sums of all that
an element gets (`align.py`, `gather.py`, `relay.py`). The loops of adjoints go backwards; where the order does not
matter they are turned round.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence

from jitdiff.codegen.align import aligned
from jitdiff.codegen.gather import Gathering
from jitdiff.codegen.independent import Dependent, Line, Nest, Surroundings, alike, merged, nest_of
from jitdiff.codegen.relay import Item, Relayed, relayed
from jitdiff.codegen.text import Stmt, count_names, names_in, without

_WORK = 4
"""Operations done again that a loop of its own is worth."""


def distribute(stmts: Sequence[Stmt], aliases: Mapping[str, str], gathering: Gathering | None = None) -> list[Stmt]:
    """Return statements in which innermost loops whose iterations are independent, but for sums, are split.

    Parameters
    ----------
    stmts : sequence of Stmt
        The statements of a function.
    aliases : mapping
        Names of views, each with the name of the array.
    gathering : Gathering, optional
        What turns additions to neighbours in an inner loop into sums over neighbours.

    Examples
    --------
    >>> body = [Stmt("t = 9 - i"), Stmt("x[t, n] += y[t]"), Stmt("x[n, t] += y[t]")]
    >>> for loop in distribute([Stmt("for i in range(10):", None, body)], {}):
    ...     print(loop.text, *(s.text for s in loop.body))
    for i in range(10): t = i x[t, n] += y[t]
    for i in range(10): t = i x[n, t] += y[t]
    """
    around = Surroundings.of(stmts, aliases)
    found: list[Item] = []
    for stmt in stmts:
        changed = _distributed([stmt], around, gathering, (), found)
        found += [*(gathering.before() if gathering else ()), *changed]
    return _without_unread(_written(found, gathering), around)


def _distributed(
    stmts: Sequence[Stmt],
    around: Surroundings,
    gathering: Gathering | None,
    outer: tuple[str, ...],
    earlier: list[Item] | None = None,
) -> list[Item]:
    """Return statements that stand in loops and branches with the heads `outer`, sweeps not written yet.

    What is `earlier` in the text comes before them, unless it is further out.
    """
    found: list[Item] = []
    rest = list(stmts)
    while rest:
        if gathering is not None and outer:
            taken, changed = _gathered(rest, around, gathering, outer)
            if taken:
                found += changed
                del rest[:taken]
                continue
        stmt = rest.pop(0)
        try:
            nest = Nest(nest_of(stmt), around)
        except Dependent:
            if stmt.body is None:
                found.append(stmt)
            else:
                body = _distributed(stmt.body, around, gathering, (*outer, stmt.text))
                relay = Relayed(body)
                if gathering is not None and stmt.text.startswith("for "):
                    relay = relayed(body, found if earlier is None else earlier, gathering, around)
                stmt.body[:] = _written(relay.body, gathering)
                found += [*relay.before, stmt, *relay.after]
        else:
            found += _split(nest)
    return found


def _written(items: Sequence[Item], gathering: Gathering | None) -> list[Stmt]:
    """Return statements, those of sweeps written out."""
    stmts: list[Stmt] = []
    for item in items:
        if isinstance(item, Stmt):
            stmts.append(item)
        elif gathering is not None:
            numbers = gathering.numbers(item)
            stmts += [*_split(item.nest, gathering.taken(item, numbers)), *gathering.added(item, numbers)]
    return stmts


def _gathered(
    stmts: Sequence[Stmt], around: Surroundings, gathering: Gathering, outer: Sequence[str]
) -> tuple[int, list[Item]]:
    """Return how many of the first statements, as one nest, add to neighbours, and what becomes of them."""
    nests = alike(stmts)
    for count in range(len(nests), 0, -1):
        try:
            nest = Nest(merged(nests[:count]), around)
        except Dependent:
            continue
        if sweep := gathering.sweep(nest, {name for head in outer for name in names_in(head)[1]}):
            return count, [sweep]
        if count > 1 and _aligned(nest, nest.levels[-1])[0]:
            return count, [*_split(nest)]
    return 0, []


def _split(nest: Nest, gathered: Sequence[Line] | None = None) -> list[Stmt]:
    """Return a nest with a loop for each place that the lines of its innermost loop, or those `gathered`, add to.

    Where the places lie along one axis, that is one loop for all of them.
    """
    first, lines = _aligned(nest, nest.levels[-1] if gathered is None else gathered)
    groups = _groups(nest, lines)
    if _is_work_again(nest, groups):
        groups = [[line for line in lines if nest.is_sum(line)]]
    stores = [line for line in lines if not line.is_scalar and not nest.is_sum(line)]
    loops = [*groups[:-1], [*(groups[-1] if groups else ()), *stores]]
    if gathered is None:
        if len(loops) < 2 and not nest.turned and not first:
            return nest.stmts[:1]
    else:
        # Copying elements elsewhere and setting them to zero are two calls that are fast.
        names = Counter(line.name for line in stores)
        constant = [line for line in stores if isinstance(line.value, ast.Constant) and names[line.name] == 1]
        loops = [[line for line in loop if line not in constant] for loop in loops] + [constant]
    return [*first, *nest.around_loops([nest.loop(wanted) for wanted in loops if wanted])]


def _aligned(nest: Nest, lines: Sequence[Line]) -> tuple[list[Stmt], list[Line]]:
    """Return loops that add to several places along an axis at once, and the lines that they do not stand for.

    They come first: what they read may be written over after it.
    """
    sums = [line for line in lines if nest.is_sum(line)]
    if _is_work_again(nest, _groups(nest, sums)):
        return [], list(lines)
    stmts: list[Stmt] = []
    done: list[Line] = []
    for name in dict.fromkeys(line.name for line in sums):
        added = [line for line in sums if line.name == name]
        if found := aligned(nest, added):
            stmts += found
            done += added
    return stmts, [line for line in lines if line not in done]


def _groups(nest: Nest, lines: Sequence[Line]) -> list[list[Line]]:
    """Return lines that add, those apart that may add to one element."""
    groups: list[list[Line]] = []
    for line in lines:
        if nest.is_sum(line):
            free = [g for g in groups if all(line.name != x.name or _apart(nest, line, x) for x in g)]
            if free:
                free[0].append(line)
            else:
                groups.append([line])
    return groups


def _is_work_again(nest: Nest, groups: Sequence[Sequence[Line]]) -> bool:
    """Tell whether with a loop for each group too many operations are done again."""
    together = nest.needed(line for group in groups for line in group)
    apart = [line for group in groups for line in nest.needed(group)]
    again = sum(x.work for x in apart if x.is_scalar) - sum(x.work for x in together if x.is_scalar)
    return again > _WORK * len(groups)


def _apart(nest: Nest, line: Line, other: Line) -> bool:
    """Tell whether two lines never write to the same element, since an index is another number."""
    pairs = zip(nest.place(line), nest.place(other), strict=True)
    return any(isinstance(a, ast.Constant) and isinstance(b, ast.Constant) and a.value != b.value for a, b in pairs)


def _without_unread(stmts: Sequence[Stmt], around: Surroundings) -> list[Stmt]:
    """Return statements without the names of indices that were read before, and are not any more."""
    loads, _ = count_names(stmts)
    unread = {name for name in around.known if around.loads[name] and not loads[name]}
    return without(stmts, lambda stmt: not unread.isdisjoint(names_in(stmt.text)[1])) if unread else list(stmts)
