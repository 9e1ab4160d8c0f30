"""Who hears of a committed change without waiting for the look that a hub takes at everything each second."""

import pytest

from tests.awaiting import awaited
from tests.live.hub_setup import SETTINGS, Place, place
from tidings.model import Command, EraseUser, Outcome, Publish, SetBlock
from tidings.outbound.channel_registry import ChannelRegistry
from tidings.outbound.dispatcher import DeliveryDispatcher
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.projections.runner import Runner
from tidings.public_head import PublicHead
from tidings.server import PostCommitHooks
from tidings.testing import event
from tidings.trends import Trends


async def submit(command: Command) -> Outcome:
    """Nothing leaves the application here."""
    raise AssertionError(f"{command} was submitted")


def hooks(here: Place, trends: Trends) -> PostCommitHooks:
    """What a server does after each commit, around this hub."""
    wording = NotificationRenderer(here.store, "en")
    dispatcher = DeliveryDispatcher(
        here.store, submit, ChannelRegistry(SETTINGS, here.clock), wording, here.clock, lambda *_: ""
    )
    return PostCommitHooks(here.store, trends, here.live, Runner(here.store), dispatcher, PublicHead(0))


@awaited
async def test_an_erasure_is_told_to_all_whose_notifications_named_the_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tidings.live.hub.TICK_S", 3_600)
    async with place() as here:
        committed = hooks(here, Trends(here.store, here.clock, SETTINGS))
        _, tape = here.open()
        await tape.until(1)
        for command in (Publish((event("zoe", targets=("bob",)),)), EraseUser("zoe")):
            committed([command], await here.store.write([command]))
            said = (await tape.until(len(tape.said) + 1))[-1]
        assert (said.event, said.data["seq"]) == ("notification", 2)
        assert said.data["actors"][0].startswith("erased-")


@awaited
async def test_who_is_erased_in_the_commit_of_their_event_is_in_no_trend() -> None:
    """The fault: the erasure was applied to trends before the events that were committed beside it."""
    async with place() as here:
        trends = Trends(here.store, here.clock, SETTINGS)
        committed = hooks(here, trends)
        commands: list[Command] = [Publish((event("zoe", at=here.clock.now()),)), EraseUser("zoe")]
        committed(commands, await here.store.write(commands))
        assert trends.windows.outdated
        assert "zoe" not in str(trends.windows.top("1h", "actor", 10))


@awaited
async def test_a_block_is_told_to_both_of_whom_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loses from the inbox what the other did."""
    monkeypatch.setattr("tidings.live.hub.TICK_S", 3_600)
    async with place() as here:
        committed = hooks(here, Trends(here.store, here.clock, SETTINGS))
        await here.store.write([Publish((event("zoe", targets=("bob",)),))])
        _, tape = here.open()
        await tape.until(1)
        command = SetBlock("zoe", "user:bob")
        committed([command], await here.store.write([command]))
        said = (await tape.until(2))[-1]
        assert (said.event, said.data["seq"], said.data["deleted"]) == ("notification", 2, True)
