"""How much of the answers waits in this process for clients that have not taken it yet."""

from tidings.config import KIB, MIB, Settings
from tidings.errors import TidingsError, TooManyRequests, Unavailable
from tidings.http.byte_account import ByteAccount

SMALL_BYTES = KIB
"""Bytes up to which an answer is always given: health checks, counts, refusals."""
RETRY_AFTER_S = 5
"""Seconds after which a client may come back: what is not taken is let go of in time."""


class Unsent(ByteAccount):
    """Bytes of answers that were given to connections and not taken by their clients: in all, and from one address. Those of
    trusted proxies, under "", are counted in all only."""

    def gives(self, size: int) -> bool:
        """Whether an answer of this size is given to any address."""
        return size <= SMALL_BYTES or not self.total

    def refusal(self, one: str, size: int) -> TidingsError | None:
        """Why an answer of this size is not given to this address; None when it is."""
        if self.gives(size):
            return None
        if self.full_for_one(one, size):
            detail = "Your address has too many answers that it has not read: read them first."
            return TooManyRequests(detail, RETRY_AFTER_S)
        if self.full(size):
            return Unavailable("too many answers wait to be read by their clients", RETRY_AFTER_S)
        return None


def unsent_of(settings: Settings) -> Unsent:
    """The account of a server with these settings."""
    return Unsent(settings.max_unsent_mib * MIB, settings.max_unsent_mib_per_address * MIB)
