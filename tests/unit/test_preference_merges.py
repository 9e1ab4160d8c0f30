"""Changes of preferences beside others: none is lost."""

import asyncio

import msgspec
import pytest

from tidings import preferences
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.endpoint_commands import AddEndpoint, Unsubscribe
from tidings.errors import Unavailable
from tidings.model import Command, Outcome
from tidings.personal_data import Endpoint, Preferences
from tidings.preferences import PreferencesService, Wanted
from tidings.testing import FakeClock, MemoryStore


class Interrupted(GroupCommitQueue):
    """A queue that has other commands written before the ones that are submitted, as a queue does in which they wait."""

    others: tuple[Command, ...] = ()

    async def submit(self, command: Command) -> Outcome:
        """Apply the next of the others, then this one."""
        if self.others:
            first, *rest = self.others
            self.others = tuple(rest)
            await super().submit(first)
        return await super().submit(command)


def check(merged: bytes) -> Wanted:
    """The preferences of valid JSON."""
    shown = msgspec.json.decode(merged)
    del shown["muted_topics"]
    return msgspec.convert(shown, Preferences), None


async def patched(*others: Command) -> Preferences:
    """Bob's preferences after a patch of the digest, while others are written."""
    store = MemoryStore(FakeClock())
    log = Interrupted(store, batch_events=10, queue=10, on_commit=lambda commands, outcomes: None)
    log.start()
    service = PreferencesService(store, log, Settings(), lambda rules: ())
    await log.submit(AddEndpoint(Endpoint("e1", "bob", "email", "bob@mail.test")))
    log.others = others
    await service.patch("bob", {"digest_s": 60}, check)
    await log.close()
    return await store.preferences("bob")


def test_an_unsubscription_beside_a_patch_is_not_lost() -> None:
    """The fault: the link was acknowledged, and a patch that had read the preferences before stored them as a whole."""
    found = asyncio.run(patched(Unsubscribe("e1", "like"), Unsubscribe("e1", "reply")))
    refused = {"email": False}
    assert found == Preferences({"like": refused, "reply": refused}, digest_s=60)


def test_a_patch_ends_though_others_never_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times that it is merged are bounded."""
    monkeypatch.setattr(preferences, "MAX_MERGES", 2)
    with pytest.raises(Unavailable):
        asyncio.run(patched(Unsubscribe("e1", "like"), Unsubscribe("e1", "reply")))
