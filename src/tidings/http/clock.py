"""The part of a clock that this layer needs; the caller passes one in."""

from typing import Protocol


class Clock(Protocol):
    """The source of time; tests pass in their own."""

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Monotonic seconds."""
        ...
