"""What the scenarios of live delivery share: how our streams are opened, who listens, how times are summed up."""

import msgspec

from bench.poster import Poster
from bench.server import ask
from bench.stream_clients import Crowd, Dialect, Listener

STREAM = "/v1/notifications/stream?user_id=user{}&include="
HELLO = b"event: hello\n"
ACTIVITY = Dialect(f"{STREAM}activity", HELLO, b"event: activity\n")
INBOX = Dialect(f"{STREAM}notifications", HELLO, b"event: notification\n")
ALL = ACTIVITY._replace(request=f"{STREAM}notifications,activity")
EVERYONE = ACTIVITY._replace(request=f"{STREAM}activity:all")
FLAGS = ("--stream-opens-per-s", "20000")
"""How fast streams are let in is no question here."""
CPU_PER = 100_000
"""Deliveries for which processor time is given."""
PAIRS = 10_000
"""Follows in one request."""


def follow(port: int, topic: str, users: int, first: int = 0, step: int = 1) -> None:
    """Have so many users, from the first on and as far apart, follow a topic."""
    numbers = range(first, first + users * step, step)
    for at in range(0, users, PAIRS):
        pairs = [{"user_id": f"user{number}", "topic": topic} for number in numbers[at : at + PAIRS]]
        ask(port, "POST", "/v1/follows", msgspec.json.encode(pairs))


class _Keeper(Listener):
    """Keeps what it heard last."""

    frame = b""

    def hear(self, data: bytes | bytearray, size: int) -> int:
        """Keep it."""
        self.frame = bytes(data[:size])
        return super().hear(data, size)


def sample(port: int, dialect: Dialect, request: bytes) -> bytes:
    """The bytes of the message that this request causes."""
    crowd, keeper = Crowd(), _Keeper(port, 0, dialect)
    crowd.add(keeper)
    crowd.wait(1)
    poster = Poster(port)
    poster.send(request)
    crowd.wait(1)
    poster.receipt()
    crowd.close()
    return keeper.frame


def quantiles(times_ms: list[float]) -> dict[str, float]:
    """The 50th, 95th and 99th percentile; zeros when there are none."""
    ordered = sorted(times_ms) or [0.0]
    return {
        f"p{share}": ordered[min(len(ordered) * share // 100, len(ordered) - 1)] for share in (50, 95, 99)
    }
