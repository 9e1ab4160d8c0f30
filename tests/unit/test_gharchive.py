"""GitHub's events as events of ours, checked line by line against real ones."""

import json
from typing import Any, NamedTuple

import pytest

from tidings.contrib.gharchive import publication, verb


class Case(NamedTuple):
    """A line of the archive of 2015-01-01, and what has to come of it."""

    line: str
    verb: str
    metadata: dict[str, Any]
    target: str | None = None
    follows: bool = False


def line(kind: str, actor: str, repo: str, payload: str, id: str = "2489368070") -> str:
    """A line in the archive's own shape, with the parts that differ."""
    return (
        f'{{"id":"{id}","type":"{kind}","actor":{{"id":9152315,"login":"{actor}"}},'
        f'"repo":{{"id":28635890,"name":"{repo}"}},"payload":{payload},"public":true,'
        '"created_at":"2015-01-01T00:00:06Z","org":{"id":9995739,"login":"somebody"}}'
    )


ISSUE = '{"action":"created","issue":{"number":1,"user":{"login":"velvet-grouse-614"}}}'
PULL = '{"action":"opened","pull_request":{"number":617,"user":{"login":"polite-swan-903"}}}'

CASES = {
    "PushEvent": Case(
        line(
            "PushEvent", "amber-swallow-675", "amber-swallow-675/bot", '{"ref":"refs/heads/master","size":1}'
        ),
        "push",
        {"ref": "refs/heads/master", "size": 1},
    ),
    "CreateEvent": Case(
        line(
            "CreateEvent",
            "frank-dunlin-730",
            "frank-dunlin-730/Vadek",
            '{"ref_type":"branch","ref":"master"}',
        ),
        "create",
        {"ref_type": "branch", "ref": "master"},
    ),
    "DeleteEvent": Case(
        line("DeleteEvent", "agile-condor-969", "modest-dingo-547/chat", '{"ref_type":"branch","ref":"rtc"}'),
        "delete",
        {"ref_type": "branch", "ref": "rtc"},
    ),
    "WatchEvent": Case(
        line("WatchEvent", "plucky-albatross-135", "merry-lynx-140/lsb", '{"action":"started"}'),
        "watch",
        {"action": "started"},
        target="merry-lynx-140",
        follows=True,
    ),
    "ForkEvent": Case(
        line(
            "ForkEvent",
            "clever-kestrel-563",
            "valiant-bunting-406/macvim",
            '{"forkee":{"full_name":"clever-kestrel-563/macvim","id":1}}',
        ),
        "fork",
        {"forkee": {"full_name": "clever-kestrel-563/macvim"}},
        target="valiant-bunting-406",
    ),
    "IssueCommentEvent": Case(
        line("IssueCommentEvent", "agile-seal-434", "ruby-stork-825/website", ISSUE),
        "issue_comment",
        json.loads(ISSUE),
        target="ruby-stork-825",
    ),
    "IssuesEvent": Case(
        line("IssuesEvent", "nimble-hawk-973", "upbeat-panther-129/selfhub", ISSUE),
        "issues",
        json.loads(ISSUE),
    ),
    "PullRequestEvent": Case(
        line("PullRequestEvent", "polite-swan-903", "scarlet-skua-162/FAKE", PULL),
        "pull_request",
        json.loads(PULL),
    ),
    "PullRequestReviewCommentEvent": Case(
        line("PullRequestReviewCommentEvent", "nimble-hawk-973", "upbeat-panther-129/selfhub", PULL),
        "pull_request_review_comment",
        json.loads(PULL),
        target="upbeat-panther-129",
    ),
    "CommitCommentEvent": Case(
        line(
            "CommitCommentEvent", "amber-rabbit-868", "silver-snipe-450/GitHubScout", '{"comment":{"id":1}}'
        ),
        "commit_comment",
        {},
        target="silver-snipe-450",
    ),
    "GollumEvent": Case(
        line("GollumEvent", "fabled-alpaca-664", "fabled-alpaca-664/sandbox", "{}"), "gollum", {}
    ),
    "ReleaseEvent": Case(
        line(
            "ReleaseEvent", "agile-finch-566", "humble-ibex-157/dealii", '{"action":"published","release":{}}'
        ),
        "release",
        {"action": "published"},
    ),
    "MemberEvent": Case(
        line(
            "MemberEvent",
            "lunar-finch-901",
            "lunar-finch-901/code",
            '{"action":"added","member":{"login":"witty-linnet-471"}}',
        ),
        "member",
        {"action": "added", "member": {"login": "witty-linnet-471"}},
    ),
    "PublicEvent": Case(
        line("PublicEvent", "amber-salmon-907", "amber-salmon-907/csee6868", "{}"), "public", {}
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_type_of_the_archive_becomes_its_event(kind: str) -> None:
    """Every type of event has its verb, its cut payload, its target and its follow."""
    case = CASES[kind]
    raw = json.loads(case.line)
    actor, repo = raw["actor"]["login"], raw["repo"]["name"]
    body, follow, _ = publication(case.line.encode())
    assert body.pop("target_user_ids", None) == ([case.target] if case.target else None)
    assert body == {
        "idempotency_key": "gh:2489368070",
        "actor_id": actor,
        "verb": case.verb,
        "object_type": "repository",
        "object_id": repo,
        "created_at": "2015-01-01T00:00:06Z",
        "actor_name": actor,
        "object_title": repo,
        "metadata": case.metadata,
    }
    assert follow == ((actor, f"repository:{repo}") if case.follows else None)


@pytest.mark.parametrize("kind", [kind for kind, case in CASES.items() if case.target])
def test_owners_are_not_notified_of_their_own_acts(kind: str) -> None:
    """An owner who stars, forks or comments in their own repository is nobody's target."""
    body, *_ = publication(line(kind, "alice", "alice/lamp", "{}").encode())
    assert "target_user_ids" not in body


def test_a_type_that_came_later_is_still_an_event() -> None:
    """An unknown type gets its verb by the same rule and keeps nothing of its payload."""
    body, follow, _ = publication(line("SponsorshipEvent", "alice", "bob/lamp", '{"secret":"x"}').encode())
    assert (body["verb"], body["metadata"], follow) == ("sponsorship", {}, None)


def test_a_payload_of_another_shape_is_cut_to_what_is_there() -> None:
    """Null or text where an object was expected is left out, not an error."""
    body, *_ = publication(
        line("IssuesEvent", "alice", "bob/lamp", '{"action":"opened","issue":null}').encode()
    )
    assert body["metadata"] == {"action": "opened"}


@pytest.mark.parametrize(
    "bad", ["", "{", "[]", '{"id":"1"}', CASES["PushEvent"].line.replace('"2489368070"', "7")]
)
def test_a_line_that_is_no_event_is_refused(bad: str) -> None:
    """Broken JSON and missing or mistyped fields raise ValueError."""
    with pytest.raises(ValueError, match=r"."):
        publication(bad.encode())


def test_a_verb_is_the_type_in_snake_case() -> None:
    """Each hump of the type is a word; the last word, Event, is left out."""
    assert verb("PullRequestReviewCommentEvent") == "pull_request_review_comment"
