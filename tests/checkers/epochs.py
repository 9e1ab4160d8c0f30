"""I11: what clients may believe after a restart, and after an older copy took the place of the store."""

from tidings.model import LogPosition


def goes_on(before: LogPosition, after: LogPosition) -> None:
    """The same store after a stop, a kill or a power cut: cursors hold, for everything acknowledged is there."""
    assert after.epoch == before.epoch, "the epoch was renewed, though nothing was restored"
    assert after.position >= before.position, "acknowledged events are gone"


def resets(before: LogPosition, after: LogPosition) -> None:
    """A store that was restored: every cursor of before is answered ``reset``, for a cursor names its epoch."""
    assert after.epoch != before.epoch, "old cursors look valid: what comes to their positions is skipped"
