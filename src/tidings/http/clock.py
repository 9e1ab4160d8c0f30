"""The part of a clock that this layer needs; whoever starts the server passes one in."""

from typing import Protocol


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...
