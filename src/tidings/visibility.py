"""Who may see an event, beyond those whom it addresses: the rules that every back-end shares."""

from enum import IntEnum
from typing import Literal, NamedTuple

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


VISITOR = "\x1f"
"""The viewer of a read without a credential, who sees what is public. No user has this id: ids have no control
characters."""

NAMES: tuple[VisibilityName, ...] = ("public", "followers", "recipients")
"""The names by which publishers state a visibility, in the order of the values."""
BY_NAME = dict(zip(NAMES, Visibility, strict=True))
"""The visibility of each name."""


def is_listed(
    visibility: Visibility,
    *,
    of_topic: bool,
    follows: bool,
    own: bool,
    narrowest: Visibility = Visibility.PUBLIC,
) -> bool:
    """Whether a page of activity lists an event of this visibility, if no block hides it: each page those up to
    ``narrowest``, the page of a topic more. ``of_topic``: it is the page of a topic, not of everybody's events; ``follows``:
    the viewer follows that topic now; ``own``: the viewer is the actor."""
    return visibility <= narrowest or (of_topic and visibility.reaches_followers and (own or follows))


class LookUpFacts(NamedTuple):
    """The facts about a user and an event that permit a look-up by its id; by default those of a user without any.

    ``own``: the user is the actor; ``target``: is among the targets; ``in_audience``: is in the audience of the broadcast,
    in which no VISITOR is; ``notified``: has or had it in the inbox; ``follows``: follows one of its topics now;
    ``covered``: a follow of one of its topics covers it, as in feeds (see ``tidings.ports``); ``blocked``: a block is
    between the user and the actor.
    """

    own: bool = False
    target: bool = False
    in_audience: bool = False
    notified: bool = False
    follows: bool = False
    covered: bool = False
    blocked: bool = False


def may_look_up(visibility: Visibility, user: LookUpFacts) -> bool:
    """Whether a user may look up an event by its id."""
    recipient = user.target or user.in_audience or user.notified
    follower = (user.follows or user.covered) and not user.blocked
    return (
        visibility == Visibility.PUBLIC
        or user.own
        or recipient
        or (follower and visibility.reaches_followers)
    )
