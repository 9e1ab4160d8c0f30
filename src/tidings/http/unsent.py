"""The account of responses that wait in this process for their clients to take them."""

from tidings.config import KIB, MIB, Settings
from tidings.errors import TidingsError, TooManyRequests, Unavailable
from tidings.http.byte_account import ByteAccount

SMALL_BYTES = KIB
"""Bytes up to which a response is never refused: health checks, counts, refusals."""
RETRY_AFTER_S = 5
"""Seconds after which a client may retry: waiting bytes are taken or dropped in time."""


class Unsent(ByteAccount):
    """Bytes of responses that were given to connections and not taken by their clients: in all, and for one address. Those
    of trusted proxies, under "", are counted in all only."""

    def gives(self, size: int) -> bool:
        """Whether a response of this size is given to any address."""
        return size <= SMALL_BYTES or not self.total

    def refusal(self, one: str, size: int) -> TidingsError | None:
        """The reason why a response of this size is refused to this address; None if it is not."""
        if self.gives(size):
            return None
        if self.full_for_one(one, size):
            detail = "Your address has too many responses that it has not read: read them first."
            return TooManyRequests(detail, RETRY_AFTER_S)
        if self.full(size):
            return Unavailable("too many responses wait for their clients to read them", RETRY_AFTER_S)
        return None


def unsent_of(settings: Settings) -> Unsent:
    """The account of a server with these settings."""
    return Unsent(settings.max_unsent_mib * MIB, settings.max_unsent_mib_per_address * MIB)
