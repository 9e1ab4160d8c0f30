"""Accounts of bytes that this process holds for clients, in all and by address; and that of request bodies, from their
arrival until the responses of their requests."""

from tidings.config import MIB, Settings
from tidings.errors import TooManyRequests, Unavailable

RETRY_AFTER_S = 2
"""Seconds after which a client may retry: a full account is written within a second or two."""


class ByteAccount:
    """``most`` bytes in all, ``most_of_one`` for one address. Bytes counted under "" count in all only."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._of: dict[str, int] = {}
        self.total = 0

    def change(self, one: str, by: int) -> None:
        """Add so many bytes to the account of this address, or remove them."""
        self.total += by
        left = self._of.get(one, 0) + by
        if left:
            self._of[one] = left
        else:
            self._of.pop(one, None)

    def full_for_one(self, one: str, size: int) -> bool:
        """Whether so many more bytes exceed the bound of this address."""
        return bool(one) and self._of.get(one, 0) + size > self._most_of_one

    def full(self, size: int) -> bool:
        """Whether so many more bytes exceed the bound of the total."""
        return self.total + size > self._most


class HeldBodies(ByteAccount):
    """Bytes of the bodies of requests without a response yet. The objects that are built of a body and wait to be written
    take up to four times as much."""

    def hold(self, one: str, held: int, size: int) -> None:
        """Change the bytes that a request of this address holds from ``held`` to ``size``. Raises TooManyRequests,
        Unavailable, but not if nothing else is held: one body fits however low the bounds are."""
        more = size - held
        if self.total > held:
            if self.full_for_one(one, more):
                detail = "Your address sends too many large bodies at once: await the responses."
                raise TooManyRequests(detail, RETRY_AFTER_S)
            if self.full(more):
                raise Unavailable("too many large bodies are being received", RETRY_AFTER_S)
        self.change(one, more)


def held_bodies_of(settings: Settings) -> HeldBodies:
    """The account of a server with these settings."""
    return HeldBodies(settings.max_body_mib * MIB, settings.max_body_mib_per_address * MIB)
