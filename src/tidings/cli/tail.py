"""``tidings tail``: events as they happen, one line each."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import click

from tidings.cli.client import (
    BUSY,
    DEFAULT_URL,
    KEY_ENV,
    RETRY_S,
    Client,
    Frame,
    Refused,
    Unreachable,
    connect,
)
from tidings.plain_text import neutral

POLL_S = 1.0
PAGE = 100
MAX_PAGES = 50
"""Pages walked back in one poll: 5,000 events a second, more than can be read as lines."""


@click.command("tail", short_help="Print events as they happen.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The running server.")
@click.option(
    "--key-env", default=KEY_ENV, show_default=True, help="Environment variable that holds the key."
)
@click.option("--user", help="This user's stream: their feed and their notifications.")
@click.option("--topic", help="The events of one topic, type:id. [default: everyone's]")
@click.option(
    "-n",
    "--last",
    type=click.IntRange(0, PAGE),
    default=10,
    show_default=True,
    help="Show this many of the newest first.",
)
def command(url: str, key_env: str, user: str | None, topic: str | None, last: int) -> None:
    """Print the last events, then each new one as it happens, until interrupted.

    A user's stream is pushed by the server and resumes after a lost connection without a gap. Everyone's
    activity and a topic's are asked for once a second; an event dated further back than the newest hundred
    may not be noticed. A lost server is told on standard error, and waited for.

    \b
    Examples:
      tidings tail                         everyone's last ten events, then all new ones
      tidings tail --topic market:42       those of one topic
      tidings tail --user alice -n 50      what alice gets: her feed and her notifications
      tidings tail -n 100 | grep comment   each line is written as it comes
    """
    if user and topic:
        raise click.UsageError("--user and --topic exclude each other")
    path = f"/v1/topics/{quote(topic, safe='')}/activity" if topic else "/v1/activity"
    with connect(url, key_env) as client:
        for text in stream(client, user, last) if user else map(line, news(client, path, last)):
            click.echo(neutral(text))


def news(client: Client, path: str, last: int) -> Iterator[dict[str, Any]]:
    """The ``last`` newest items of an activity page, oldest first, then whatever is new, for ever."""
    page = client.get(path, limit=max(last, 1))
    position = page["position"]
    yield from reversed(page["items"][:last])
    while True:
        time.sleep(POLL_S)
        try:
            head, items = _after(client, path, position)
        except Unreachable as lost:
            _wait_for(lost)
            continue
        yield from items
        position = max(position, head)


def _after(client: Client, path: str, position: int) -> tuple[int, list[dict[str, Any]]]:
    """The head of the log, and the items with a position over ``position`` in their order."""
    found: list[dict[str, Any]] = []
    head, cursor = position, None
    for _ in range(MAX_PAGES):
        page = client.get(path, limit=PAGE, cursor=cursor)
        fresh = [item for item in page["items"] if item["position"] > position]
        found += fresh
        head = max(head, *(item["position"] for item in fresh)) if fresh else head
        cursor = page["next_cursor"]
        if not fresh or cursor is None:
            break
    return head, sorted(found, key=lambda item: int(item["position"]))


def stream(client: Client, user: str, last: int) -> Iterator[str]:
    """The ``last`` newest things a user was told, then the user's stream, as lines, for ever: when it ends or is lost, it
    is taken up again where it was."""
    inbox = client.get("/v1/notifications", user_id=user, limit=max(last, 1))
    feed = client.get("/v1/feed", user_id=user, limit=max(last, 1))
    yield f"-- connected as {user}, {inbox['unread_count']:,} unread"
    known = sorted(inbox["items"] + feed["items"], key=_when)
    yield from map(line, known[max(len(known) - last, 0) :])
    # Each page says how far it goes, so that the stream begins there: nothing is missed between them, or told twice.
    cursor = f"{inbox['epoch']}.{inbox['seq']}.{feed['position']}"
    query: dict[str, str] = {"user_id": user, "include": "notifications,activity", "last_event_id": cursor}
    while True:
        wait = RETRY_S
        try:
            for frame in client.stream("/v1/notifications/stream", **query):
                query["last_event_id"] = frame.id or query["last_event_id"]
                wait = frame.data["retry_ms"] / 1000 if frame.event == "drain" else wait
                if (text := told(frame)) is not None:
                    yield text
        except Unreachable as lost:
            _wait_for(lost)
            continue
        except Refused as refused:
            if refused.status not in BUSY:
                raise
            wait = refused.retry_after_s
        time.sleep(wait)


def _wait_for(lost: Unreachable) -> None:
    click.echo(f"{lost.message}; trying again", err=True)
    time.sleep(RETRY_S)


def _when(item: dict[str, Any]) -> str:
    return str(item.get("updated_at") or item["created_at"])


def told(frame: Frame) -> str | None:
    """A frame of a user's stream for people; None for those that carry no news."""
    data = frame.data
    match frame.event:
        case "hello" if not data["resumed"]:
            return f"-- connected as {data['user_id']}, {data['unread_count']:,} unread"
        case "reset":
            return f"-- {data['reason']}: something may be missing here"
        case "unreadable":
            return f"-- one {data['event']} could not be read: {data['why']}"
        case "feed_read":
            what = _count(len(data.get("event_ids", ())), "item") if "up_to" not in data else "everything"
            return f"-- {what} of the feed marked {'read' if data['read_at'] else 'unread'}"
        case "retracted":
            return f"-- {data['event_id']} was retracted"
        case "activity" | "notification" if "deleted" not in data:
            return line(data)
    return None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def line(item: dict[str, Any]) -> str:
    """One line for people: when, who, what, to what."""
    when = _when(item)[11:19]
    if "message" in item:
        return f"{when}  * {item['message']}"
    title = f"  {item['object_title']}" if item.get("object_title") else ""
    return f"{when}  {item['actor_id']}  {item['verb']}  {item['object_type']}:{item['object_id']}{title}"
