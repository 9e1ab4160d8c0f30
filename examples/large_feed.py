"""A feed for very many users on Tidings, of whom a few have most of the followers.

Tidings decides for each topic whether its events are written into each follower's feed or merged when a feed is read,
says which and why, and keeps pages, counts and streams the same either way. It stores a repeated request once, resumes
streams, has a poll for those who cannot stream, and ranks the last minute, five minutes and hour exactly.
The team still writes: its users and what they do, and the limits of its own front door. What is not there yet: several
nodes, PostgreSQL with partitions and replicas, an archive. One process and one file carry it until then; measure with
``tidings bench`` and the figures in the README.

It uses the Python client. Run a server (``tidings serve --dev``), then ``python examples/large_feed.py``; an
argument is the number of the star's followers, by default 10,000. TIDINGS_URL names another server, TIDINGS_API_KEY
the key that it asks for. It ends with 1 when a reply is not as it should be.
"""

import os
import secrets
import sys
from typing import Any

import httpx

from tidings.client import Activity, Client, NewEvent, ProblemError, TidingsClientError, cursor_of

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8787")
KEY = os.environ.get("TIDINGS_API_KEY")
FOLLOWERS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
"""Those of the star: as many as the server's ``fanout_read_threshold_followers``."""
RUN = secrets.token_hex(4)
"""Part of each id, so that a second run meets nothing of the first."""
STAR, FRIEND, READER = f"star-{RUN}", f"friend-{RUN}", f"user-0-{RUN}"
SITE = f"site:{RUN}"


def show(what: str, found: object, expected: object) -> None:
    """Print what was found, and end with 1 if it is not what was expected."""
    print(f"{what}: {found}")
    if found != expected:
        sys.exit(f"{what}: expected {expected}")


def short(id: str) -> str:
    """An id without the part of the run."""
    return id.replace(f"-{RUN}", "")


def post(actor: str, number: int, *targets: str) -> NewEvent:
    """A post. Its number makes the idempotency key: a worker that does not know whether it was stored sends it again."""
    key = f"{actor}-{number}"
    return NewEvent(
        actor_id=actor,
        verb="post",
        object_type="post",
        object_id=key,
        topics=(SITE,),
        target_user_ids=targets,
        idempotency_key=key,
    )


def topic(name: str) -> Any:
    """How a topic's events reach its followers: one of the few routes without a call in the client."""
    headers = {"Authorization": f"Bearer {KEY}"} if KEY else {}
    reply = httpx.get(f"{URL}/v1/topics/{name}", headers=headers)
    reply.raise_for_status()
    return reply.json()


def fan_out(app: Client) -> None:
    """A star with very many followers, and a friend with one."""
    app.follow_many((f"user-{n}-{RUN}", f"user:{STAR}") for n in range(FOLLOWERS))
    app.follow(f"user:{FRIEND}", user=READER)
    app.publish_many([post(STAR, 1), post(FRIEND, 1), post(STAR, 2)])
    star, friend = topic(f"user:{STAR}"), topic(f"user:{FRIEND}")
    show("the star's followers", star["followers"], FOLLOWERS)
    show("fan-out of the star and of the friend", (star["fan_out"], friend["fan_out"]), ("read", "write"))
    page = app.feed_page(user=READER)
    found = [short(item.object_id) for item in page.items]
    show("one feed of both", found, ["star-2", "friend-1", "star-1"])


def repeated(app: Client) -> None:
    """A lost reply: the same request again has the same reply; another body with the same key is refused."""
    event = post(FRIEND, 2, READER)
    first, again = app.publish(event), app.publish(event)
    show("sent twice, stored once", first.event_id == again.event_id, True)
    try:
        app.publish(post(FRIEND, 3), key=event.idempotency_key or None)
        refused = 0
    except ProblemError as error:
        refused = error.status
    show("another event with that key", refused, 422)


def away(app: Client) -> None:
    """The reader's connection is lost; what happened meanwhile arrives on return, in order, and none of it twice."""
    inbox, feed = app.notifications_page(user=READER), app.feed_page(user=READER)
    app.publish_many([post(STAR, 4), post(FRIEND, 4, READER), post(STAR, 5)])
    include, heard = ("notifications", "activity"), []
    with app.subscribe(user=READER, include=include, cursor=cursor_of(inbox, feed)) as changes:
        for item in changes:
            heard += [short(item.item.object_id)] if isinstance(item, Activity) else []
            if len(heard) == 3:
                break
    show("on return", heard, ["star-4", "friend-4", "star-5"])
    polled = app.changes(inbox.seq, user=READER)
    show("the same by a poll: changes, unread", (len(polled.items), polled.unread_count), (1, 2))
    since_time = app.feed_new(feed.items[0].created_at, user=READER)
    show("new since a time", since_time.count >= 3, True)


def main() -> None:
    """Fan out, repeat, go away and return, and look at the top hundred."""
    with Client(URL, api_key=KEY) as app:
        fan_out(app)
        repeated(app)
        away(app)
        top = app.top("5m", "actor", topic=SITE)
        counts = {short(item.key): item.count for item in top.items}
        show("top of five minutes", counts, {"star": 4, "friend": 3})
        show("exact", top.exact, True)


if __name__ == "__main__":
    try:
        main()
    except ProblemError as error:
        sys.exit(f"the server refused: {error}")
    except (TidingsClientError, httpx.HTTPError) as error:
        sys.exit(f"{URL}: {error}")
