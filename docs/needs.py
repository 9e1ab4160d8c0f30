"""What applications need, and the tests that prove that it works.

A test states what it proves with a marker: ``@pytest.mark.need("FE1")``. The page of the needs is made of both.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent.parent / "tests"


class Need(NamedTuple):
    """A need in plain words. ``lacks`` is what is not available yet of it; of one that is not ``built``, all."""

    text: str
    lacks: str = ""
    built: bool = True


class Proof(NamedTuple):
    """A test that proves needs: its file below the folder of tests, its name, and the ids."""

    file: str
    test: str
    needs: tuple[str, ...]


AREAS: Mapping[str, str] = {
    "IN": "Ingest",
    "FE": "Feeds",
    "NO": "Notifications",
    "LI": "Live delivery",
    "TR": "Trends",
}
"""The beginnings of the ids, and what they are about."""

NEEDS: Mapping[str, Need] = {
    "IN1": Need(
        "One request publishes an event with an actor, a verb, an object, targets and a time, and returns its id."
    ),
    "IN2": Need(
        "An event carries the name of its actor, the title of its object, a title, a description and metadata."
    ),
    "IN3": Need(
        "An array of events is stored as a whole or not at all; an import has a result for each line."
    ),
    "IN4": Need(
        "A repeated request with the same idempotency key has the same result, for a day at least and across "
        "restarts; with another body, or while the first is in progress, it is refused."
    ),
    "IN5": Need(
        "An event reaches its targets and the followers of its actor, its object and its other topics."
    ),
    "IN6": Need(
        "Each limit has a name. Bad input is refused with a problem that names each field, and nothing is stored."
    ),
    "IN7": Need(
        "An acknowledged event is on disk: it survives the kill of the process and a power cut. Its fan-out takes "
        "effect exactly once."
    ),
    "IN8": Need(
        "Feeds are written with the event, or later in chunks; failed jobs are retried, kept as dead letters, and "
        "replayed; feeds can be repaired.",
        "workers in processes of their own",
    ),
    "IN9": Need(
        "An application publishes when its own records change, by hand too, and sets reminders.",
        "an integration for the signals of Django",
    ),
    "IN10": Need(
        "Feeds are built from past events for one user or all, for a number of days, with a dry run."
    ),
    "IN11": Need("An event is retracted everywhere. A user is exported, and erased."),
    "IN12": Need(
        "An event is published in the transaction of the application's own PostgreSQL.", built=False
    ),
    "IN13": Need(
        "An event is for everybody, for followers or for its recipients; no page, count, stream or trend shows it "
        "to others."
    ),
    "IN14": Need("An event is published without notifications; imports and old events alarm nobody."),
    "IN15": Need("Existing data is imported, and an outbox publishes from any database.", "CloudEvents"),
    "FE1": Need("A user's feed is listed newest first, with a cursor that stays valid while events arrive."),
    "FE2": Need(
        "Topics with many followers use fan-out on read, all others fan-out on write; a change between both loses "
        "and repeats nothing."
    ),
    "FE3": Need("The activity of all users is listed."),
    "FE4": Need("The activity of one actor, one object or any other topic is listed."),
    "FE5": Need(
        "Feeds are filtered by verb, object, topic, time and read state; a page is full, the last, or marked as "
        "partial."
    ),
    "FE6": Need("A feed has the user's own events on request."),
    "FE7": Need(
        "Each item has a read state: items are marked by id or up to a position, unread again, and hidden when "
        "read."
    ),
    "FE8": Need("A summary of a feed has the total, the unread count, counts by verb and the newest items."),
    "FE9": Need("Similar activity is grouped: five users traded on one market."),
    "FE10": Need(
        "A count of new items says how many came since a point, and when the oldest of them was created."
    ),
    "FE11": Need("A reply has only the fields that are asked for, and is compressed."),
    "FE12": Need(
        "Topics are followed and unfollowed, with their history hidden or kept, also in bulk; mutes and blocks act "
        "on past events too."
    ),
    "FE13": Need("A user who was away for months gets a full first page at once."),
    "FE14": Need("Each item of a feed states why it is there."),
    "FE15": Need(
        "The activity of all users and of a topic has the viewer's blocks and read state, new counts and a stream, "
        "without a follow."
    ),
    "FE16": Need(
        "Visitors without a credential read public activity, trends and their streams; named origins read it from "
        "other sites.",
        "Atom, JSON Feed and ActivityStreams",
    ),
    "FE17": Need("A filter takes several values and exclusions; since takes a time."),
    "NO1": Need(
        "An inbox is listed with a cursor, by type and unread state, with the exact unread count in each reply."
    ),
    "NO2": Need("The unread count is available alone, and always equals the list."),
    "NO3": Need(
        "Notifications are marked one by one, several at once, or all up to a seq; they are unread again, and "
        "archived."
    ),
    "NO4": Need("A poll returns the changes after a seq, and 304 when nothing changed."),
    "NO5": Need("Types have templates with counts; seen is not read; states have times."),
    "NO6": Need(
        "Repetitions within a window do not notify; similar events form one notification until it is read, which "
        "names its actors."
    ),
    "NO7": Need(
        "Users choose types by channel, mute topics, and set quiet hours in their time zone; a route explains each "
        "decision."
    ),
    "NO8": Need("Reminders at a time and recurring ones are set, replaced and cancelled; each fires once."),
    "NO9": Need("A broadcast reaches all users without a row for each."),
    "NO10": Need(
        "Notifications leave the application as e-mail, single or as a digest, as Web Push and as signed "
        "webhooks."
    ),
    "NO11": Need("A notification offers actions; the one that is taken is recorded once."),
    "NO12": Need(
        "An unseen count is cleared by opening the menu; notifications are snoozed, pinned, listed by state and "
        "fetched by id."
    ),
    "NO13": Need(
        "A message is taken verbatim, and titles, images and metadata reach each channel; mails are HTML with an "
        "unsubscription in one step, to confirmed addresses; webhook secrets are rotated."
    ),
    "NO14": Need(
        "Followers of actors and topics are notified if the type says so; a block removes what came before it."
    ),
    "LI1": Need(
        "A stream of Server-Sent Events resumes in a standard EventSource, completely or with a reset."
    ),
    "LI2": Need("WebSocket and long poll deliver the same frames."),
    "LI3": Need("Thousands of streams are open at once, several for each user."),
    "LI4": Need("What was missed is delivered on return, after any time."),
    "LI5": Need("Buffers are bounded in bytes; a slow reader catches up from the store and misses nothing."),
    "LI6": Need(
        "A full or stopping server refuses or ends streams gradually; clients reconnect at random times, and poll "
        "when no stream opens."
    ),
    "LI7": Need("Events are delivered across nodes.", built=False),
    "LI8": Need("Read state and counts reach all tabs and devices of the user, with a sequence number."),
    "TR1": Need(
        "The top 100 of objects, verbs, object types and actors are counted exactly over the last minute, five "
        "minutes and hour, also after a restart.",
        "the trends of several nodes together",
    ),
    "TR2": Need("Beyond the memory for exact counts, trends are approximate with a stated error."),
    "TR3": Need("Trends are compared with the window before, and have a series for a chart."),
}


def proofs() -> Iterator[Proof]:
    """All tests with a marker, by file."""
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text()
        if "mark.need(" in text:
            yield from _proofs_of(path.relative_to(TESTS).as_posix(), ast.parse(text))


def _proofs_of(file: str, module: ast.Module) -> Iterator[Proof]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            needs = tuple(need for mark in node.decorator_list for need in _named_by(mark))
            if needs:
                yield Proof(file, node.name, needs)


def _named_by(decorator: ast.expr) -> list[str]:
    """The needs of ``@pytest.mark.need(…)``; none of any other decorator."""
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.need":
        return [ast.literal_eval(argument) for argument in decorator.args]
    return []
