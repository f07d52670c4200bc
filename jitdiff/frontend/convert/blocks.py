"""What converted `if`, `for` and `while` statements call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, JitdiffError, TracingError
from jitdiff.frontend.convert.carry import Carried
from jitdiff.frontend.convert.changes import noting
from jitdiff.frontend.convert.guarantees import settled
from jitdiff.frontend.convert.lists import List, extend_stacked, grown, stacking
from jitdiff.frontend.convert.merge import branch
from jitdiff.frontend.convert.operators import truth, warn
from jitdiff.frontend.convert.plan import Anew, Plan
from jitdiff.frontend.convert.rows import Rows, rows_of
from jitdiff.frontend.convert.state import Get, Names, Put, conditional, is_traced
from jitdiff.ir import Builder, Dim, NeedsConcreteSize, blocks_of
from jitdiff.ir.assumptions import assumptions
from jitdiff.ir.builder import building, current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import control, segments
from jitdiff.ops.tracer import builder_now

Run = Callable[[], Any]
Body = Callable[[Any], None]

UNROLLED_TRIPS = 8
"""Loops over known ranges of so many iterations are unrolled, nested ones together up to four times as many."""

UNROLLED_NODES = 160
"""Loops of more operations than this are not unrolled if they can be loops of the program."""

ROLLABLE_TRIPS = 2_000
"""Known ranges of more iterations than this are never unrolled."""

LONG_NODES = 2_000
"""An unrolled loop of more operations than this is told of."""


def if_(test: Any, body: Run, orelse: Run, get: Get, put: Put, names: Names, flags: Names = ()) -> None:
    """Run an ``if`` statement; that of code after jumps tests that none of their `flags` is set."""
    before = get()
    if not is_traced(test):
        if flags:
            put(settled(names, before, flags, are_set=not test))
        (body if test else orelse)()
        return

    def arm(run: Run) -> Run:
        def traced() -> Any:
            put(settled(names, before, flags, are_set=run is orelse))
            run()
            return get()

        return traced

    try:
        values = branch(truth(test), names, arm(body), arm(orelse), put)
    finally:
        put(before)
    put(values)


def while_(test: Run, body: Run, get: Get, put: Put, names: Names, flags: Names = (), endless: bool = False) -> None:
    """Run a ``while`` statement, which goes on while none of its `flags` is set: `endless` until one is."""
    _while(test, body, get, put, names, flags)
    if endless:
        put(settled(names, get(), flags, are_set=True))


def _while(test: Run, body: Run, get: Get, put: Put, names: Names, flags: Names) -> None:
    verdict = test()
    if not is_traced(verdict) and verdict and current_builder() is not None and _becomes_traced(test, body, get, put):
        _roll_while(test, lambda _: body(), None, get, put, names, flags, surely=True)
        return
    while not is_traced(verdict):
        if not verdict:
            return
        body()
        verdict = test()
    _roll_while(test, lambda _: body(), None, get, put, names, flags)


def _becomes_traced(test: Run, body: Run, get: Get, put: Put) -> bool:
    """Say whether the condition of a loop depends on traced values after its first iteration, which is undone."""
    with _tried(get, put):
        body()
        return is_traced(test())
    return False


def _length(rows: Rows, body: Body, get: Get, put: Put) -> int:
    """Return how many operations an iteration takes, by tracing one that is undone."""
    with _tried(get, put) as trial:
        body(rows.item(0))
        return sum(1 + sum(len(inner.nodes) for inner in blocks_of(node)) for node in trial.block.nodes)
    return 0


@contextmanager
def _tried(get: Get, put: Put) -> Iterator[Builder]:
    """Trace what is done inside into a block of its own, and undo it; errors end it silently."""
    before = get()
    trial = Builder((), parent=builder_now())
    try:
        with building(trial), noting(put):
            stacking()
            yield trial
    except (Anew, JitdiffError, TypeError, ValueError, LookupError, ArithmeticError):
        # What is wrong shows when it is run in earnest.
        pass
    finally:
        for cell, state in trial.changes.values():
            cell.state = state
        put(before)


def for_(iterable: Any, body: Body, test: Run | None, get: Get, put: Put, names: Names, flags: Names = ()) -> None:
    """Run a ``for`` statement; `test`, of a loop with jumps, says that none of its `flags` is set."""
    rows = rows_of(iterable) if current_builder() is not None else None
    if rows is None:
        _iterate(iterable, body, test, get, put, names, flags)
        return
    size = rows.size
    known = isinstance(size, int | np.integer)
    short = known and not rows.rolled and size * _unrolled() <= UNROLLED_TRIPS * (4 if _unrolled() > 1 else 1)
    if known and not rows.rolled and (size == 0 or (short and size * _length(rows, body, get, put) <= UNROLLED_NODES)):
        _unroll(rows, int(size), body, test, get, put, names, flags)
        return
    if not known or rows.rolled or size > ROLLABLE_TRIPS:
        _roll(rows, body, test, get, put, names, flags)
        return
    before = get()
    try:
        _roll(rows, body, test, get, put, names, flags)
    except NeedsConcreteSize:
        put(before)
        raise
    except Exception as error:  # noqa: BLE001  (whatever it is, running the iterations in Python shows it again)
        put(before)
        _unroll(rows, int(size), body, test, get, put, names, flags, error)


def _iterate(iterable: Any, body: Body, test: Run | None, get: Get, put: Put, names: Names, flags: Names) -> None:
    """Run the iterations one after another; once the flags of jumps are traced, each under a test of them."""
    for item in iterable:
        goes_on = True if test is None else test()
        if is_traced(goes_on):
            if_(goes_on, lambda item=item: body(item), lambda: None, get, put, names, flags)  # type: ignore[misc]
        elif goes_on:
            body(item)
        else:
            break


def _unroll(
    rows: Rows,
    size: int,
    body: Body,
    test: Run | None,
    get: Get,
    put: Put,
    names: Names,
    flags: Names,
    why: Exception | None = None,
) -> None:
    builder = builder_now()
    start = len(builder.block.nodes)
    with _unrolling(max(size, 1)):
        _iterate(rows, body, test, get, put, names, flags)
    count = len(builder.block.nodes) - start
    if why is not None and count > LONG_NODES:
        reason = why.what if isinstance(why, JitdiffError) else str(why)
        warn(
            f"a loop of {size} iterations is unrolled into {count} operations, because it cannot be a loop of the "
            f"program: {reason}",
            "keep shapes and dtypes of its variables, or use jitdiff.range to see the error",
        )


def _unrolled() -> int:
    """Return how many copies of the present code there are, by loops that are being unrolled."""
    found: int = builder_now().root.notes.get("unrolled", 1)
    return found


@contextmanager
def _unrolling(size: int) -> Iterator[None]:
    notes = builder_now().root.notes
    before = _unrolled()
    notes["unrolled"] = before * size
    try:
        yield
    finally:
        notes["unrolled"] = before


def _roll(rows: Rows, body: Body, test: Run | None, get: Get, put: Put, names: Names, flags: Names) -> None:
    """Make a loop of the program."""
    surely = _runs(rows.size)
    if test is not None:
        surely = surely and not is_traced(goes_on := test()) and bool(goes_on)
        _roll_while(test, body, rows, get, put, names, flags, surely)
        return

    def make(carried: Carried, lists: list[List]) -> Rolled:
        def step(i: Any, *params: Any) -> Sequence[Any]:
            return _iteration(carried, lists, params, flags, lambda: body(rows.item(i)))

        lasts_of = functools.partial(getattr, carried, "lasts")
        if rows.checkpoint is None:
            return control.fori_with_lasts(rows.size, step, carried.init, lasts_of)
        return segments.fori(rows.size, step, carried.init, rows.checkpoint, lasts_of)

    _carry(make, get, put, names, surely)


def _runs(size: Any) -> bool:
    """Say whether a loop over so many items surely runs at least once."""
    if not isinstance(size, Dim):
        return isinstance(size, int | np.integer) and bool(size > 0)
    known = assumptions()
    return known is not None and known.runs(size)


def _roll_while(
    test: Run, body: Body, rows: Rows | None, get: Get, put: Put, names: Names, flags: Names, surely: bool = False
) -> None:
    """Make a loop of the program that ends by its test; over `rows`, it ends with them too.

    `surely` says that it runs at least once.
    """
    if rows is None:

        def make(carried: Carried, lists: list[List]) -> Rolled:
            def condition(*params: Any) -> Any:
                return truth(_tested(carried, params, test))

            def step(*params: Any) -> Sequence[Any]:
                return _iteration(carried, lists, params, flags, lambda: body(None))

            lasts_of = functools.partial(getattr, carried, "lasts")
            outs, stacks, _, lasts = control.while_with_lasts(condition, step, carried.init, lasts_of)
            return outs, stacks, lasts

    else:
        if rows.checkpoint is not None:
            raise ArgumentError(
                "range: checkpoint= is for loops without break and return",
                where=describe(caller()),
                hint="use jitdiff.while_loop with checkpoint=",
            )

        def make(carried: Carried, lists: list[List]) -> Rolled:
            def condition(i: Any, *params: Any) -> Any:
                within = i < rows.size
                goes_on = _tested(carried, params, test)
                return truth(goes_on) & within if is_traced(goes_on) else within

            def step(i: Any, *params: Any) -> Sequence[Any]:
                return [i + 1, *_iteration(carried, lists, params, flags, lambda: body(rows.item(i)))]

            lasts_of = functools.partial(getattr, carried, "lasts")
            (_, *outs), stacks, _, lasts = control.while_with_lasts(condition, step, [0, *carried.init], lasts_of)
            return outs, stacks, lasts

    _carry(make, get, put, names, surely)


Rolled = tuple[list[Any], list[Any], list[Any]]
"""Of a loop of the program: the final carries, what its iterations stacked, and what the last one left behind."""


def _carry(make: Callable[[Carried, list[List]], Rolled], get: Get, put: Put, names: Names, surely: bool) -> None:
    """Make a loop and let the variables hold what they hold after it; `surely` says that it runs at least once."""
    before = get()
    plan = Plan(list(names), list(before), get, put)
    while True:
        carried, lists = Carried(plan), list[List]()
        try:
            outs, stacks, lasts = make(carried, lists)
        except Anew as found:
            found.change(plan)
        else:
            break
        finally:
            put(before)
    plan.finish(carried.finish(outs, lasts, surely), surely)
    extend_stacked(lists, stacks)


def _tested(carried: Carried, params: Sequence[Any], test: Run) -> Any:
    """Return what the condition of a loop gives at the beginning of an iteration."""
    with noting(carried.plan.assign):
        carried.enter(params)
        with noting() as scope:
            verdict = test()
            if changed := scope.changes():
                place = next(iter(changed))
                raise TracingError(
                    f"{place.name} is changed by the condition of a traced loop",
                    where=scope.where(place.holder),
                    hint="change it in the body, and let the condition only read it",
                )
    return verdict


def _iteration(carried: Carried, lists: list[List], params: Sequence[Any], flags: Names, body: Run) -> Sequence[Any]:
    """Trace an iteration: return what it hands on, then what it adds to `lists`."""
    conditional()
    stacking()
    plan = carried.plan
    with noting(plan.assign) as scope:
        scope.whole |= plan.whole
        carried.enter(params)
        if flags:
            plan.set(settled(plan.names, plan.get(), flags, are_set=False))
        body()
        plan.include(scope)
        # Before the aliases are looked at: to stack what is added to lists reads arrays.
        lists[:], arrays = grown(builder_now())
        following = carried.leave()
    return [*following, *arrays]


def comprehension(each: Callable[[Any], Any], iterable: Any) -> Any:
    """Return ``[each(x) for x in iterable]``, by a loop of the program where that is long."""
    found = List()
    for_(iterable, lambda item: found.append(each(item)), None, list, lambda _: None, ())
    return found
