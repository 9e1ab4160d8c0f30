"""A social feed like GitHub's on Tidings, with real public events of GitHub: what those whom you follow do, live.

Tidings imports the history without alarming anybody, keeps each user's feed and its pages, pushes what is new, mutes
and blocks, and ranks the most active repositories. The team still writes: the translation of its own events
(``translated`` below), the import of its follow graph, its accounts with the tokens of its users, and the pages.

It uses the Python client. Run a server (``tidings serve --dev``), then ``python examples/social.py``. TIDINGS_URL names
another server, TIDINGS_API_KEY the key that it asks for. It ends with 1 when a reply is not as it should be.
"""

import gzip
import json
import os
import re
import secrets
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from itertools import islice
from typing import Any

from msgspec.structs import replace

from tidings.client import Activity, Client, NewEvent, ProblemError, TidingsClientError

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8787")
KEY = os.environ.get("TIDINGS_API_KEY")
RUN = secrets.token_hex(4)
"""Part of each id, so that a second run meets nothing of the first."""
SITE = f"site:{RUN}"
READER = f"reader-{RUN}"
EVENTS = 400
"""Events of the sample that comes with Tidings: the first minutes of 2015 on GitHub, with other names."""


def show(what: str, found: object, expected: object) -> None:
    """Print what was found, and end with 1 if it is not what was expected."""
    print(f"{what}: {found}")
    if found != expected:
        sys.exit(f"{what}: expected {expected}")


def translated(line: dict[str, Any]) -> NewEvent:
    """An event of GitHub as one of Tidings. Its own id is the idempotency key; its time is left out, so that the trends
    of the last hour count it."""
    name, repository = line["actor"]["login"], line["repo"]["name"]
    owner = repository.partition("/")[0]
    return NewEvent(
        actor_id=f"{name}-{RUN}",
        actor_name=name,
        verb=re.sub(r"(?<!^)(?=[A-Z])", "_", line["type"].removesuffix("Event")).lower(),
        object_type="repository",
        object_id=f"{repository}-{RUN}",
        object_title=repository,
        topics=(SITE,),
        target_user_ids=() if owner == name else (f"{owner}-{RUN}",),
        idempotency_key=f"{line['id']}-{RUN}",
    )


def history() -> Iterator[NewEvent]:
    """The events of the sample."""
    sample = files("tidings") / "sample" / "gharchive-2015-01-01.json.gz"
    with sample.open("rb") as packed, gzip.open(packed) as lines:
        yield from (translated(json.loads(line)) for line in islice(lines, EVENTS))


def star(actor: str, name: str | None) -> NewEvent:
    """Somebody stars a repository."""
    thing = translated(
        {
            "id": secrets.token_hex(4),
            "type": "WatchEvent",
            "actor": {"login": name},
            "repo": {"name": "me/new"},
        }
    )
    return replace(thing, actor_id=actor)


def read_while_it_moves(app: Client, expected: int) -> None:
    """A reader leafs through the feed while somebody goes on working: nothing comes twice, and nothing is left out."""
    page = app.feed_page(user=READER, limit=5)
    position, busy = page.position, page.items[0]
    seen = [item.event_id for item in page.items]
    while page.next_cursor:
        app.publish(star(busy.actor_id, busy.actor_name))
        page = app.feed_page(user=READER, limit=5, cursor=page.next_cursor)
        seen += [item.event_id for item in page.items]
    show("the reader's feed, page by page", (len(seen), len(set(seen))), (expected, expected))
    show("new since the first page", app.feed_new(position, user=READER).count > 0, True)


def listen(app: Client, actor: str) -> None:
    """The reader has the page open: the next event arrives by itself."""
    with app.subscribe(user=READER, include=("activity",), fresh=True) as changes:
        next(changes)  # the state to begin with
        sent = app.publish(star(actor, "somebody")).event_id
        arrived = next(item.item for item in changes if isinstance(item, Activity))
        show("arrived live", arrived.event_id == sent, True)


def bells(app: Client, events: list[NewEvent]) -> None:
    """Owners find what was done to their repositories, and no import alarmed them; what happens now does."""
    owner = next(event.target_user_ids[0] for event in events if event.target_user_ids)
    inbox = app.notifications_page(user=owner)
    show("an owner's inbox has the history, read", (bool(inbox.items), inbox.unread_count), (True, 0))
    app.publish(replace(star("fan", "Fan"), target_user_ids=(owner,)))
    show("and one new star", app.unread_count(user=owner).unread_count, 1)


def main() -> None:
    """Import the history, follow the three busiest, read, and listen."""
    events = list(history())
    busiest = [actor for actor, _ in Counter(event.actor_id for event in events).most_common(3)]
    most = max(Counter(event.object_id for event in events).values())
    with Client(URL, api_key=KEY) as app:
        show("imported", sum(line.error is None for line in app.import_lines(events)), EVENTS)
        top = app.top("1h", "object", 1, topic=SITE).items[0]
        show("events of the most active repository", top.count, most)
        app.follow_many((READER, f"user:{actor}") for actor in busiest)
        read_while_it_moves(app, sum(event.actor_id in busiest for event in events))
        listen(app, busiest[0])
        bells(app, events)
        app.mute(f"user:{busiest[0]}", user=READER)
        left = {item.actor_id for item in app.feed(user=READER)}
        show("after a mute the reader sees the others alone", left == set(busiest[1:]), True)


if __name__ == "__main__":
    try:
        main()
    except ProblemError as error:
        sys.exit(f"the server refused: {error}")
    except TidingsClientError as error:
        sys.exit(f"{URL}: {error}")
