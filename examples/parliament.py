"""A site on which citizens follow members of parliament, on Tidings.

Tidings keeps each citizen's feed with the read state of each item, counts what is new, brings it live (for a toast), tells
all tabs and devices of a citizen what one of them read, notifies followers of what a member votes, and delivers on
return what was missed, were it days later. The team still writes: the import from the parliament's records
(``said`` and ``voted`` below), the accounts with their tokens, and the pages. What is not there yet: delivery
across several nodes.

It uses the Python client; ``follow_parliament.py`` shows the stream with the standard library alone. Run a server
(``tidings serve --dev``), then ``python examples/parliament.py``. TIDINGS_URL names another server, TIDINGS_API_KEY the
key that it asks for. It ends with 1 when a reply is not as it should be.
"""

import os
import secrets
import sys

from tidings.client import (
    Activity,
    Changed,
    Client,
    FeedRead,
    FeedState,
    InboxState,
    NewEvent,
    ProblemError,
    Subscription,
    TidingsClientError,
)

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8787")
KEY = os.environ.get("TIDINGS_API_KEY")
RUN = secrets.token_hex(4)
"""Part of each id, so that a second run meets nothing of the first."""
CITIZEN, ADA, BILL = f"citizen-{RUN}", f"mp-ada-{RUN}", f"water-{RUN}"
RULE = {"verbs": ["voted"], "notify": ["targets", "actor_followers"]}
"""Followers of a member are notified of votes; all else is in their feed only."""
FIRST, TOAST = "Before anybody followed", "Ada spoke: On the rivers of the north"


def show(what: str, found: object, expected: object) -> None:
    """Print what was found, and end with 1 if it is not what was expected."""
    print(f"{what}: {found}")
    if found != expected:
        sys.exit(f"{what}: expected {expected}")


def said(title: str) -> NewEvent:
    """A speech of a member on a bill, as the importer of the records makes it."""
    return act("spoke", title, {"words": len(title.split())})


def voted(answer: str) -> NewEvent:
    """A vote of a member on a bill."""
    return act("voted", f"Ada voted {answer} on the Water Bill", {"vote": answer})


def act(verb: str, title: str, metadata: dict[str, object]) -> NewEvent:
    """What a member did about a bill."""
    return NewEvent(
        actor_id=ADA,
        actor_name="Ada",
        verb=verb,
        object_type="bill",
        object_id=BILL,
        object_title="Water Bill",
        title=title,
        metadata=metadata,
    )


def arrival(tab: Subscription) -> Activity:
    """The next item that reaches a tab live."""
    return next(item for item in tab if isinstance(item, Activity))


def two_tabs(app: Client) -> str:
    """A citizen has the site open twice: an item reaches both, and what one reads is read in the other. The cursor of the
    first tab when it is closed."""
    include = ("notifications", "activity")
    with (
        app.subscribe(user=CITIZEN, include=include, fresh=True) as one,
        app.subscribe(user=CITIZEN, include=include, fresh=True) as other,
    ):
        feed, inbox = FeedState(), InboxState()
        feed.apply(next(one))
        feed.apply(next(other))
        event = app.publish(said("On the rivers of the north"))
        toast = arrival(one)
        show("toast", f"{toast.item.actor_name} {toast.item.verb}: {toast.item.title}", TOAST)
        feed.apply(arrival(other))
        app.mark_feed_read([event.event_id], user=CITIZEN)
        feed.apply(next(item for item in other if isinstance(item, FeedRead)))
        show("read in one tab, read in the other", feed.items[0].read_at is not None, True)
        app.publish(voted("yes"))
        change = next(item for item in other if isinstance(item, Changed))
        inbox.apply(change)
        show("the bell", (inbox.unread_count, inbox.items[0].message), (1, "Ada voted yes on the Water Bill"))
        return arrival(one).cursor


def away(app: Client, cursor: str) -> None:
    """The citizen closed the laptop. On return the stream brings what was missed, and the feed knows how much is new."""
    before = app.feed_page(user=CITIZEN)
    app.publish_many([said("A question on pipes"), said("An answer on pipes")])
    new = app.feed_new(before.position, user=CITIZEN)
    show("new while away", (new.count, new.oldest_new_at is not None), (2, True))
    with app.subscribe(user=CITIZEN, include=("activity",), cursor=cursor) as changes:
        missed = [arrival(changes).item.title for _ in range(2)]
    show("missed", missed, ["A question on pipes", "An answer on pipes"])


def reading(app: Client) -> None:
    """All up to a point is read, what comes after it stays unread; read items can be hidden, and a slip undone."""
    page = app.feed_page(user=CITIZEN)
    app.publish(said("A word too late"))
    read = app.mark_feed_read(user=CITIZEN, up_to=page.position)
    unread = [item.title for item in app.feed(user=CITIZEN, read=False)]
    show("hide what is read", unread, ["A word too late"])
    app.undo_feed_read(read.undo or "", user=CITIZEN)
    show("undone", len(list(app.feed(user=CITIZEN, read=False))) > 1, True)


def main() -> None:
    """Follow, listen in two tabs, go away and return, and read."""
    with Client(URL, api_key=KEY) as app:
        app.declare_type("vote", RULE)
        app.publish(said(FIRST))
        app.follow(f"user:{ADA}", user=CITIZEN)
        show("her latest, on following", [item.title for item in app.feed(user=CITIZEN)], [FIRST])
        cursor = two_tabs(app)
        away(app, cursor)
        reading(app)
        record = [event.verb for event in app.activity(f"bill:{BILL}", user=CITIZEN, verb="voted")]
        show("votes on the bill's page", record, ["voted"])


if __name__ == "__main__":
    try:
        main()
    except ProblemError as error:
        sys.exit(f"the server refused: {error}")
    except TidingsClientError as error:
        sys.exit(f"{URL}: {error}")
