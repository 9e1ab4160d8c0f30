"""The page with the React components, in Chromium on a real server, under a strict content security policy."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from websockets.sync.client import connect

from tests.clients.browser import Page, launched

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "web/packages/react/tests/page"
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
PATH = "/page/"
PRODUCTION = '--define:process.env.NODE_ENV="production"'
LIMIT_S = 120
"""How long the page may say nothing: a machine may run many browsers at once."""


def built(folder: Path) -> Path:
    """The files of the page, bundled into this folder."""
    esbuild = ROOT / "web/node_modules/.bin/esbuild"
    flags = ("--bundle", "--splitting", "--format=esm", "--jsx=automatic", f"--outdir={folder}", PRODUCTION)
    subprocess.run([esbuild, SOURCE / "main.tsx", *flags, "--log-level=error"], check=True, cwd=ROOT / "web")
    for file in (SOURCE / "index.html", SOURCE / "page.css", ROOT / "web/packages/react/src/styles.css"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


class ReactPage(Page):
    """A tab that gets the files of the page from a folder, at an address of the server, so that both have one origin."""

    def __init__(self, socket: Any, folder: Path) -> None:
        self._folder = folder
        self.complaints: list[str] = []
        self._fulfilled: set[int] = set()
        super().__init__(socket, LIMIT_S)
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Fetch.enable", patterns=[{"urlPattern": f"*{PATH}*"}])

    def show(self, url: str, width: int = 1000, height: int = 760, **query: str) -> None:
        """Load the page with this query, in a window of this size."""
        self.load(url, width, height, **query)
        self.until("document.querySelector('#root')?.childElementCount > 0")

    def load(self, url: str, width: int = 1000, height: int = 760, **query: str) -> None:
        """The same of a page that renders nothing at first."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self._events.clear()
        self.call("Page.navigate", url=f"{url}{PATH}?{urlencode(query)}")
        self.event("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """What a script evaluates to."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return result["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a script is true; it is evaluated again with each frame that the page paints."""
        waiting = f"new Promise((done) => {{const ask = () => {{let is; try {{is = {condition}}} catch {{}}; "
        self.run(waiting + "is ? done(true) : requestAnimationFrame(ask)}; ask()})")

    def faults(self) -> list[str]:
        """What axe finds against WCAG 2.2 AA and good practice."""
        self.run(AXE.read_text())
        found = "all.violations.flatMap((one) => one.nodes.map((node) => one.id + ': ' + node.html))"
        faults: list[str] = self.run(f"axe.run().then((all) => {found})")
        return faults

    def key(self, key: str, text: str = "", shift: bool = False) -> None:
        """Press a key."""
        codes = {
            "Enter": 13,
            "Escape": 27,
            "Tab": 9,
            "ArrowDown": 40,
            "ArrowUp": 38,
            "PageDown": 34,
            "PageUp": 33,
        }
        common = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0), "modifiers": 8 if shift else 0}
        text = "\r" if key == "Enter" else text
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, file: Path) -> None:
        """Store what the window shows."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _said(self) -> dict[str, Any]:
        while (said := super()._said()).get("id") in self._fulfilled:
            pass
        if said.get("method") == "Fetch.requestPaused":
            self._fulfil(said["params"])
        elif said.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(said["params"])[:2000])
        return said

    def _fulfil(self, request: dict[str, Any]) -> None:
        path = urlsplit(request["request"]["url"]).path.removeprefix(PATH)
        file = self._folder / (path or "index.html")
        number = next(self._numbers)
        self._fulfilled.add(number)
        found = file.is_file()
        headers = {"Content-Type": TYPES.get(file.suffix, "text/plain"), "Content-Security-Policy": POLICY}
        self._socket.send(
            json.dumps(
                {
                    "id": number,
                    "method": "Fetch.fulfillRequest",
                    "params": {
                        "requestId": request["requestId"],
                        "responseCode": 200 if found else 404,
                        "responseHeaders": [
                            {"name": name, "value": value} for name, value in headers.items()
                        ],
                        "body": base64.b64encode(file.read_bytes() if found else b"").decode(),
                    },
                }
                | self._session
            )
        )


@contextmanager
def react_page(profile: Path, folder: Path) -> Iterator[ReactPage]:
    """A tab of a new browser."""
    with launched(str(profile)) as address, connect(address, proxy=None, max_size=None) as socket:
        yield ReactPage(socket, folder)
