"""Door 3: everything that is pushed. One state machine per stream (:mod:`.stream`), a hub that feeds them from the store
(:mod:`.hub`), frames (:mod:`.frames`) that encoders and transports outside turn into bytes on a socket (:mod:`.transport`).

A stream holds no news of its own. It is a cursor, and what lies behind the cursor is in the store: a lost hint costs a
second, a slow reader costs its place, and neither costs an item.
"""

from tidings.live.frames import INCLUDE, Cursor, Frame
from tidings.live.hub import Hub
from tidings.live.stream import Stream
from tidings.live.transport import Encoder, Transport

__all__ = ["INCLUDE", "Cursor", "Encoder", "Frame", "Hub", "Stream", "Transport"]
