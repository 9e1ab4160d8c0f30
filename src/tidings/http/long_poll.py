"""The long poll: the same frames as one JSON document, the response to a request that waited for them."""

import asyncio
import contextlib
from collections.abc import Callable

from tidings.config import KIB
from tidings.errors import Unavailable
from tidings.http.body import ClientGone
from tidings.http.request import Request
from tidings.live import Hub, Stream, Transport

ANSWER_BYTES = 64 * KIB
"""Bytes of frames in one response, one frame more or less: some hundred notifications. The client requests the rest."""
SETTLING_S = 10
"""Seconds, in addition to the wait that the client requests, for the store to return the current state. It takes
milliseconds."""
ID, NO_ID = b',"id":"%b"}', b',"id":null}'
"""The end of an object that moves the client's cursor, and of one that does not."""


class JsonFrameEncoder:
    """The encoder: ``{"event": …, "data": …, "id": …}``."""

    def frame(self, event: str, data: bytes) -> bytes:
        """The object without its id."""
        return b'{"event":"%b","data":%b' % (event.encode(), data)

    def seal(self, frame: bytes, id: str | None) -> bytes:
        """The whole object."""
        return frame + (NO_ID if id is None else ID % id.encode())

    def retry(self, ms: int) -> bytes:
        """Empty: the format has no retry field, and a ``drain`` says the same."""
        return b""


OBJECTS = JsonFrameEncoder()


class LongPollTransport:
    """A :class:`tidings.live.Transport` that is one response. It is due when the client has all current frames and at least
    one moves its cursor; when it is full; and when the stream ends.

    Frames without an id, heartbeats and warnings of a credential, are sent with a response but do not cause one: a client
    that waits for changes gains nothing from them, and notices its expired credential at its next request. ``patient``: the
    response also waits for a frame.
    """

    encoder = OBJECTS

    def __init__(self, patient: bool) -> None:
        self._patient = patient
        self._frames: list[bytes] = []
        self._size = 0
        self._joined = self._something = False
        self._due = asyncio.Event()

    def write(self, data: bytes) -> bool:
        """Keep a frame for the response; False if it is full."""
        if data:
            # The first frame is the hello, which moves the cursor but has no content.
            self._something = self._something or (bool(self._frames) and not data.endswith(NO_ID))
            self._frames.append(data)
            self._size += len(data)
            self._look()
        return self._size < ANSWER_BYTES

    def joined(self) -> None:
        """The client has all current frames."""
        self._joined = True
        self._look()

    def hurry(self) -> None:
        """The time of the client's wait is over."""
        self._patient = False
        self._look()

    def close(self) -> None:
        """There are no more frames."""
        self._due.set()

    def abort(self) -> None:
        """The client has left: the frames are freed now, since the stream may be kept for a while."""
        self._frames.clear()
        self._due.set()

    async def due(self) -> None:
        """Wait until the response is due. Further frames of the same turn of the loop are part of it."""
        await self._due.wait()

    def answer(self, last_event_id: str) -> bytes:
        """The response, whose frames are then freed. Raises Unavailable if there is not even a hello."""
        if not self._frames:
            raise Unavailable("the store did not answer in time, or the server is stopping")
        frames, self._frames = self._frames, []
        return b'{"frames":[%b],"last_event_id":"%b"}' % (b",".join(frames), last_event_id.encode())

    def _look(self) -> None:
        done = self._joined and (self._something or not self._patient)
        if done or self._size >= ANSWER_BYTES:
            self._due.set()


async def polled(live: Hub, open: Callable[[Transport], Stream], wait_s: float, request: Request) -> bytes:
    """The frames of a stream that is opened for one response, which waits up to ``wait_s`` seconds for a change; the stream
    is freed as soon as the client leaves. Raises Unavailable, ClientGone."""
    poll = LongPollTransport(patient=wait_s > 0)
    stream = open(poll)
    stream.joined = poll.joined
    waited = asyncio.get_running_loop().call_later(wait_s, poll.hurry)
    leaving = asyncio.create_task(_gone(request), name="poll")
    leaving.add_done_callback(lambda _: poll.abort())
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s + SETTLING_S):
                await poll.due()
        if leaving.done():
            raise ClientGone
        answer = poll.answer(stream.cursor.text(stream.epoch))
        live.answered(stream)
        return answer
    finally:
        waited.cancel()
        leaving.cancel()
        live.lost(stream)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
