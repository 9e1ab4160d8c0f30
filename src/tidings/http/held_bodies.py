"""The account of request bodies that this process holds, from their arrival until the responses of their requests."""

from tidings.config import MIB, Settings
from tidings.errors import TooManyRequests, Unavailable
from tidings.http.byte_account import ByteAccount

RETRY_AFTER_S = 2
"""Seconds after which a client may retry: a full account is written within a second or two."""


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
