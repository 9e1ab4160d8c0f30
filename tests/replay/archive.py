"""Hours of GitHub's public events, and what must come of them: recomputed by brute force from the files alone.

Nothing here uses the code under test. The rules are those that ``tidings.contrib.gharchive`` documents: the owner of a
repository is told of a star, a fork or a comment by somebody else, and a star makes its author follow the repository
from the next event on.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
HOURS = tuple(ROOT.parent / "shared" / "data" / f"gharchive-2015-01-01-{hour}.json.gz" for hour in (0, 1, 3))
"""Three whole hours, where they are kept beside the repository."""
SAMPLE = (ROOT / "src" / "tidings" / "sample" / "gharchive-2015-01-01.json.gz",)
"""The 22 minutes that are shipped with it."""
FILES, LINES = (HOURS, 21_100) if all(path.exists() for path in HOURS) else (SAMPLE, 3_000)
"""The files to replay, and how many events they hold."""

VERBS = {
    "CommitCommentEvent": "commit_comment",
    "CreateEvent": "create",
    "DeleteEvent": "delete",
    "ForkEvent": "fork",
    "GollumEvent": "gollum",
    "IssueCommentEvent": "issue_comment",
    "IssuesEvent": "issues",
    "MemberEvent": "member",
    "PublicEvent": "public",
    "PullRequestEvent": "pull_request",
    "PullRequestReviewCommentEvent": "pull_request_review_comment",
    "PushEvent": "push",
    "ReleaseEvent": "release",
    "WatchEvent": "watch",
}
TELLS_THE_OWNER = ("commit_comment", "fork", "issue_comment", "pull_request_review_comment", "watch")


class Act(NamedTuple):
    """One line of the files. ``position`` is its number, from 1; ``at`` its time in milliseconds since 1970."""

    position: int
    at: int
    actor: str
    verb: str
    repository: str

    @property
    def told(self) -> tuple[str, ...]:
        """Who is told directly."""
        owner = self.repository.split("/")[0]
        return (owner,) if self.verb in TELLS_THE_OWNER and owner != self.actor else ()

    @property
    def topics(self) -> tuple[str, str]:
        """The topics whose timelines it is in."""
        return f"user:{self.actor}", f"repository:{self.repository}"


def acts(files: Iterable[Path]) -> list[Act]:
    """Every line of the files, in order."""
    return [_act(position, line) for position, line in enumerate(_lines(files), 1)]


def _lines(files: Iterable[Path]) -> Iterator[bytes]:
    for path in files:
        yield from gzip.decompress(path.read_bytes()).splitlines()


def _act(position: int, line: bytes) -> Act:
    raw = json.loads(line)
    at = int(datetime.fromisoformat(raw["created_at"]).timestamp() * 1000)
    return Act(position, at, raw["actor"]["login"], VERBS[raw["type"]], raw["repo"]["name"])


def timelines(history: Iterable[Act]) -> dict[str, list[int]]:
    """For every topic the positions of its events, newest first."""
    found: dict[str, list[Act]] = defaultdict(list)
    for act in history:
        for topic in set(act.topics):
            found[topic].append(act)
    return {topic: newest_first(some) for topic, some in found.items()}


def feeds(history: Iterable[Act]) -> dict[str, list[int]]:
    """For everybody who follows or is told something the positions of their feed, newest first."""
    followers: dict[str, set[str]] = defaultdict(set)
    found: dict[str, list[Act]] = defaultdict(list)
    for act in history:
        for user in (followers[act.repository] | set(act.told)) - {act.actor}:
            found[user].append(act)
        if act.verb == "watch":
            followers[act.repository].add(act.actor)
    everybody = set(found).union(*followers.values())
    return {user: newest_first(found[user]) for user in everybody}


def inboxes(history: Iterable[Act]) -> dict[str, list[int]]:
    """For everybody who is told something the positions of those events, oldest first by arrival."""
    found: dict[str, list[int]] = defaultdict(list)
    for act in history:
        for user in act.told:
            found[user].append(act.position)
    return dict(found)


def newest_first(some: Iterable[Act]) -> list[int]:
    """Positions in the order of feeds: by time, in the order of the log where the time is the same."""
    return [act.position for act in sorted(some, key=lambda act: (act.at, act.position), reverse=True)]


def keys(history: Iterable[Act], by: str, as_of_s: int, length_s: int) -> list[str]:
    """What a window counts: the key of every act in the seconds (as_of_s - length_s, as_of_s]."""
    inside = [act for act in history if as_of_s - length_s < act.at // 1000 <= as_of_s]
    match by:
        case "object":
            return [f"repository:{act.repository}" for act in inside]
        case "verb":
            return [act.verb for act in inside]
        case "actor":
            return [act.actor for act in inside]
    return ["repository"] * len(inside)
