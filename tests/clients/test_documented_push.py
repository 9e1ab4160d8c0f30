"""The script of the guide on Web Push, in a browser, against a server with keys. The fault: it asked for the public key
without its token, which only ``--dev`` answers."""

import json
import re
from pathlib import Path

import httpx

from tests.clients.browser import opened
from tests.outbound.test_web_push import PEM, Browser
from tests.serving import serving
from tests.wire.people import SETTINGS, bearer, token

LIMIT_S = 120
GUIDE = Path(__file__).parents[2] / "docs/guides/channels.md"
PUSH = {"TIDINGS_VAPID_PRIVATE_KEY": PEM, "TIDINGS_VAPID_SUBJECT": "mailto:ops@example.org"}
ADDRESS = "https://push.example.org/1"
AROUND = """(async () => {
const token = %s, subscription = {endpoint: %s, keys: %s};
let asked;
const subscribe = async (options) => (asked = options, {toJSON: () => subscription});
const registration = {pushManager: {subscribe}};
%s
return JSON.stringify(asked);
})()"""


def documented() -> str:
    """The script for pages."""
    (found,) = [
        part
        for part in re.findall(r"^```js\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
        if "subscribe(" in part
    ]
    return str(found)


def test_the_documented_page_subscribes_with_its_token(tmp_path: Path) -> None:
    """It gets the server's public key, subscribes with it, and registers the subscription for the user of its token."""
    keys, headers = json.loads(Browser().secret), bearer(token("bob"))
    with (
        serving(tmp_path, **SETTINGS, **PUSH) as url,
        opened(str(tmp_path / "profile"), f"{url}/livez", LIMIT_S) as page,
    ):
        script = AROUND % (json.dumps(token("bob")), json.dumps(ADDRESS), json.dumps(keys), documented())
        result = page.call("Runtime.evaluate", expression=script, awaitPromise=True)["result"]
        asked = json.loads(result["value"])
        with httpx.Client(base_url=url, headers=headers, timeout=LIMIT_S, trust_env=False) as bob:
            key = bob.get("/v1/web-push/key").json()["public_key"]
            assert asked == {"userVisibleOnly": True, "applicationServerKey": key}
            (endpoint,) = bob.get("/v1/endpoints").json()["items"]
            assert (endpoint["channel"], endpoint["address"]) == ("web_push", ADDRESS)
