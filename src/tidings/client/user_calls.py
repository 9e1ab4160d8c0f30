"""What the calls of all parts of the API share: the user whom a call concerns, and lists of pages."""

from typing import Any

from tidings.client.request import OWN_USER, Series, call, part

PAGE = 100
"""Items of one request when a method iterates over all pages."""


class UserCalls:
    """The users of calls."""

    user_id: str | None = None
    has_token: bool = False
    """Whether a token names the user of calls that name none."""

    def _about(self, user: str | None) -> dict[str, Any]:
        return {"user_id": user or self.user_id}

    def _path(self, user: str | None, *parts: str) -> str:
        """A path below a user. Raises ValueError without a user, unless a token names one."""
        name = user or self.user_id
        if name is None and not self.has_token:
            raise ValueError("missing user; expected user=…, or user_id=… of the client")
        return "/".join(("/v1/users", OWN_USER if name is None else part(name), *map(part, parts)))


def pages(path: str, shape: Any, query: dict[str, Any]) -> Series[Any]:
    """The calls of all pages of a list."""
    cursor = None
    while True:
        page = yield call("GET", path, shape, query={"limit": PAGE} | query | {"cursor": cursor})
        cursor = page.next_cursor
        if cursor is None:
            return
