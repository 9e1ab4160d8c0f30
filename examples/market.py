"""A prediction market on Tidings: activity, a bell with its menu, and a widget for the home page.

Tidings stores trades once, puts them into the feeds of those who follow a market, a trader or a category, groups them
("2 traders"), notifies holders when a market resolves, counts what is unseen and unread, and what happens in a category.
The team still writes: the market itself (orders, prices, positions), who its users are, and the pages that show all this.

Plain HTTP with the standard library alone: any language can do the same. Run a server (``tidings serve --dev``), then
``python examples/market.py``. TIDINGS_URL names another server, TIDINGS_API_KEY the key that it asks for. A user's
token is not enough: it acts for all traders. It ends with 1 when a reply is not as it should be.
"""

import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8787")
KEY = os.environ.get("TIDINGS_API_KEY", "")
TIMEOUT_S = 10
RUN = secrets.token_hex(4)
"""Part of each id, so that a second run meets nothing of the first."""
CATEGORY = f"category:weather-{RUN}"
RAIN = {
    "object_type": "market",
    "object_id": f"rain-{RUN}",
    "object_title": "Will it rain on Sunday?",
    "topics": [CATEGORY],
}


def call(method: str, path: str, body: object = None, idempotency_key: str = "", **query: str) -> Any:
    """The reply to one request. Raises urllib.error.HTTPError with a problem document when it is refused."""
    headers = {"Content-Type": "application/json"}
    if KEY:
        headers["Authorization"] = f"Bearer {KEY}"
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    data = None if body is None else json.dumps(body).encode()
    address = f"{URL}{path}?{urlencode(query)}" if query else URL + path
    request = urllib.request.Request(address, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
        return json.loads(reply.read() or b"null")


def show(what: str, found: object, expected: object) -> None:
    """Print what was found, and end with 1 if it is not what was expected."""
    print(f"{what}: {found}")
    if found != expected:
        sys.exit(f"{what}: expected {expected}")


def user(name: str) -> str:
    """The id of a user in this run."""
    return f"{name}-{RUN}"


def follow(name: str, topic: str) -> None:
    """Let a user follow a market, a trader or a category."""
    call("PUT", f"/v1/users/{user(name)}/follows/{quote(topic, safe='')}")


def trade(name: str, order: int, side: str, shares: int) -> str:
    """Publish a trade once, however often this is called: the order's number is the key. The id of its event."""
    trader = {"actor_id": user(name), "actor_name": name.title()}
    trade = {"verb": "trade", "metadata": {"side": side, "shares": shares}}
    event_id: str = call("POST", "/v1/events", trader | trade | RAIN, f"order-{RUN}-{order}")["event_id"]
    return event_id


def resolve(answer: str, holders: list[str]) -> None:
    """End the market, notify all who hold shares in it, and each of a payout that concerns nobody else."""
    desk = {"actor_id": user("desk"), "actor_name": "Market desk"} | RAIN
    resolution = {"verb": "resolve", "message": f"{RAIN['object_title']} {answer}"}
    recipients = {"target_user_ids": [user(name) for name in holders]}
    call("POST", "/v1/events", desk | resolution | recipients, f"resolve-{RUN}")
    payout = {"verb": "payout", "message": "You won 10 shares", "visibility": "recipients"}
    call("POST", "/v1/events", desk | payout | {"target_user_ids": [user("alice")]}, f"payout-{RUN}")


def bell(name: str) -> None:
    """A user opens the bell, which clears its badge, and then reads all that it showed."""
    inbox = call("GET", "/v1/notifications", user_id=user(name))
    show(f"{name}'s badge", inbox["unseen_count"], 2)
    messages = [item["message"] for item in inbox["items"]]
    show(f"{name}'s menu", messages, ["You won 10 shares", "Will it rain on Sunday? yes"])
    seen = call("POST", "/v1/notifications/seen-all", {"up_to": inbox["seq"]}, user_id=user(name))
    show("opened", [seen["unseen_count"], seen["unread_count"]], [0, 2])
    read = call("POST", "/v1/notifications/read-all", {"up_to": inbox["seq"]}, user_id=user(name))
    show("all read", read["unread_count"], 0)


def feeds() -> None:
    """The feeds of two followers, each item with its reason."""
    for name, topic, expected in (
        ("carol", f"market:{RAIN['object_id']}", ["Market desk resolve", "Bob trade", "Alice trade"]),
        ("dave", f"user:{user('alice')}", ["Alice trade"]),
    ):
        items = call("GET", "/v1/feed", user_id=user(name))["items"]
        found = [f"{item['actor_name']} {item['verb']}" for item in items]
        show(f"{name}'s feed", found, expected)
        show("  because of one follow", {item["reason"]["topic"] for item in items} == {topic}, True)
    groups = call("GET", "/v1/feed", user_id=user("carol"), group="true", verb="trade")["items"]
    folded = [f"{group['actor_count']} traders on {group['object_title']}" for group in groups]
    show("carol's feed, grouped", folded, ["2 traders on Will it rain on Sunday?"])


def home_page() -> None:
    """What a visitor sees: public activity only, so no payout, and how often each verb occurred."""
    items = call("GET", "/v1/activity", topic=CATEGORY, limit="3")["items"]
    show("home page", [item["verb"] for item in items], ["resolve", "trade", "trade"])
    top = call("GET", "/v1/top", window="1h", by="verb", topic=CATEGORY)
    show("last hour", {item["key"]: item["count"] for item in top["items"]}, {"trade": 2, "resolve": 1})


def main() -> None:
    """A market from its first trade to its end."""
    follow("carol", f"market:{RAIN['object_id']}")
    follow("dave", f"user:{user('alice')}")
    trade("alice", 1001, "yes", 10)
    first = trade("bob", 1002, "no", 25)
    show("sent again, stored once", trade("bob", 1002, "no", 25) == first, True)
    resolve("yes", ["alice", "bob"])
    bell("alice")
    feeds()
    home_page()


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        sys.exit(f"the server refused: {error.code} {error.read().decode(errors='replace')}")
    except OSError as error:  # a URLError is one
        sys.exit(f"{URL} cannot be reached: {error}")
