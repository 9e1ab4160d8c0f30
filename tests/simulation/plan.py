"""What a seed is about. Each leaves out some of what can happen (swarm testing): what always happens together hides
what only happens apart."""

import random
from typing import NamedTuple

from tests.simulation.effort import SEEDS
from tidings.client.timeouts import SubscriptionTimeouts
from tidings.config import Settings
from tidings.rules import Rule, TypeAction

ACTS = (
    "post",
    "like",
    "news",
    "burst",
    "broadcast",
    "mark",
    "read_all",
    "see_all",
    "snooze",
    "take_action",
    "undo",
    "retract",
    "follow",
    "mute",
    "block",
    "read_feed",
    "mark_feed",
    "undo_feed",
    "read_activity",
    "mark_activity",
    "erase",
)
BLOWS = (
    "cut",
    "vanish",
    "stall",
    "lag",
    "loss",
    "hints",
    "disk",
    "crash",
    "drain",
    "wall",
    "away",
    "reinstall",
    "dawdle",
)
UNAIDED = ("broadcast", "news", "hints", "mute", "block", "undo", "take_action")
"""What needs the look at all heads each second, and so is left out where that is switched off. A stream that ends by itself
would heal what is to be seen, and so would every later change: little happens between two looks. What is left is so plain
that the audience of each event can be recounted."""
MARKING = ("post", "mark", "mark", "mark", "read_all", "snooze")
"""What happens in every second seed without that look. A mark takes no position of the log, so a stream that overlooked one
learns of it from nothing else: whoever catches up with a later position looks at the inbox again."""
KEPT = 0.65
"""How likely a seed has each of them."""
ERASING = 0.25
"""The same of erasing, which is rarer because it heals: it makes the hub look at everybody, and clients begin afresh."""
MERGE = "merge"
MERGING = 3
"""Merges of users happen in one seed of so many."""
CROWD_EVERY, CROWD = 250, 2_000
"""One seed in so many has a crowd of so many users, who do little; all others have few, who do much."""
MANY_USERS = 8
"""More than these have shorter storms in a normal run."""
SQLITE = 0.2
"""How likely a seed keeps everything in SQLite. Of crowds it is every second one."""

TYPES = {
    "like": Rule(),
    "alert": Rule(
        group="none",
        critical=True,
        actions=(TypeAction(id="accept", label="Accept", verb="reply"), TypeAction(id="decline", label="No")),
    ),
    "ping": Rule(group="sliding", group_by="actor", gap_s=5, read_together=True),
    "digest": Rule(group="bucket", group_by="type", bucket_s=20),
    "poke": Rule(duplicate_window_s=10),
    "news": Rule(notify="followers"),
    "reply": Rule(notify="both"),
}


class Limits(NamedTuple):
    """Bounds of the code that are made small, so that little is enough to reach them."""

    chunk: int
    heads: int
    refills: int
    heard: int
    page: int
    snapshot_pages: int
    paid: int
    behind_s: int


class Plan(NamedTuple):
    """A seed's size and weather. ``follows``: how many topics everybody follows from the beginning; ``visitors``: how many
    there are; ``hiding``: whether events are not all public; ``scopes``: whether devices listen to more than feeds;
    ``sqlite``: where everything is kept; ``gap_s``: seconds between two steps, on average; ``token_s``: how long a token is
    good; ``bus_dead``: no hint arrives, not even when it is calm; ``unaided``: hints arrive, but nobody compares heads."""

    users: int
    devices: int
    follows: int
    visitors: int
    hiding: bool
    scopes: bool
    sqlite: bool
    rounds: int
    steps: int
    gap_s: float
    acts: tuple[str, ...]
    blows: tuple[str, ...]
    token_s: float | None
    bus_dead: bool
    unaided: bool
    settings: Settings
    pace: SubscriptionTimeouts
    limits: Limits

    def __str__(self) -> str:
        """What is not as it is by default."""
        usual = Settings(types=TYPES)
        settings = {
            name: value
            for name in Settings.__struct_fields__
            if (value := getattr(self.settings, name)) != getattr(usual, name)
        }
        return "\n".join(
            f"{name}: {value}" for name, value in (self._asdict() | {"settings": settings}).items()
        )


def plan(seed: int, rng: random.Random) -> Plan:
    """The plan of a seed."""
    crowd = seed % CROWD_EVERY == CROWD_EVERY - 1
    unaided = not crowd and rng.random() < 0.2
    devices = 1 if crowd else rng.choice((1, 2, 3))
    users = CROWD if crowd else rng.choice((1, 2, 3) if unaided else (1, 2, 3, 5, 8, 13, 20))
    left_out = UNAIDED if unaided else ()
    acts = tuple(act for act in ACTS if rng.random() < _likely(act) and act not in left_out)
    blows = tuple(blow for blow in BLOWS if rng.random() < KEPT and blow not in left_out)
    drawn = Plan(
        users=users,
        devices=devices,
        follows=rng.choice((0, 1, 3)),
        visitors=0 if unaided else rng.choice((0, 1, 2)),
        hiding=not unaided and rng.random() < KEPT,
        scopes=not (unaided or crowd) and rng.random() < KEPT,
        sqlite=seed // CROWD_EVERY % 2 == 1 if crowd else rng.random() < SQLITE,
        rounds=8 if unaided else 1 if crowd else rng.choice((1, 2, 3)),
        steps=10 if unaided else 30 if crowd else rng.choice(_steps(seed, users)),
        gap_s=rng.choice((0.02, 0.1, 0.3)),
        acts=acts,
        blows=blows or ("cut",),
        token_s=None if unaided else rng.choice((None, None, 12.0, 45.0)),
        bus_dead=not unaided and rng.random() < 0.2,
        unaided=unaided,
        settings=_settings(rng, crowd, unaided, devices),
        pace=_pace(rng),
        limits=_limits(rng, crowd),
    )
    if seed % MERGING == 0 and users > 1 and not unaided:
        return drawn._replace(acts=(*acts, MERGE))
    return _marking(drawn) if unaided and seed % 2 else drawn


def _marking(plan: Plan) -> Plan:
    """The same with few users, who have one device each and mark much: little heals what one of them overlooks."""
    limits = plan.limits._replace(chunk=10)
    return plan._replace(users=2, devices=1, sqlite=False, acts=MARKING, limits=limits)


def _steps(seed: int, users: int) -> tuple[int, ...]:
    """How many steps a storm may have. Many users who do much cost the most: a normal run leaves that to longer ones."""
    return (40, 80, 160) if users <= MANY_USERS or seed >= SEEDS else (40, 80)


def _likely(act: str) -> float:
    return {"post": 1.0, "erase": ERASING}.get(act, KEPT)


def _settings(rng: random.Random, crowd: bool, unaided: bool, devices: int) -> Settings:
    return Settings(
        duplicate_window_s=0,
        heartbeat_s=4 if crowd else 1 if unaided else rng.choice((1, 4)),
        max_stream_s=600 if unaided else rng.choice((15, 60, 600)),
        stream_opens_per_s=400 if crowd else rng.choice((2, 10, 1_000, 1_000)),
        max_streams_per_user=rng.choice((devices, 8)),
        unseen_count_cap=rng.choice((3, 1_000)),
        feed_history=rng.choice((2, 1_000)),
        retraction_history=rng.choice((1, 10_000)),
        activity_history=rng.choice((8, 10_000)),
        read_all_history=rng.choice((1, 3, 1_000)),
        write_queue=rng.choice((4, 1_000)),
        group_commit_events=rng.choice((1, 5, 1_000)),
        shutdown_s=rng.choice((1, 5)),
        fan_out=rng.choice(("inline", "worker")),
        fanout_sync_max_followers=rng.choice((1, 2, 2_000)),
        fanout_read_threshold_followers=rng.choice((2, 4, 10_000)),
        fanout_read_threshold_rows_per_s=rng.choice((1, 5_000)),
        sqlite_partition_rows=rng.choice((20, 16_000)),
        types=TYPES,
    )


def _pace(rng: random.Random) -> SubscriptionTimeouts:
    """Impatient clients, so that minutes are enough for what takes hours."""
    silence_s = rng.choice((10.0, 20.0))
    return SubscriptionTimeouts(
        first_s=0.5,
        longest_s=5.0,
        healthy_s=8.0,
        open_s=3.0,
        silence_s=silence_s,
        ask_s=4.0,
        climb_s=6.0,
        wait_s=3,
        idle_s=0.5,
    )


def _limits(rng: random.Random, crowd: bool) -> Limits:
    if crowd:
        return Limits(
            chunk=100, heads=1_000, refills=4, heard=200, page=100, snapshot_pages=5, paid=2_000, behind_s=30
        )
    return Limits(
        chunk=rng.choice((1, 3, 10, 100)),
        heads=rng.choice((1, 3, 1_000)),
        refills=rng.choice((1, 4)),
        heard=rng.choice((1, 4, 200)),
        page=rng.choice((2, 5, 100)),
        snapshot_pages=rng.choice((1, 5)),
        paid=rng.choice((1, 5, 2_000)),
        behind_s=rng.choice((2, 30)),
    )
