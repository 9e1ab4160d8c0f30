"""The client's end of a WebSocket, without I/O: what arrives is parsed by ``websockets``, and handed on in the form that the
client's session reads."""

from typing import cast

import msgspec
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol, State


class _Message(msgspec.Struct):
    event: str
    data: msgspec.Raw
    id: str | None


_message = msgspec.json.Decoder(_Message).decode


class Socket:
    """A connection whose handshake is over."""

    def __init__(self) -> None:
        self._protocol = Protocol(CLIENT, state=State.OPEN)

    def feed(self, chunk: bytes) -> bytes:
        """The frames that are complete now, as server-sent events. Raises what was wrong with them."""
        self._protocol.receive_data(chunk)
        if self._protocol.parser_exc is not None:
            raise self._protocol.parser_exc
        frames = cast(list[Frame], self._protocol.events_received())
        return b"".join(_event(_message(frame.data)) for frame in frames if frame.opcode is Opcode.TEXT)


def _event(message: _Message) -> bytes:
    id = b"" if message.id is None else b"id: %b\n" % message.id.encode()
    return b"event: %b\ndata: %b\n%b\n" % (message.event.encode(), bytes(message.data), id)
