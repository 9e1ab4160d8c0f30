"""A client that follows a parliament: it prints what members do as it happens, and misses nothing.

Standard library only. Run a server (``tidings serve --dev``), then ``python examples/follow_parliament.py citizen``.
It remembers the id of the last frame in a file, and goes on from there when it is started again, were it days later.
TIDINGS_URL names another server. Where a credential is needed, TIDINGS_TOKEN is the citizen's token, or TIDINGS_API_KEY
the key of the application.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8787")
TOKEN = os.environ.get("TIDINGS_TOKEN") or os.environ.get("TIDINGS_API_KEY", "")
SILENCE_S = 60
"""Without a byte for so long the connection is dead: the server sends a heartbeat every 25 seconds or sooner."""
RETRY_S = 2.0
"""The wait before a lost connection is tried again, until the server names another."""


class Frame(NamedTuple):
    """One event of the stream. ``id`` is empty where the frame moves no cursor."""

    event: str
    id: str
    data: Any


class Follower:
    """A stream that outlives its connections. ``place`` is the file that remembers how far it is."""

    def __init__(self, citizen: str, place: Path) -> None:
        self._path = f"/v1/notifications/stream?user_id={quote(citizen)}&include=activity"
        self._place = place
        self._retry_s = RETRY_S

    def frames(self) -> Iterator[Frame]:
        """Every frame, for ever. A frame's place is remembered when the next one is asked for: after a crash one may
        be told twice, but none never."""
        while True:
            try:
                yield from self._connection()
            except (OSError, http.client.HTTPException) as error:
                print(f"-- {error}; again in {self._retry_s:.0f} s", file=sys.stderr)
            time.sleep(self._retry_s)

    def _connection(self) -> Iterator[Frame]:
        connection = http.client.HTTPConnection(urlsplit(URL).netloc, timeout=SILENCE_S)
        try:
            connection.request("GET", urlsplit(URL).path + self._path, headers=self._headers())
            reply = connection.getresponse()
            if reply.status != 200:
                raise http.client.HTTPException(f"{reply.status}: {reply.read().decode()}")
            for frame in self._parsed(reply):
                yield frame
                if frame.id:
                    self._remember(frame.id)
        finally:
            connection.close()

    def _remember(self, frame_id: str) -> None:
        # Replaced in one step: a file that was half written when the power went would be no place at all.
        new = self._place.with_suffix(".new")
        new.write_text(frame_id)
        new.replace(self._place)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "text/event-stream"}
        if TOKEN:
            headers["Authorization"] = f"Bearer {TOKEN}"
        if self._place.exists():
            headers["Last-Event-ID"] = self._place.read_text()
        return headers

    def _parsed(self, reply: http.client.HTTPResponse) -> Iterator[Frame]:
        fields: dict[str, str] = {}
        while line := reply.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "retry":
                self._retry_s = int(value) / 1000
            elif name == "data" and name in fields:
                fields[name] += f"\n{value}"
            elif name:
                fields[name] = value
            elif "data" in fields:
                yield Frame(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
                fields = {}


def told(frame: Frame) -> str | None:
    """A frame in words; None for those that bring no news."""
    match frame.event:
        case "hello":
            return "-- taken up where it was" if frame.data["resumed"] else "-- listening from now on"
        case "reset":
            return f"-- {frame.data['reason']}: look at the feed for what may be missing"
        case "activity":
            who = frame.data["actor_name"] or frame.data["actor_id"]
            return f"{who}: {frame.data['verb']} {frame.data['object_title'] or frame.data['object_id']}"
    return None


def main() -> None:
    """Follow as the citizen that the command line names, until interrupted."""
    citizen = sys.argv[1] if len(sys.argv) > 1 else "citizen"
    for frame in Follower(citizen, Path(f"{citizen}.last-event-id")).frames():
        if (text := told(frame)) is not None:
            print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
