"""The protocol class of one server. uvicorn creates connections from a class, which therefore holds all that they share."""

from tidings.config import Settings
from tidings.http.deadlines import Deadlines
from tidings.http.gate import Gate, gate_of
from tidings.http.hang_ups import HangUps
from tidings.http.protocol import HEALTH_PATHS, TimedProtocol
from tidings.http.transport import Stalls
from tidings.http.unsent import Unsent, unsent_of


def timed(head_s: float, body_s: float, stalled_s: float, gate: Gate, unsent: Unsent) -> type[TimedProtocol]:
    """The protocol class of one server, for uvicorn's ``Config(http=…)``: seconds to receive a request's head and body,
    seconds for which a client may take nothing of its response, the gate, and the account of unsent responses."""
    members = {
        "deadlines": Deadlines(head_s, body_s),
        "stalls": Stalls(stalled_s),
        "hang_ups": HangUps(),
        "gate": gate,
        "unsent": unsent,
    }
    return type("TimedProtocol", (TimedProtocol,), members)


def protocol_of(settings: Settings) -> type[TimedProtocol]:
    """The protocol class of a server with these settings."""
    made = timed(
        settings.request_header_timeout_s,
        settings.body_timeout_s,
        settings.reply_timeout_s,
        gate_of(settings),
        unsent_of(settings),
    )
    prefix = settings.prefix.rstrip("/").encode()
    made.health_paths = frozenset(prefix + path for path in HEALTH_PATHS)
    return made
