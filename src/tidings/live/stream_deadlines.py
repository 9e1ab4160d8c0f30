"""The deadlines of streams: heartbeats, the maximum age, the end of a credential, a transport that stays full."""

import random
from collections.abc import Callable

from tidings.config import Settings
from tidings.live.stream import State, Stream
from tidings.live.timer_wheel import TimerWheel
from tidings.timeutil import Clock

WARN_S = 30
"""Seconds before the end of its credential at which a stream warns: time to fetch a new one."""
MAX_BEHIND_S = 30
"""Seconds for which a transport may stay full. After them the stream ends, and its buffers are released."""
AGE = "age"
"""The reason of a stream that is too old: its client must reconnect."""
ROTATION_SPREAD = 0.2
"""The share of the maximum age by which a stream ends earlier or later, at random, so that streams that opened together end
at different times."""


class StreamDeadlines:
    """The deadlines of the streams of one process, at a resolution of a second."""

    def __init__(
        self, settings: Settings, clock: Clock, rng: random.Random, position: Callable[[], int]
    ) -> None:
        """``position`` returns that up to which following has sent events, which heartbeats state."""
        self._position = position
        self._settings = settings
        self._rng = rng
        self._wheel: TimerWheel[Stream] = TimerWheel(clock.monotonic())

    def begin(self, stream: Stream, now: float, expires_in_s: float | None) -> None:
        """Set the deadlines of a stream that opens; its credential ends after ``expires_in_s``, None: never."""
        stream.wrote_at = now
        stream.ends_at = None if expires_in_s is None else now + expires_in_s
        spread = self._rng.uniform(1 - ROTATION_SPREAD, 1 + ROTATION_SPREAD)
        stream.rotates_at = now + self._settings.max_stream_s * spread
        self._schedule(stream, now)

    def expire(self, now: float) -> list[tuple[Stream, str]]:
        """Send the heartbeats and warnings that are due. Returns the streams that must end, each with the reason."""
        over = []
        for stream in self._wheel.expire(now):
            if stream.state is State.ENDED:
                continue
            if reason := self._over(stream, now):
                over.append((stream, reason))
            else:
                self.send_timers(stream, now)
                self._schedule(stream, now)
        return over

    def send_timers(self, stream: Stream, now: float) -> None:
        """Send the warning and the heartbeat of a stream, if they are due."""
        if stream.ends_at is not None and now >= stream.ends_at - WARN_S:
            stream.warn_expiry(max(0, round(stream.ends_at - now)), now)
        if now >= stream.wrote_at + self._settings.heartbeat_s:
            stream.heartbeat(self._position(), now)

    def _schedule(self, stream: Stream, now: float) -> None:
        """Check the stream again at its next deadline."""
        if stream.state is State.BACKPRESSURED:
            due = stream.behind_since + MAX_BEHIND_S
        else:
            due = min(stream.wrote_at + self._settings.heartbeat_s, stream.rotates_at)
        if stream.ends_at is not None:
            due = min(due, stream.ends_at - (0 if stream.warned else WARN_S))
        self._wheel.schedule(max(due, now), stream)

    def _over(self, stream: Stream, now: float) -> str:
        """The reason why a stream must end, "" if it need not."""
        if stream.ends_at is not None and now >= stream.ends_at:
            return "credential"
        if stream.state is State.BACKPRESSURED and now >= stream.behind_since + MAX_BEHIND_S:
            return "slow"
        return AGE if now >= stream.rotates_at else ""
