"""A stock EventSource that is not let in: it is told so in a way that it survives, and comes back by itself."""

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.clients.listeners import CHROMIUM, NPM, Listener, command, listening, named
from tests.clients.scenario import serving
from tests.wire.people import event

USER = "lena"
EVENT_SOURCES = (CHROMIUM, NPM)
STREAMS = 4
NEWS = 4
RETRY_MS = (2_000, 15_000)
"""What a stream is told that is one too many in this second."""
FULL_RETRY_MS = (30_000, 60_000)
"""And one that is too many for its user."""


def served(opened: ExitStack, folder: Path, name: str, streams: int, *flags: str) -> Listener:
    """An EventSource on a server of its own, where there is already something to be told of."""
    (folder / name).mkdir()
    url = opened.enter_context(serving(folder / name, *flags)).url
    news = [event(object_id=str(n), target_user_ids=[USER]) for n in range(NEWS)]
    assert httpx.post(f"{url}/v1/events", json=news, trust_env=False).status_code == 201
    stream = f"{url}/v1/notifications/stream?user_id={USER}&last_event_id=0"
    return opened.enter_context(listening(command(name, stream, folder / "profile", streams)))


@pytest.mark.need("LI6")
def test_event_source_survives_a_storm(tmp_path: Path) -> None:
    """Of four streams some are sent away for some seconds, and then have everything like the others."""
    with ExitStack() as opened:
        listeners = [
            served(opened, tmp_path, name, STREAMS, "--stream-opens-per-s=1") for name in EVENT_SOURCES
        ]
        for listener in listeners:
            assert listener.heard_times("notification", STREAMS * NEWS)
            later = [told["data"]["retry_ms"] for told in named(listener.events, "drain")]
            assert later
            assert RETRY_MS[0] <= min(later) <= max(later) <= RETRY_MS[1]
            assert {told["stream"] for told in named(listener.events, "hello")} == set(range(STREAMS))
            for stream in range(STREAMS):
                told = [one for one in named(listener.events, "notification") if one["stream"] == stream]
                assert [one["data"]["seq"] for one in told] == list(range(1, NEWS + 1))
            assert not listener.heard["closed"]


@pytest.mark.parametrize("name", EVENT_SOURCES)
def test_event_source_survives_the_cap_of_its_user(tmp_path: Path, name: str) -> None:
    """It keeps its connection's state, and will ask again; a status would have ended it for good."""
    with ExitStack() as opened:
        listener = served(opened, tmp_path, name, 2, "--max-streams-per-user=1")
        assert listener.heard_times("notification", NEWS)
        assert listener.heard_times("drain", 1)
        (later,) = named(listener.events, "drain")
        assert FULL_RETRY_MS[0] <= later["data"]["retry_ms"] <= FULL_RETRY_MS[1]
        assert not listener.heard["closed"]
