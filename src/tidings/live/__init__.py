"""The push API. Each stream is a state machine (:mod:`.stream`). A hub sends them frames from the store (:mod:`.hub`).
Encoders and transports (:mod:`.transport`), which other packages provide, write the frames (:mod:`.frames`) to a socket.

A stream stores no frames. It is a cursor, and the store has what comes after the cursor: a lost hint costs a second, a slow
reader has to catch up, and neither loses an item.
"""

from tidings.live.frames import ACTIVITY, INCLUDE, Cursor, Frame
from tidings.live.hub import Hub
from tidings.live.stream import Stream
from tidings.live.transport import Encoder, Transport

__all__ = ["ACTIVITY", "INCLUDE", "Cursor", "Encoder", "Frame", "Hub", "Stream", "Transport"]
