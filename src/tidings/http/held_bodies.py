"""How much of request bodies this process holds: from when they arrive until their requests are answered."""

from tidings.config import MIB, Settings
from tidings.errors import TooManyRequests, Unavailable
from tidings.http.byte_account import ByteAccount

RETRY_AFTER_S = 2
"""Seconds after which a client may come back: a full account is written within a second or two."""


class HeldBodies(ByteAccount):
    """Bytes of the bodies of requests that are not answered yet. What is built of a body, and waits to be written, takes up
    to four times as much."""

    def hold(self, one: str, held: int, size: int) -> None:
        """Have a request of this address, which holds ``held`` bytes, hold ``size``. Raises TooManyRequests, Unavailable;
        not while nothing else is held: however low the bounds, one body fits."""
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
