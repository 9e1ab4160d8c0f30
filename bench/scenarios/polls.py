"""How often can clients ask whether there is anything new?"""

from random import Random

import msgspec

from bench.client import Flow, get, run_load
from bench.report import Row
from bench.run import Bench, http_row
from bench.scenarios.posts import event
from bench.server import ask, serving

EVENTS = 1_000
"""Published first: every tenth user or so has several notifications."""
ARRAY = 500
USERS = 1_000


def polls(bench: Bench) -> list[Row]:
    """Unread counts, and inboxes that have not changed since (304), beside an empty handler's count."""
    draw, sizes = Random(1), bench.sizes
    users = [f"user{number}" for number in range(USERS)]
    with serving(bench.new_store("polls")) as port:
        for _ in range(EVENTS // ARRAY):
            ask(port, "POST", "/v1/events", msgspec.json.encode([event(draw) for _ in range(ARRAY)]))
        counts = [get(f"/v1/notifications/unread-count?user_id={user}") for user in users]
        (counted,) = run_load(port, sizes.seconds, Flow(counts, sizes.connections))
        unchanged = [_again(port, f"/v1/notifications?user_id={user}") for user in users]
        (polled,) = run_load(port, sizes.seconds, Flow(unchanged, sizes.connections, 304))
        reply = ask(port, "GET", f"/v1/notifications/unread-count?user_id={users[0]}").body
    ceiling = bench.empty_gets(counts[0], reply, sizes.connections)
    return [
        http_row("unread counts", counted, ceiling, gate=10_000, goal=25_000),
        http_row("polls without change (304)", polled, ceiling, gate=10_000, goal=25_000),
    ]


def _again(port: int, path: str) -> bytes:
    return get(path, f"if-none-match: {ask(port, 'GET', path).etag}\r\n")
