"""The figures in the text of the pages are those of the code. ``tests/test_reference.py`` checks the generated pages."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.simulation.effort import SEEDS
from tests.simulation.plan import CROWD, CROWD_EVERY
from tests.simulation.test_planted import ENOUGH
from tidings import feeds, personal_data
from tidings.commands import UNDO_MS
from tidings.config import KIB, Settings
from tidings.http import long_poll, stream_connection, websocket
from tidings.http.deadlines import HALF_CLOSED_S
from tidings.http.endpoints.live import FULL_RETRY_S
from tidings.http.jwks import FETCH_DEADLINE_S, MAX_SET_BYTES, REFRESH_S
from tidings.live import admission, hub, stream_deadlines
from tidings.model import SAMPLE_ACTORS, SAMPLE_ITEMS
from tidings.outbound import http_client, retry, slots, troubles, webhook
from tidings.projections.runner import STEP_ROWS
from tidings.projections.windows import MAX_LIMIT, SET_BACK_S
from tidings.storage.sqlite.fanout_queue import MAX_ATTEMPTS
from tidings.storage.sqlite.transactions import LONGEST_S

ROOT = Path(__file__).parent.parent
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SETTING = re.compile(r"`(\w+)` \((\d[\d,]*)(?: (s|min|days))?\)")
"""A setting and its default."""
UNITS = {"": 1, "s": 1, "min": 60, "days": 1}
"""Factors from the unit of a page to that of the setting."""


def span(milliseconds: Iterable[float]) -> str:
    """A range of seconds in words."""
    return " to ".join(WORDS[round(one / 1_000)] for one in milliseconds)


FIGURES = {
    "concepts/inbox.md": (f"its newest {SAMPLE_ITEMS} events and {SAMPLE_ACTORS} actors",),
    "concepts/live.md": (
        f"evenly, {hub.DRAIN_PER_S} a second",
        f"{stream_deadlines.WARN_S} s after a `reauth`",
        f"stays full for {stream_deadlines.MAX_BEHIND_S} s is closed",
        f"at most {stream_connection.BUFFER_BYTES // KIB} KiB and one frame in the process",
        f"and {stream_connection.KERNEL_BYTES // KIB} KiB in the kernel",
        f"reconnect in {FULL_RETRY_S[0]} to {FULL_RETRY_S[1]} s",
        f"after {admission.RETRY_S[0]:.0f} to {admission.RETRY_S[1]:.0f} s",
        f"a message over {websocket.MAX_MESSAGE_BYTES // KIB} KiB ends",
        f"at most {long_poll.ANSWER_BYTES // KIB} KiB and one frame",
    ),
    "concepts/log.md": (
        f"in steps of about {STEP_ROWS:,} rows",
        f"names more than {personal_data.NAMED_AT_ONCE} users",
        f"failed {WORDS[MAX_ATTEMPTS]} times becomes a dead letter",
    ),
    "concepts/long-reads.md": (f"{feeds.PAGE_BYTES // KIB} KiB (`PAGE_BYTES` in `tidings.feeds`)",),
    "concepts/ordering.md": (f"For {WORDS[UNDO_MS // 60_000]} minutes, items",),
    "concepts/simulation.md": (
        f"to be found within {ENOUGH} seeds",
        f"runs {SEEDS} seeds",
        f"One seed in {CROWD_EVERY} has {CROWD:,} users",
    ),
    "concepts/trends.md": (f"up to {MAX_LIMIT},", f"set back by {WORDS[SET_BACK_S]} seconds or more"),
    "guides/authentication.md": (
        f"again every {REFRESH_S // 60} minutes",
        f"A fetch has {FETCH_DEADLINE_S} seconds and {MAX_SET_BYTES // KIB} KiB",
    ),
    "guides/channels.md": (
        f"is tried {WORDS[len(retry.WAITS_S) + 1]} times over about {sum(retry.WAITS_S) // 3_600} hours",
        f"does not answer {WORDS[retry.FAILURES]} times in a row",
        f"no attempt for {retry.FIRST_ENDPOINT_REST_MS // 1_000} seconds at first",
        f"sends to {slots.SLOTS} endpoints at a time",
        f"| {slots.USER_SLOTS} | one user, {slots.USER_UNPROVEN_SLOTS} of them",
        f"| {slots.SLOW_SLOTS} | webhooks and push subscriptions that were slow in",
        f"slow in the last {slots.SLOW_FOR_MS // 60_000} minutes",
        f"| {slots.UNKNOWN_SLOTS} | webhooks and push subscriptions without",
        f"at most {webhook.MAX_BODY_BYTES // KIB} KiB",
        f"2xx within {http_client.TIMEOUT_S} seconds",
    ),
    "guides/running-it.md": (
        f"tells each stream to reconnect in {span(hub.RETRY_MS)} seconds",
        f"still gets a response within {WORDS[round(HALF_CLOSED_S)]} seconds",
        f"for at most {WORDS[troubles.MAX_LINES]} endpoints or hosts a minute",
        f"when this work has taken {LONGEST_S * 1_000:.0f} ms",
    ),
}
"""What pages say, made from the constants."""


def text(page: str) -> str:
    """The text of a page of docs/, without its line ends."""
    return " ".join((ROOT / "docs" / page).read_text().split())


@pytest.mark.parametrize("page", FIGURES)
def test_figures_are_those_of_the_code(page: str) -> None:
    """The fault: a guide named another time to reconnect than the hub sends, a page fewer seeds than a test has."""
    assert [figure for figure in FIGURES[page] if figure not in text(page)] == []


def test_defaults_of_settings_are_those_of_the_code() -> None:
    """Wherever a page shows a number after the name of a setting, it is the default."""
    shown = [
        (str(page.relative_to(ROOT)), name, int(number.replace(",", "")) * UNITS[unit])
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for name, number, unit in SETTING.findall(" ".join(page.read_text().split()))
        if name in Settings.__struct_fields__
    ]
    defaults = Settings()
    assert len(shown) > 15
    assert [one for one in shown if one[2] != getattr(defaults, one[1])] == []
