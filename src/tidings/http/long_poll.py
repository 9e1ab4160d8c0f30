"""The long poll: the same frames as one JSON document, the answer to a request that waited for them."""

import asyncio
import contextlib
from collections.abc import Callable

from tidings.config import KIB
from tidings.errors import Unavailable
from tidings.http.body import ClientGone
from tidings.http.request import Request
from tidings.live import Hub, Stream, Transport

ANSWER_BYTES = 64 * KIB
"""Bytes of frames in one answer, one frame more or less: some hundred notifications. The client comes back for the rest."""
SETTLING_S = 10
"""Seconds, beside those that the client wants to wait, for the store to tell what there is. It takes milliseconds."""
ID, NO_ID = b',"id":"%b"}', b',"id":null}'
"""How an object ends that moves the client's cursor, or does not."""


class JsonFrameEncoder:
    """The encoder: ``{"event": …, "data": …, "id": …}``."""

    def frame(self, event: str, data: bytes) -> bytes:
        """The object but for its id."""
        return b'{"event":"%b","data":%b' % (event.encode(), data)

    def seal(self, frame: bytes, id: str | None) -> bytes:
        """The whole object."""
        return frame + (NO_ID if id is None else ID % id.encode())

    def retry(self, ms: int) -> bytes:
        """There is no word for it; a ``drain`` says the same."""
        return b""


OBJECTS = JsonFrameEncoder()


class LongPollTransport:
    """A :class:`tidings.live.Transport` that is one answer. It is due when the client has all there is and that is
    something; when it is full; and when the stream ends.

    Something is what moves the client's cursor. Frames without an id, heartbeats and warnings of a credential, come
    along with an answer but are no reason for one: a client that waits for news gets nothing from being woken, and finds
    out about its credential when it comes back. ``patient``: also nothing is waited for.
    """

    encoder = OBJECTS

    def __init__(self, patient: bool) -> None:
        self._patient = patient
        self._frames: list[bytes] = []
        self._size = 0
        self._joined = self._something = False
        self._due = asyncio.Event()

    def write(self, data: bytes) -> bool:
        """Keep a frame for the answer; False when it has enough of them."""
        if data:
            # The first is the hello, which moves the cursor but brings nothing.
            self._something = self._something or (bool(self._frames) and not data.endswith(NO_ID))
            self._frames.append(data)
            self._size += len(data)
            self._look()
        return self._size < ANSWER_BYTES

    def joined(self) -> None:
        """The client has all there is for now."""
        self._joined = True
        self._look()

    def hurry(self) -> None:
        """The client has waited long enough."""
        self._patient = False
        self._look()

    def close(self) -> None:
        """There will be no more."""
        self._due.set()

    def abort(self) -> None:
        """There is nobody to answer: what was said is let go now, since the stream may be kept for a while."""
        self._frames.clear()
        self._due.set()

    async def due(self) -> None:
        """Wait until there is an answer. What else is said in the same turn of the loop is part of it."""
        await self._due.wait()

    def answer(self, last_event_id: str) -> bytes:
        """The answer, whose frames are then let go. Raises Unavailable when not even the hello was said."""
        if not self._frames:
            raise Unavailable("the store did not answer in time, or the server is stopping")
        frames, self._frames = self._frames, []
        return b'{"frames":[%b],"last_event_id":"%b"}' % (b",".join(frames), last_event_id.encode())

    def _look(self) -> None:
        done = self._joined and (self._something or not self._patient)
        if done or self._size >= ANSWER_BYTES:
            self._due.set()


async def polled(live: Hub, open: Callable[[Transport], Stream], wait_s: float, request: Request) -> bytes:
    """What a stream says that is opened for one answer, which waits up to ``wait_s`` seconds for something; the place of
    the stream is free again as soon as the client has gone. Raises Unavailable, ClientGone."""
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
