"""The end of the log as far as visitors may know it."""

from tidings.commit_effects import CommitEffects
from tidings.visibility import Visibility


class PublicHead:
    """The position of the last commit with a public event. The last position of the log would show visitors that events
    were published which they may not see."""

    def __init__(self, position: int) -> None:
        """``position``: the last one of the log at the start."""
        self.position = position

    def committed(self, effects: CommitEffects) -> None:
        """Take note of a commit."""
        if any(event.visibility == Visibility.PUBLIC for event in effects.added):
            self.position = effects.position
