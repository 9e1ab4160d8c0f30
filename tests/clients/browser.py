"""Listens with the EventSource of a page in Chromium: ``python -m tests.clients.browser URL PROFILE [STREAMS]``.

The page is the list of routes, which opens no stream of its own. Chromium is driven over its DevTools protocol; what the
page tells comes out as lines of JSON. ``PROFILE`` is an empty folder.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from websockets.sync.client import ClientConnection, connect

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
)
"""One page with a mouse, and nothing that a browser does of its own accord."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")
SCRIPT = Path(__file__).with_name("listen.js")


def chromium() -> str:
    """The browser to use. Ends the program when there is none."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise SystemExit("there is no Chromium: install it, or put its path into CHROMIUM")
    return found


@contextmanager
def launched(profile: str) -> Iterator[str]:
    """The address at which a new browser is driven; it ends with the block."""
    command = [chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield _address(process)
        finally:
            process.kill()


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if found := LISTENING.search(line):
            # What it complains of later is not read; a pipe that is full would stop it.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1]
        said.append(line)
    raise SystemExit(f"Chromium ended with {process.wait()}: {''.join(said)}")


class Page:
    """A tab."""

    def __init__(self, socket: ClientConnection, limit_s: float | None) -> None:
        """``limit_s``: how long it may say nothing before TimeoutError is raised; None for ever."""
        self._socket = socket
        self._limit_s = limit_s
        self._numbers = itertools.count()
        self._events: deque[dict[str, Any]] = deque()
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")
        attached = self.call("Target.attachToTarget", flatten=True, **target)
        self._session = {"sessionId": attached["sessionId"]}

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params} | self._session))
        while (said := self._said()).get("id") != number:
            self._events.append(said)
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        assert "exceptionDetails" not in result, result
        return result

    def event(self, method: str) -> dict[str, Any]:
        """The next event of this name; others before it are passed over."""
        while True:
            said = self._events.popleft() if self._events else self._said()
            if said["method"] == method:
                params: dict[str, Any] = said["params"]
                return params

    def seen(self) -> list[dict[str, Any]]:
        """The events so far that nobody has waited for."""
        return list(self._events)

    def _said(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self._socket.recv(self._limit_s))
        return said


@contextmanager
def opened(profile: str, url: str, limit_s: float | None = None) -> Iterator[Page]:
    """A tab of a new browser, with this page loaded. ``limit_s``: see :class:`Page`."""
    with launched(profile) as address, connect(address, proxy=None, max_size=None) as socket:
        page = Page(socket, limit_s)
        page.call("Page.enable")
        page.call("Runtime.enable")
        page.call("Page.navigate", url=url)
        page.event("Page.loadEventFired")
        yield page


def main(url: str, profile: str, streams: int = 1) -> None:
    """Tell every event as a line of JSON, for ever."""
    with opened(profile, urljoin(url, "/docs")) as page:
        page.call("Runtime.addBinding", name="tell")
        page.call("Runtime.evaluate", expression=f"{SCRIPT.read_text()};listen({json.dumps(url)}, {streams})")
        while True:
            print(page.event("Runtime.bindingCalled")["payload"], flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
