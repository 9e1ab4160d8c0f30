"""Listens with ``websockets``: ``python -m tests.clients.sockets URL``."""

import json
import sys
import threading

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

RETRY_S = 1.0


def main(url: str) -> None:
    """Tell every frame as a line of JSON, for ever."""
    last = ""
    pause = threading.Event()
    while True:
        try:
            with connect(f"{url}&last_event_id={last}" if last else url, proxy=None) as socket:
                for message in socket:
                    print(message, flush=True)
                    last = json.loads(message)["id"] or last
        except (OSError, WebSocketException):
            pass
        pause.wait(RETRY_S)


if __name__ == "__main__":
    main(sys.argv[1])
