"""A prediction market on Tidings: it publishes what its traders do, and shows each what concerns them.

Standard library only. Run a server (``tidings serve --dev``), then ``python examples/market.py``. TIDINGS_URL
names another server, TIDINGS_API_KEY the key that it asks for. A user's token is not enough: it acts for all traders.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8787")
KEY = os.environ.get("TIDINGS_API_KEY", "")
TIMEOUT_S = 10
RAIN = {"object_type": "market", "object_id": "rain", "object_title": "Will it rain on Sunday?"}


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


def follow(user: str, topic: str) -> None:
    """Let a user follow a market, a trader or a category."""
    call("PUT", f"/v1/users/{user}/follows/{quote(topic, safe='')}")


def trade(trader: str, name: str, order: int, side: str, shares: int) -> None:
    """Publish a trade once, however often this is called: the order's number is the key."""
    trade = {"actor_id": trader, "actor_name": name, "verb": "trade", "topics": ["category:weather"], **RAIN}
    call("POST", "/v1/events", trade | {"metadata": {"side": side, "shares": shares}}, f"order-{order}")


def resolve(answer: str, holders: list[str]) -> None:
    """End the market and tell everybody who holds shares in it."""
    resolution = {"actor_id": "market-desk", "actor_name": "Market desk", "verb": "resolve", **RAIN}
    told = {"target_user_ids": holders, "metadata": {"answer": answer}}
    call("POST", "/v1/events", resolution | told, "resolve-rain")


def show(user: str) -> None:
    """Print a trader's bell and feed, then mark the notifications read that were shown."""
    inbox = call("GET", "/v1/notifications", user_id=user)
    print(f"{user} has {inbox['unread_count']} unread")
    for item in inbox["items"]:
        answer = item["metadata"].get("answer")  # other applications may have told them something else
        print(f"  * {item['message']}" + (f" -> {answer}" if answer else ""))
    for item in call("GET", "/v1/feed", user_id=user)["items"]:
        print(f"  - {item['actor_name']} {item['verb']} ({item['reason']['topic'] or 'for you'})")
    call("POST", "/v1/notifications/read-all", {"up_to": inbox["seq"]}, user_id=user)


def main() -> None:
    """A market from its first trade to its end."""
    follow("carol", "market:rain")
    follow("dave", "user:alice")
    trade("alice", "Alice", 1001, "yes", 10)
    trade("bob", "Bob", 1002, "no", 25)
    trade("bob", "Bob", 1002, "no", 25)  # sent again, as after a lost reply: nothing happens twice
    resolve("yes", ["alice", "bob"])
    for user in ("alice", "carol", "dave"):
        show(user)
    top = call("GET", "/v1/top", window="1h", by="actor", limit="3")
    print("busiest:", ", ".join(f"{item['key']} {item['count']}" for item in top["items"]))


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        sys.exit(f"the server refused: {error.code} {error.read().decode(errors='replace')}")
    except OSError as error:  # a URLError is one
        sys.exit(f"{URL} cannot be reached: {error}")
