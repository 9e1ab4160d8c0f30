"""``tidings tail``: events as they happen, one line each."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from tidings.cli.client import RETRY_S, CommandClient, ServerUnreachable, connect, key_env_option, url_option
from tidings.client import (
    Activity,
    Changed,
    Connection,
    Event,
    FeedRead,
    Item,
    Notification,
    ProblemError,
    Reset,
    Retracted,
    cursor_of,
)
from tidings.plain_text import neutral

POLL_S = 1.0
PAGE = 100
MAX_PAGES = 50
"""Pages walked back in one poll: 5,000 events a second, more than can be read as lines."""

_NO_TIME = datetime.fromtimestamp(0, UTC)


@click.command("tail", short_help="Print events as they happen.")
@url_option
@key_env_option
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
    activity and a topic's are polled once a second; an event dated further back than the newest hundred
    may not be noticed. With an API key they have public events only: one with the visibility "followers"
    or "recipients" is in the streams of its users. If the server is lost, the command reports it on standard
    error and waits.

    \b
    Examples:
      tidings tail                         everyone's last ten events, then all new ones
      tidings tail --topic market:42       those of one topic
      tidings tail --user alice -n 50      the feed and the notifications of alice
      tidings tail -n 100 | grep comment   each line is written as it comes
    """
    if user and topic:
        raise click.UsageError("--user and --topic exclude each other")
    with connect(url, key_env) as client:
        for text in stream(client, user, last) if user else map(line, news(client, topic, last)):
            click.echo(neutral(text))


def news(client: CommandClient, topic: str | None, last: int) -> Iterator[Event]:
    """The ``last`` newest items of a topic's activity, or of that of all users, oldest first, then new ones, without end."""
    page = client.activity_page(topic, limit=max(last, 1))
    position = page.position
    yield from reversed(page.items[:last])
    while True:
        time.sleep(POLL_S)
        try:
            head, items = _after(client, topic, position)
        except ServerUnreachable as lost:
            _say_lost(lost.message)
            time.sleep(RETRY_S)
            continue
        yield from items
        position = max(position, head)


def _after(client: CommandClient, topic: str | None, position: int) -> tuple[int, list[Event]]:
    """The head of the log, and the items with a position over ``position`` in their order."""
    found: list[Event] = []
    head, cursor = position, None
    for _ in range(MAX_PAGES):
        page = client.activity_page(topic, limit=PAGE, cursor=cursor)
        fresh = [item for item in page.items if item.position > position]
        found += fresh
        head = max(head, *(item.position for item in fresh)) if fresh else head
        cursor = page.next_cursor
        if not fresh or cursor is None:
            break
    return head, sorted(found, key=lambda item: item.position)


def stream(client: CommandClient, user: str, last: int) -> Iterator[str]:
    """The ``last`` newest items of a user's inbox and feed, then their stream, as lines, without end."""
    inbox = client.notifications_page(user=user, limit=max(last, 1))
    feed = client.feed_page(user=user, limit=max(last, 1))
    yield f"-- connected as {user}, {inbox.unread_count:,} unread"
    known: list[Notification | Event] = [*inbox.items, *feed.items]
    known.sort(key=_when)
    yield from map(line, known[max(len(known) - last, 0) :])

    def connection(now: Connection) -> None:
        if now.state == "waiting" and not now.planned:
            _say_lost(f"{client.url} cannot be reached: {now.why}")

    # The pages have their position, so that the subscription begins there: no item is missing or printed twice.
    cursor, include = cursor_of(inbox, feed), ("notifications", "activity")
    with client.subscribe(user=user, include=include, cursor=cursor, on_connection=connection) as items:
        try:
            for item in items:
                if (text := shown(item)) is not None:
                    yield text
        except ProblemError as error:
            raise client.failure(error) from None


def _say_lost(why: str) -> None:
    click.echo(f"{why}; trying again", err=True)


def _when(item: Notification | Event) -> datetime:
    """The time that a line begins with. The server gives every item one."""
    if isinstance(item, Event):
        return item.created_at
    return item.updated_at or item.created_at or _NO_TIME


def shown(item: Item) -> str | None:
    """An item of a subscription as text; None for one without news."""
    match item:
        case Reset():
            return f"-- {item.reason}: something may be missing here"
        case FeedRead():
            what = "everything" if item.up_to is not None else _count(len(item.event_ids), "item")
            return f"-- {what} of the feed marked {'read' if item.read_at else 'unread'}"
        case Retracted():
            return f"-- {item.event_id} was retracted"
        case Changed(item=Notification(deleted=True)):
            return None
        case Changed() | Activity() if item.item.unreadable:
            kind = "activity" if isinstance(item, Activity) else "notification"
            return f"-- one {kind} could not be read: {item.item.unreadable}"
        case Changed() | Activity():
            return line(item.item)
    return None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def line(item: Notification | Event) -> str:
    """One line of text: time, actor, verb, object."""
    when = f"{_when(item):%H:%M:%S}"
    if isinstance(item, Notification):
        return f"{when}  * {item.message}"
    title = f"  {item.object_title}" if item.object_title else ""
    return f"{when}  {item.actor_id}  {item.verb}  {item.object_type}:{item.object_id}{title}"
