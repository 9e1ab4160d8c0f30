"""A bell for the terminal: one user's unread count and newest notifications, live, whatever the network does.

Run a server (``tidings serve --dev``), then ``python examples/subscribe.py bob`` and publish something for bob.
TIDINGS_URL names another server. Where a credential is needed, TIDINGS_TOKEN is the user's token, or TIDINGS_API_KEY
the key of the application.
"""

import os
import sys

from tidings.client import Client, Connection, InboxState, ProblemError

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8787")
TOKEN = os.environ.get("TIDINGS_TOKEN")
KEY = None if TOKEN else os.environ.get("TIDINGS_API_KEY")
SHOWN = 3
"""Notifications of which the messages are shown."""


def show(inbox: InboxState) -> None:
    """The inbox in a line."""
    messages = " | ".join(item.message for item in inbox.items[:SHOWN] if item.unread)
    counted = f"{inbox.unread_count} unread" if inbox.unread_count else "nothing unread"
    print(f"{counted}: {messages}" if messages else counted, flush=True)


def tell(connection: Connection) -> None:
    """What the user should know of the connection."""
    if connection.state == "waiting":
        print(f"-- {connection.why}; again in {connection.wait_s:.1f} s", file=sys.stderr)


def main() -> None:
    """Show the inbox of the user that the command line names, until interrupted."""
    user = sys.argv[1] if len(sys.argv) > 1 else "bob"
    inbox = InboxState()
    with Client(URL, api_key=KEY, token=TOKEN) as client:
        try:
            for item in client.subscribe(user=user, fresh=True, on_connection=tell):
                inbox.apply(item)
                show(inbox)
        except ProblemError as error:
            sys.exit(f"the server refused: {error}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
