"""The end of the log as far as visitors may know it."""

from tidings.commit_effects import CommitEffects
from tidings.feed_changes import ACTIVITY_HISTORY
from tidings.visibility import Visibility


class PublicHead:
    """The position of the last commit with a public event. The last position of the log would show visitors that events
    were published which they may not see."""

    def __init__(self, position: int, history: int = ACTIVITY_HISTORY) -> None:
        """``position``: the last one of the log at the start; ``history``: positions within which a stream continues."""
        self.position = position
        self._most_behind = history // 2

    def committed(self, effects: CommitEffects) -> None:
        """Take note of a commit."""
        if any(event.visibility == Visibility.PUBLIC for event in effects.added):
            self.position = effects.position

    def beginning(self, head: int) -> int:
        """The position at which a stream begins while this is the last one of the log: the public one, unless a stream could
        not continue from it."""
        return self.position if 0 <= head - self.position <= self._most_behind else head
