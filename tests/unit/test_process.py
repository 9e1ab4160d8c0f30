"""Where a server may listen."""

import logging
import socket

import pytest

from tidings.config import ConfigError
from tidings.process import TIMED, listen


def test_a_host_that_is_not_ours_is_named() -> None:
    """TEST-NET-1 (RFC 5737) is nobody's address, and a name that cannot be resolved is one of the setting."""
    with pytest.raises(ConfigError, match=r"host: '192\.0\.2\.1' is no address of this machine"):
        listen("192.0.2.1", 0)
    with pytest.raises(ConfigError, match="host: 'no such host' cannot be resolved"):
        listen("no such host", 0)


def test_every_address_of_a_name_gets_the_same_port() -> None:
    """localhost may be 127.0.0.1 and ::1: a client may try either."""
    listening = listen("localhost", 0)
    assert len({one.getsockname()[1] for one in listening}) == 1
    for one in listening:
        assert one.type == socket.SOCK_STREAM
        one.close()


def test_lines_of_the_log_have_the_time() -> None:
    """The fault: a line of the server's log did not say when."""
    record = logging.LogRecord(
        "tidings.commit_queue", logging.WARNING, "", 0, "%s is full", ("the disk",), None
    )
    record.created, record.msecs = 1_700_000_000.25, 250
    assert TIMED.format(record) == "2023-11-14T22:13:20.250Z WARNING tidings.commit_queue: the disk is full"
