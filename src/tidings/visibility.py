"""Who may see an event, beyond those whom it addresses: the rules that every back-end shares."""

from enum import IntEnum
from typing import Literal

VisibilityName = Literal["public", "followers", "recipients"]


class Visibility(IntEnum):
    """The visibility of an event, the widest first.

    PUBLIC: everybody. FOLLOWERS: its recipients and those who follow one of its topics, in their feeds and on the pages of
    the topics that they follow. RECIPIENTS: its recipients, to whom a rule adds no followers then. Actors see their own
    events, but one for recipients on no page of activity.
    """

    PUBLIC = 0
    FOLLOWERS = 1
    RECIPIENTS = 2

    @property
    def reaches_followers(self) -> bool:
        """Whether a follow of one of its topics brings the event."""
        return self < Visibility.RECIPIENTS


NAMES: tuple[VisibilityName, ...] = ("public", "followers", "recipients")
"""The names by which publishers state a visibility, in the order of the values."""


def is_listed(visibility: int, follows: bool, own: bool, narrowest: int = Visibility.PUBLIC) -> bool:
    """Whether an activity page lists an event of this visibility: everybody's have those up to ``narrowest``. ``follows``:
    the viewer follows the topic of the page now; ``own``: the viewer is the actor."""
    return visibility <= narrowest or (visibility < Visibility.RECIPIENTS and (own or follows))


def may_look_up(visibility: int, own: bool, addressed: bool, follows: bool) -> bool:
    """Whether a user may look up an event by its id. ``addressed``: the user is among the targets, or in the audience of a
    broadcast; ``follows``: the user follows one of its topics now, or a follow of one covers it as
    in feeds (see ``tidings.ports``)."""
    return (
        visibility == Visibility.PUBLIC
        or own
        or addressed
        or (follows and visibility < Visibility.RECIPIENTS)
    )
