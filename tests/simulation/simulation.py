"""Running a seed."""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tests.simulation import checks, effort, nemesis, visibility, workload
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import Limits
from tests.simulation.stats import Tally
from tests.simulation.world import World
from tidings.client import polling
from tidings.live import catch_up, following, inbox_reader, reconciler, stream_deadlines
from tidings.projections import runner

SETTLED_S = 240.0
"""Virtual seconds after which everything that was disturbed must have settled: to notice that a connection is dead, to be
sent away a few times by a server that is full, to wait, to poll."""
LOOK_S = 3.0
"""Virtual seconds between two looks whether it has."""
UNAIDED_SLOW_S = 1.0
"""How slow the store stays where heads are not compared: time for one thing to overtake another."""
AFTERMATH, AFTERMATH_GAP_S = 20, 0.15
"""Acts that go on at most while everybody comes back, and the seconds between them: they end at any moment of it, since
what is missed can be healed by whatever follows."""
BLOWS = 0.15
"""How likely a step is a blow rather than an act."""
MEMORY = Path("/dev/shm")
"""Where files that are not to last are fastest, if the machine has it."""


class Story(NamedTuple):
    """What became of a seed. ``fingerprint`` is equal for runs in which the same happened."""

    fingerprint: str
    tally: Tally


def run(seed: int) -> Story:
    """Simulate a seed. Raises AssertionError, with the command that repeats it and the end of the trace."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        return _run(seed, Path(folder))


def _run(seed: int, folder: Path) -> Story:
    loop = VirtualLoop()
    world = World(seed, loop, folder)
    loop.set_exception_handler(lambda _, context: world.failures.append(_failure(context)))
    try:
        with _limited(world.plan.limits), _silent():
            loop.run_until_complete(_live(world))
        return Story(world.fingerprint, Tally(world.tally))  # before everybody hangs up
    except BaseException as error:
        trace = "\n".join(world.lines)
        error.add_note(f"The plan:\n{world.plan}\nThe trace ends:\n{trace}\nAgain: {effort.command(seed)}")
        raise
    finally:
        _bury(world, loop)


async def _live(world: World) -> None:
    world.begin()
    await world.settle_in()
    for _ in range(world.plan.rounds):
        await _storm(world)
        await _settle(world)
    world.count()


async def _storm(world: World) -> None:
    """Steps, one after the other; what each sets off goes on beside the others."""
    rng, plan = world.rng, world.plan
    if plan.bus_dead:
        world.trouble.hint_lost = 1.0
    for _ in range(plan.steps):
        if rng.random() < BLOWS:
            blow = rng.choice(plan.blows)
            world.note("blow:", blow)
            world.tally.add("blow", blow)
            nemesis.ALL[blow](world)
        else:
            await _act(world, plan.gap_s)


async def _act(world: World, gap_s: float) -> None:
    """A moment passes, and somebody does something."""
    await world.pause(world.rng.expovariate(1 / gap_s))
    act = world.rng.choice(world.plan.acts)
    world.tally.add("act", act)
    world.people.spawn(workload.ALL[act](world))


async def _settle(world: World) -> None:
    """Let it calm down, and look at everything."""
    world.trouble.calm(but_hints=True)
    if world.plan.unaided:
        world.trouble.store_slow_s = UNAIDED_SLOW_S
    for reader in world.readers:
        reader.dawdle_s = 0.0
        if not reader.on:
            reader.start()
    world.note("calm")
    nemesis.cut(world)
    for _ in range(world.rng.randint(1, AFTERMATH)):
        await _act(world, AFTERMATH_GAP_S)
    wrong, until = "nothing was looked at", world.now() + SETTLED_S
    truth = checks.Truth(world)
    while wrong and world.now() < until:
        await world.pause(LOOK_S)
        truth = truth if truth.current else checks.Truth(world)
        wrong = _unsettled(world, truth)
    assert not wrong, f"after {SETTLED_S} s of calm, {wrong}"
    world.note("settled")
    _check(world, truth)
    world.trouble.calm()


def _unsettled(world: World, truth: checks.Truth) -> str:
    lacking = (checks.lacks(device, truth, world) for device in world.devices)
    visiting = (checks.visitor_lacks(visitor, world) for visitor in world.visitors)
    known = next(filter(None, chain(lacking, visiting)), "")
    return known or checks.overdue(world) or checks.unfinished(world)


def _check(world: World, truth: checks.Truth) -> None:
    assert not world.shaken.wrong, world.shaken.wrong
    checks.store_is_sound(world, truth)
    checks.feeds_are_whole(world, truth)
    for device in world.devices:
        checks.told_everything(device, world)
        checks.told_the_feed(device, truth, world)
        checks.device_agrees(device, truth)
    visibility.pages_show_what_is_listed(world)
    visibility.numbers_are_public(world)
    visibility.feeds_hide(world)


def _failure(context: dict[str, Any]) -> BaseException:
    """What the loop was told of: an exception, or that something is wrong."""
    error = context.get("exception")
    return error if isinstance(error, BaseException) else AssertionError(context["message"])


@contextlib.contextmanager
def _limited(limits: Limits) -> Iterator[None]:
    """Make bounds small for a while."""
    places: list[tuple[object, str, int]] = [
        (catch_up, "CHUNK", limits.chunk),
        (inbox_reader, "CHUNK", limits.chunk),
        (following, "HEADS", limits.heads),
        (reconciler, "HEADS", limits.heads),
        (catch_up, "REFILLS", limits.refills),
        (following, "AUDIENCE_POSITIONS", limits.heard),
        (stream_deadlines, "MAX_BEHIND_S", limits.behind_s),
        (polling, "PAGE", limits.page),
        (polling, "SNAPSHOT_PAGES", limits.snapshot_pages),
        (runner, "STEP_ROWS", limits.paid),
    ]
    usual = [getattr(module, name) for module, name, _ in places]
    for module, name, value in places:
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name, _), value in zip(places, usual, strict=True):
            setattr(module, name, value)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """What fails here is meant to, and need not be logged."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


def _bury(world: World, loop: VirtualLoop) -> None:
    """End whatever still runs, so that nothing of this seed is left for the next."""
    if loop.is_running():
        return

    async def end() -> None:
        world.end()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    loop.run_until_complete(end())
    loop.close()
