"""The log of work that is repeated until it succeeds: an outage is one line, however many attempts it makes fail."""

import logging

from tidings.errors import Unavailable


class OutageLog:
    """Logs the failures of one kind of work. A store that is unavailable is no fault to be traced, and its lines would be
    logged for as long as a disk is full: it is logged once, until the work succeeds."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        """``what`` is the beginning of each line."""
        self._log = log
        self._what = what
        self._is_logged = False

    def failed(self, error: Exception) -> None:
        """An attempt failed."""
        if not isinstance(error, Unavailable):
            self._log.error("%s", self._what, exc_info=error)
        elif not self._is_logged:
            self._is_logged = True
            self._log.warning("%s: %s", self._what, error.for_log)

    def succeeded(self) -> None:
        """An attempt succeeded: the next outage is another one."""
        self._is_logged = False
