"""One line on standard error with the progress of long work."""

import sys
import time

CLEAR = "\r\x1b[K"
"""Moves a terminal back to the beginning of an empty line."""

TTY_INTERVAL_S = 0.2
PLAIN_INTERVAL_S = 5.0
"""In a log file a line every few seconds is useful, one every fifth of a second is noise."""


class Progress:
    """Prints at intervals: over itself on a terminal, line after line elsewhere."""

    def __init__(self, what: str) -> None:
        """``what`` is the counted thing: "events"."""
        self._what = what
        self._tty = sys.stderr.isatty()
        self._interval = TTY_INTERVAL_S if self._tty else PLAIN_INTERVAL_S
        self._began = self._printed = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def update(self, count: int, fraction: float | None) -> None:
        """Report that ``count`` are done, ``fraction`` (0 to 1, None if unknown) of all."""
        now = time.monotonic()
        if now - self._printed < self._interval:
            return
        self._printed = now
        share = "" if fraction is None else f"{fraction:4.0%}  "
        line = f"{share}{count:,} {self._what}  {count / self.seconds:,.0f}/s"
        text = f"{CLEAR}{line}" if self._tty else f"{line}\n"
        print(text, end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line, for later output."""
        if self._tty:
            print(CLEAR, end="", file=sys.stderr, flush=True)
