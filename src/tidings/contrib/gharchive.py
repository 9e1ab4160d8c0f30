"""Maps GitHub's public events, as GH Archive stores them, to events. Pure: lines in, values out.

The format is described at https://www.gharchive.org and in GitHub's "Event types" reference: one JSON object
a line with ``id``, ``type``, ``actor``, ``repo``, ``payload`` and ``created_at``.

As a program it writes the events of the lines of its standard input, one body of ``POST /v1/events`` a line:
``zcat 2015-01-01-0.json.gz | python -m tidings.contrib.gharchive``.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

NOTIFIES_OWNER = frozenset(
    {"WatchEvent", "ForkEvent", "IssueCommentEvent", "CommitCommentEvent", "PullRequestReviewCommentEvent"}
)
"""Acts on a repository of which its owner is notified."""

KEPT: Mapping[str, tuple[str, ...]] = {
    "PushEvent": ("ref", "size"),
    "CreateEvent": ("ref", "ref_type"),
    "DeleteEvent": ("ref", "ref_type"),
    "ForkEvent": ("forkee.full_name",),
    "WatchEvent": ("action",),
    "ReleaseEvent": ("action",),
    "IssuesEvent": ("action", "issue.number", "issue.user.login"),
    "IssueCommentEvent": ("action", "issue.number", "issue.user.login"),
    "MemberEvent": ("action", "member.login"),
    "PullRequestEvent": ("action", "pull_request.number", "pull_request.user.login"),
    "PullRequestReviewEvent": ("action", "pull_request.number", "pull_request.user.login"),
    "PullRequestReviewCommentEvent": ("action", "pull_request.number", "pull_request.user.login"),
}
"""Paths of the payload that a feed needs. An original payload has 17 KB at the 99th percentile, mostly texts and URLs, and
would often exceed the cap of metadata; of a type that is not listed nothing is kept."""

_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


class _Login(msgspec.Struct):
    login: str


class _Repository(msgspec.Struct):
    name: str


class _Line(msgspec.Struct):
    id: str
    type: str
    actor: _Login
    repo: _Repository
    created_at: str
    payload: dict[str, Any] = {}


class Publication(NamedTuple):
    """The publication of a line: the body of ``POST /v1/events``, and the (user, topic) to follow right after it, if any.
    ``place`` is that of the line, as FILE:LINE."""

    body: dict[str, Any]
    follow: tuple[str, str] | None = None
    place: str = ""


_decode = msgspec.json.Decoder(_Line).decode


def publication(line: bytes) -> Publication:
    """One line of an archive as an event.

    The actor is the login, the object ``repository:owner/name``, the verb the type in snake case without "event". The owner
    is the target of a star, a fork and a comment by another user. A star (WatchEvent) makes its actor follow the repository
    *after* it: their own star is no news to them, later events are.

    Raises ValueError if the line is not such an event.
    """
    try:
        raw = _decode(line)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    actor, repository = raw.actor.login, raw.repo.name
    body: dict[str, Any] = {
        "idempotency_key": f"gh:{raw.id}",
        "actor_id": actor,
        "verb": verb(raw.type),
        "object_type": "repository",
        "object_id": repository,
        "created_at": raw.created_at,
        "actor_name": actor,
        "object_title": repository,
        "metadata": cut(raw.type, raw.payload),
    }
    owner = repository.partition("/")[0]
    if raw.type in NOTIFIES_OWNER and owner != actor:
        body["target_user_ids"] = [owner]
    return Publication(body, (actor, f"repository:{repository}") if raw.type == "WatchEvent" else None)


def verb(kind: str) -> str:
    """GitHub's type of an event as a verb: ``PullRequestReviewCommentEvent`` is
    ``pull_request_review_comment``."""
    return _HUMP.sub("_", kind.removesuffix("Event")).lower()


def cut(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a payload that a feed needs (:data:`KEPT`), in the payload's own shape."""
    kept: dict[str, Any] = {}
    for path in KEPT.get(kind, ()):
        _copy(payload, kept, path.split("."))
    return kept


def _copy(source: Mapping[str, Any], goal: dict[str, Any], path: list[str]) -> None:
    name, rest = path[0], path[1:]
    if name not in source:
        return
    if not rest:
        goal[name] = source[name]
    elif isinstance(source[name], Mapping):
        _copy(source[name], goal.setdefault(name, {}), rest)


def main() -> None:
    """Write the event of each line of standard input. Raises ValueError at the first line that is none."""
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(publication(line).body) + b"\n")


if __name__ == "__main__":
    main()
