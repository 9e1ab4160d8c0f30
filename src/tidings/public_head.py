"""The end of the log as far as visitors may know it."""

from tidings.commit_effects import CommitEffects
from tidings.feed_changes import ACTIVITY_HISTORY


class PublicHead:
    """The last position of a public event, of the retraction of one, or of an erasure. The last position of the log, or a
    comparison with it, would show visitors that events were published which they may not see."""

    def __init__(self, position: int, history: int = ACTIVITY_HISTORY) -> None:
        """``position``: the last one of the log at the start; ``history``: positions within which a stream continues."""
        self.position = position
        self._most_behind = history // 4
        self._within = history - self._most_behind

    def committed(self, effects: CommitEffects) -> None:
        """Take note of a commit."""
        self.position = max(self.position, effects.public_position)

    def beginning(self, head: int) -> int:
        """The position at which a stream begins while this is the last one of the log. If a stream could not continue from
        the public one much longer, that moves to the last one, and stays there: it shows one number, not each commit."""
        if head - self.position > self._most_behind:
            self.position = head
        return self.position

    @property
    def oldest(self) -> int:
        """The position from which a stream of a visitor continues at least. A comparison with the last one of the log would
        show that one, to a visitor who tries cursor after cursor."""
        return self.position - self._within
