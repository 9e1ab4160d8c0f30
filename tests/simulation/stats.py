"""What happened, counted: that nothing was found says little where little was disturbed."""

from collections import Counter

from tests.simulation.plan import ACTS, BLOWS, MERGE
from tidings.inbox_commands import NotificationState
from tidings.visibility import Visibility

ENDS = ("cut", "half-open", "crash", "drain", "age", "credential", "slow", "erased", "failed", "hung up")
"""What ends an open stream: its network with or without a sign of it, a server that dies or leaves, the stream's own age,
its credential, a reader that is slow, an erasure of its user, a store that failed while it caught up, the client."""
FRAMES = (
    "hello",
    "notification",
    "read",
    "seen",
    "activity",
    "feed_read",
    "retracted",
    "reset",
    "heartbeat",
    "reauth",
    "drain",
)
ITEMS = ("Changed", "Read", "Seen", "Activity", "FeedRead", "Retracted", "Counts", "Reset")
VISITS = ("hello", "activity", "retracted", "reset", "resume")
"""What visitors get; ``resume``: a hello that continues their cursor."""
HIDDEN = ("feed", "all", "topic")
"""The lists that an event was kept out of by its visibility or by a block."""
WIRES = ("events", "socket")
STORES = ("memory", "sqlite", "merging")
"""Where a seed keeps everything; ``merging``: in SQLite, with topics that are merged at read."""

DUE = (
    *(("disconnect", end) for end in ENDS),
    *(("frame", frame) for frame in FRAMES),
    *(("item", item) for item in ITEMS),
    *(("stream", wire) for wire in WIRES),
    *(("store", store) for store in STORES),
    *(("act", act) for act in (*ACTS, MERGE)),
    *(("mark", state.name) for state in NotificationState),
    *(("action", which) for which in ("accept", "decline", "again")),
    ("snooze", "returned"),
    *(("merge", kind) for kind in ("exact", "steps")),
    *(("visitor", visit) for visit in VISITS),
    *(("scope", scope) for scope in ("all", "topic", "mixed")),
    *(("visibility", visibility.name) for visibility in Visibility),
    *(("hidden", listed) for listed in HIDDEN),
    *(("page", which) for which in ("exact", "visitor")),
    *(("inbox", which) for which in ("exact", "removed", "shared")),
    *(("activity", which) for which in ("ids", "read_all", "undone")),
    *(("blow", blow) for blow in BLOWS),
)
"""What has to happen somewhere in the seeds of a normal run."""


class Tally(Counter[tuple[str, str]]):
    """How often each kind of thing happened: ``("disconnect", "cut")``."""

    def add(self, what: str, kind: str = "") -> None:
        """It happened once more."""
        self[what, kind] += 1

    def of(self, what: str) -> int:
        """How often, of whatever kind."""
        return sum(count for (this, _), count in self.items() if this == what)

    def missing(self) -> list[str]:
        """What never happened and should have."""
        return [" ".join(due) for due in DUE if not self[due]]

    def __str__(self) -> str:
        """The sum of it in a line."""
        ends = ", ".join(f"{end} {self['disconnect', end]:,}" for end in ENDS)
        steps, hours = self.of("act") + self.of("blow"), self.of("second") // 3_600
        return (
            f"{self.of('user'):,} users, {steps:,} steps, {hours:,} virtual hours; "
            f"{self.of('stream'):,} streams, {self.of('disconnect'):,} disconnects ({ends}), "
            f"{self.of('reconnect'):,} reconnects, {self.of('resume'):,} resumes, {self['item', 'Reset']:,} resets, "
            f"{self.of('frame'):,} frames"
        )
