"""A fasting app on Tidings: each user's diary as a feed with read state, a summary, reminders, and actions.

Tidings keeps the feed and its counts, builds it from past events for one user or all (with a dry run), reminds at a
time or again and again in the user's time zone, respects quiet hours, offers actions on a reminder, and exports and
erases a person. The team still writes: the timer itself, and in Django the receiver of the model's signal, whose body
is ``finished`` below (call it in ``transaction.on_commit``), and the command that reads its old rows (``history``). What
is not there yet: a publication in the same transaction as the model, and retention by type: until then, erase
people or retract events.

It uses the Python client. Run a server (``tidings serve --dev``), then ``python examples/fasting.py``. TIDINGS_URL names
another server, TIDINGS_API_KEY the key that it asks for. It ends with 1 when a reply is not as it should be.
"""

import os
import secrets
import sys
from datetime import UTC, datetime, timedelta

from tidings.client import (
    Client,
    NewAction,
    NewEvent,
    NewReminder,
    Preferences,
    ProblemError,
    QuietHours,
    TidingsClientError,
)

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8787")
KEY = os.environ.get("TIDINGS_API_KEY")
RUN = secrets.token_hex(4)
"""Part of each id, so that a second run meets nothing of the first."""
ADA = f"ada-{RUN}"
DIARY = f"diary:{ADA}"
DAYS, WEEK = 30, 7
"""Days of history, and those of them that a feed begins with."""
NOW = datetime.now(UTC)


def show(what: str, found: object, expected: object) -> None:
    """Print what was found, and end with 1 if it is not what was expected."""
    print(f"{what}: {found}")
    if found != expected:
        sys.exit(f"{what}: expected {expected}")


def finished(number: int, hours: int, at: datetime | None = None) -> NewEvent:
    """A finished fast. The app is the actor, since nobody is notified of their own acts; nobody but Ada sees it. The key
    of the row makes the idempotency key: a signal that fires twice publishes once."""
    return NewEvent(
        actor_id="fasting-app",
        verb="fast_finished",
        object_type="fast",
        object_id=f"{RUN}-{number}",
        title=f"You fasted for {hours} hours",
        topics=(DIARY,),
        target_user_ids=() if at else (ADA,),
        created_at=at,
        visibility="followers",
        metadata={"hours": hours},
        idempotency_key=f"fast-{RUN}-{number}",
    )


def history() -> list[NewEvent]:
    """The rows of the time before Tidings, one fast a day, with the times at which they happened."""
    return [finished(day, 12 + day % 5, NOW - timedelta(days=day, hours=-1)) for day in range(DAYS, 0, -1)]


def populate(app: Client) -> None:
    """Import the past, which alarms nobody, and build the feed of the last week from it: first as a dry run."""
    show("imported", sum(line.error is None for line in app.import_lines(history())), DAYS)
    app.follow(DIARY, user=ADA, backfill=0)
    show("a dry run would add", app.backfill(WEEK, user=ADA, dry_run=True).created_count, WEEK)
    show("it adds", app.backfill(WEEK, user=ADA).created_count, WEEK)
    show("a repetition adds", app.backfill(WEEK, user=ADA).created_count, 0)
    show("alarms", app.unread_count(user=ADA).unread_count, 0)


def today(app: Client) -> None:
    """A fast ends now: the feed, the summary and the inbox have it; reading changes the counts."""
    event = app.publish(finished(0, 16)).event_id
    summary = app.feed_summary(user=ADA)
    show("summary: total, unread", (summary.total, summary.unread_count), (WEEK + 1, WEEK + 1))
    show("by verb", summary.verbs, {"fast_finished": WEEK + 1})
    show("newest", summary.recent[0].title, "You fasted for 16 hours")
    app.mark_feed_read([event], user=ADA)
    show("read", app.feed_summary(user=ADA).read_count, 1)
    last_days = list(app.feed(user=ADA, from_=NOW - timedelta(days=2)))
    show("the last two days", len(last_days), 3)
    seen_by_others = list(app.activity(DIARY, user=f"eve-{RUN}"))
    show("what others see", len(seen_by_others), 0)


def reminders(app: Client) -> None:
    """One that is due, with actions; and one for each evening, set again at each start, until it is cancelled."""
    preferences = Preferences(quiet_hours=QuietHours(time_zone="Europe/Berlin", start="22:00", end="07:00"))
    app.set_preferences(preferences, user=ADA)
    stop = NewAction(id="stop", label="End my fast", verb="fast_stopped")
    due = NewReminder(
        type="fast_goal",
        object_type="fast",
        object_id=f"{RUN}-goal",
        user_ids=(ADA,),
        title="You reached 16 hours",
        deliver_at=NOW - timedelta(seconds=1),
        actions=(stop, NewAction(id="on", label="Go on")),
    )
    show("a reminder that is due", app.set_reminder(f"goal-{RUN}", due).fired, True)
    item = app.notifications_page(user=ADA).items[0]
    labels = [action.label for action in item.actions]
    show("in the inbox", (item.message, labels), ("You reached 16 hours", ["End my fast", "Go on"]))
    acted = app.act(item.id, "stop", user=ADA)
    show("an action marks it read", (acted.acted is not None, acted.read_at is not None), (True, True))
    evening = NewReminder(
        type="fast_begin",
        object_type="diary",
        object_id=ADA,
        user_ids=(ADA,),
        title="Time to begin your fast",
        every="P1D",
        time_zone="Europe/Berlin",
    )
    set_again = [app.set_reminder(f"evening-{RUN}", evening).fired for _ in range(2)]
    show("each evening, fired so far", set_again, [False, False])
    app.cancel_reminder(f"evening-{RUN}")
    left = [reminder.key for reminder in app.reminders() if reminder.key.endswith(RUN)]
    show("after cancelling", left, [])


def leave(app: Client) -> None:
    """Ada takes her data with her, and is erased."""
    kinds = {str(record["kind"]) for record in app.export(user=ADA)}
    show("her export has follows and notifications", {"follow", "notification"} <= kinds, True)
    app.erase(user=ADA)
    show("after erasing", app.feed_summary(user=ADA).total, 0)


def main() -> None:
    """From the first import to the erasure."""
    with Client(URL, api_key=KEY) as app:
        populate(app)
        today(app)
        reminders(app)
        leave(app)


if __name__ == "__main__":
    try:
        main()
    except ProblemError as error:
        sys.exit(f"the server refused: {error}")
    except TidingsClientError as error:
        sys.exit(f"{URL}: {error}")
