"""The clients under test, each in a process of its own that tells every event as a line of JSON."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.clients.scenario import PATIENCE_S
from tests.serving import STOP_S

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = (sys.executable, "-m")
CHROMIUM, NPM = "EventSource in Chromium", "npm eventsource"
CLIENTS = ("curl", CHROMIUM, NPM, "httpx-sse", "websockets")

Event = dict[str, Any]
"""An event as a client tells it: ``event``, ``id``, ``data``; ``stream`` is which, where there are several."""


def command(name: str, url: str, profile: Path, streams: int = 1) -> list[str]:
    """How a client is told to listen at this address of a stream; only the EventSources can open several. ``profile`` is
    a new folder for a browser."""
    socket = url.replace("http", "ws", 1).replace("/stream?", "/ws?")
    return {
        "curl": [str(HERE / "curl.sh"), url],
        CHROMIUM: [*PYTHON, "tests.clients.browser", url, str(profile), str(streams)],
        NPM: ["node", str(HERE / "node" / "main.mjs"), url, str(streams)],
        "httpx-sse": [*PYTHON, "tests.clients.sse", url],
        "websockets": [*PYTHON, "tests.clients.sockets", socket],
    }[name]


class Listener:
    """A client under test. ``events`` is what it told so far, ``heard`` how often each name."""

    def __init__(self, command: Sequence[str]) -> None:
        self.events: list[Event] = []
        self.heard: Counter[str] = Counter()
        self._more = threading.Condition()
        self._over = False
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def heard_times(self, name: str, times: int) -> bool:
        """Whether it has told so many events of this name, within PATIENCE_S."""
        return self._wait(lambda: self.heard[name] >= times)

    def knows(self, seq: int) -> bool:
        """Whether the last that it has told is of this seq, within PATIENCE_S."""
        return self._wait(lambda: bool(self.events) and self.events[-1]["data"].get("seq") == seq)

    def _wait(self, enough: Callable[[], bool]) -> bool:
        with self._more:
            self._more.wait_for(lambda: self._over or enough(), PATIENCE_S)
            return enough()

    def end(self) -> None:
        """End it, and whatever it has started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_S)
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                told = json.loads(line)
                with self._more:
                    self.events.append(told)
                    self.heard[told["event"]] += 1
                    self._more.notify_all()
        with self._more:
            self._over = True
            self._more.notify_all()


@contextmanager
def listening(command: Sequence[str]) -> Iterator[Listener]:
    """A client under test, for as long as the block lasts."""
    listener = Listener(command)
    try:
        yield listener
    finally:
        listener.end()


def named(events: list[Event], name: str) -> list[Event]:
    """The events of this name."""
    return [event for event in events if event["event"] == name]
