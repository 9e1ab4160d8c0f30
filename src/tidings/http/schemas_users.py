"""The schemas of replies about users."""

from tidings.http.schemas import Schema


class DisplayName(Schema):
    """The newest known display name of a user, null without one."""

    user_id: str
    name: str | None
