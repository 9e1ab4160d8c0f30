"""Rows of inboxes in words: over a real store, whose types and preferences change."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from tidings.config import ConfigError
from tidings.model import Publish, SetNotificationType, SetPreferences
from tidings.personal_data import Preferences
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.rules import Rule
from tidings.testing import FakeClock, MemoryStore, event

ENGLISH = {"en": {"other": "English"}}
BOTH: Any = ENGLISH | {"de": {"other": "Deutsch"}}


class Counted(MemoryStore):
    """A store that counts how often preferences were asked for."""

    asked = 0

    async def preferences(self, user: str) -> Preferences:
        """What a user wants."""
        self.asked += 1
        return await super().preferences(user)


async def messages(store: MemoryStore, wording: NotificationRenderer) -> list[str]:
    """What zoe reads."""
    page = await store.inbox("zoe", 10, None)
    return [json.loads(item)["message"] for item in await wording.items("zoe", page.rows)]


async def scene(store: MemoryStore) -> NotificationRenderer:
    """Zoe prefers German and was told of something."""
    german = SetPreferences("zoe", Preferences(locale="de"))
    await store.write([german, Publish((event("ann", "like", targets=("zoe",)),))])
    return NotificationRenderer(store, "en")


def test_a_declared_type_is_worded_at_once() -> None:
    async def play() -> None:
        store = MemoryStore(FakeClock())
        wording = await scene(store)
        assert await messages(store, wording) == ["ann: like · item 1"]
        plain = await wording.tag("zoe")
        await store.write([SetNotificationType("like", msgspec.convert({"messages": BOTH}, Rule))])
        assert await messages(store, wording) == ["Deutsch"]
        declared = await wording.tag("zoe")
        await store.write([SetPreferences("zoe", Preferences())])
        assert await messages(store, wording) == ["English"]
        assert plain == ""
        assert len({plain, declared, await wording.tag("zoe")}) == 3

    asyncio.run(play())


def test_who_prefers_which_language_is_asked_only_where_there_is_a_choice() -> None:
    async def play() -> None:
        store = Counted(FakeClock())
        wording = await scene(store)
        await messages(store, wording)
        await store.write([SetNotificationType("like", msgspec.convert({"messages": ENGLISH}, Rule))])
        await messages(store, wording)
        assert store.asked == 0
        await store.write([SetNotificationType("like", msgspec.convert({"messages": BOTH}, Rule))])
        await messages(store, wording)
        assert store.asked == 1
        await wording.items("zoe", [])
        assert store.asked == 1

    asyncio.run(play())


def test_the_text_of_a_row_is_its_items_message() -> None:
    """In the language of those preferences: outside the application the same is said as inside."""

    async def play() -> None:
        store = MemoryStore(FakeClock())
        wording = await scene(store)
        await store.write([SetNotificationType("like", msgspec.convert({"messages": BOTH}, Rule))])
        (row,) = (await store.inbox("zoe", 10, None)).rows
        locale = wording.preferred(Preferences(locale="de-CH"))
        said = wording.text(row, locale)
        assert said.message == json.loads(wording.item(row, locale))["message"] == "Deutsch"
        assert wording.text(row, wording.preferred(Preferences())).message == "English"

    asyncio.run(play())


def test_actors_that_the_sample_does_not_hold_are_counted() -> None:
    """A flood by one actor hides the others from the newest events, but not from their number."""

    async def play() -> None:
        store = MemoryStore(FakeClock())
        acts = [event(actor, "like", targets=("zoe",)) for actor in ("bo", "cy", *["ann"] * 30)]
        await store.write([Publish(tuple(acts))])
        assert await messages(store, NotificationRenderer(store, "en")) == [
            "ann and 2 others: like · item 1 (32)"
        ]

    asyncio.run(play())


def test_a_server_must_know_its_own_language() -> None:
    with pytest.raises(ConfigError, match="locale: no language is known by the name 'tlh'"):
        NotificationRenderer(MemoryStore(FakeClock()), "tlh")
