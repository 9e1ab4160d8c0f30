"""A week of real activity and who follows whom, or a likeness of it where the files are not at hand.

The files are those of the Higgs data set (SNAP; De Domenico et al. 2013): ``higgs-activity_time.txt.gz`` with lines
``actor target second kind``, and ``higgs-retweet_network.edgelist.gz`` with lines ``follower followed weight``.
"""

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from tidings.timeutil import rfc3339

ACTIVITY, GRAPH = "higgs-activity_time.txt.gz", "higgs-retweet_network.edgelist.gz"
VERBS = {"RT": "retweet", "MT": "mention", "RE": "reply"}

# The likeness: as many acts, follows and people, and as many acts that reach nobody.
ACTS, FOLLOWS, PEOPLE = 563_069, 328_132, 256_491
UNHEARD = 0.825
"""Share of the acts whose actor has no followers."""
LOUDNESS = 0.35
"""Of those who are followed, how often one acts: followers to this power. It makes about 4.5 entries an act."""
FIRST_SECOND = 1_341_100_972


class Act(NamedTuple):
    """Somebody did something to somebody, at a second since 1970."""

    actor: str
    target: str
    second: int
    verb: str


class Week(NamedTuple):
    """What happened in order, and (follower, followed)."""

    acts: list[Act]
    follows: list[tuple[str, str]]

    def entries(self) -> int:
        """Feed entries that follow from it, counted one by one: everyone else who follows the actor has the act."""
        followers = Counter(followed for follower, followed in set(self.follows) if follower != followed)
        return sum(followers[act.actor] for act in self.acts)

    def arrays(self, size: int) -> Iterator[bytes]:
        """The acts as bodies of POST /v1/events.

        The object is an ``account`` and not a ``user``: that topic would bring the act to the target's followers
        too, 800 million entries in all.
        """
        for at in range(0, len(self.acts), size):
            yield msgspec.json.encode([_event(act) for act in self.acts[at : at + size]])


def load(folder: Path, limit: int | None) -> tuple[Week, bool]:
    """The first ``limit`` acts of the week with the follows of their actors, and whether they are the real ones."""
    real = (folder / ACTIVITY).exists() and (folder / GRAPH).exists()
    week = _read(folder) if real else _likeness()
    if limit is None:
        return week, real
    acts = week.acts[:limit]
    actors = {act.actor for act in acts}
    return Week(acts, [pair for pair in week.follows if pair[1] in actors]), real


def _read(folder: Path) -> Week:
    with gzip.open(folder / ACTIVITY, "rt") as file:
        rows = [line.split() for line in file]
    with gzip.open(folder / GRAPH, "rt") as file:
        follows = [(follower, followed) for follower, followed, _ in map(str.split, file)]
    return Week(
        [Act(actor, target, int(second), VERBS[kind]) for actor, target, second, kind in rows], follows
    )


def _likeness() -> Week:
    """Followers by Zipf's law; the more followers, the more acts, but most acts by those who have none."""
    draw, people = Random(1), [str(number) for number in range(PEOPLE)]
    weights = [1 / (rank + 2) for rank in range(PEOPLE)]
    followed = draw.choices(people, weights, k=FOLLOWS)
    follows = [
        pair
        for pair in dict.fromkeys(zip(draw.choices(people, k=FOLLOWS), followed, strict=True))
        if pair[0] != pair[1]
    ]
    heard = Counter(followed for _, followed in follows)
    unheard = [person for person in people if person not in heard]
    loud = draw.choices(list(heard), [number**LOUDNESS for number in heard.values()], k=ACTS)
    acts = [
        Act(
            draw.choice(unheard) if draw.random() < UNHEARD else actor,
            draw.choice(people),
            FIRST_SECOND + at,
            draw.choice(list(VERBS.values())),
        )
        for at, actor in enumerate(loud)
    ]
    return Week(acts, follows)


def _event(act: Act) -> dict[str, str]:
    return {
        "actor_id": act.actor,
        "verb": act.verb,
        "object_type": "account",
        "object_id": act.target,
        "created_at": rfc3339(act.second * 1000),
    }
