"""Listens with httpx-sse, which leaves coming back to whoever uses it: ``python -m tests.clients.sse URL``."""

import json
import sys
import threading

import httpx
from httpx_sse import connect_sse

SILENCE_S = 50
"""Without a byte for so long a connection is dead."""


def main(url: str) -> None:
    """Tell every event as a line of JSON, for ever."""
    last, retry_s = "", 3.0
    pause = threading.Event()
    with httpx.Client(timeout=SILENCE_S, trust_env=False) as client:
        while not pause.wait(retry_s if last else 0):
            headers = {"last-event-id": last} if last else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as stream:
                    for event in stream.iter_sse():
                        last = event.id or last
                        retry_s = retry_s if event.retry is None else event.retry / 1_000
                        if event.data:
                            told = {"event": event.event, "id": event.id, "data": json.loads(event.data)}
                            print(json.dumps(told), flush=True)
            except httpx.TransportError:
                continue


if __name__ == "__main__":
    main(sys.argv[1])
