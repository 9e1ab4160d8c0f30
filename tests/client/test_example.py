"""The example runs as a reader would run it."""

import subprocess
import sys
from pathlib import Path

from tests.serving import START_S, environ, serving, within
from tidings.client import Client, NewEvent

EXAMPLE = Path(__file__).parents[2] / "examples" / "subscribe.py"


def test_a_bell_for_the_terminal(tmp_path: Path) -> None:
    """It shows what there is, and what comes."""
    with serving(tmp_path) as url, Client(url) as app:
        env = environ() | {"TIDINGS_URL": url}
        command = [sys.executable, str(EXAMPLE), "bob"]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as bell:
            stdout = bell.stdout
            assert stdout is not None

            def line() -> str:
                return within(START_S, bell, stdout.readline).strip()

            assert line() == "nothing unread"
            like = NewEvent(
                actor_id="alice", verb="like", object_type="m", object_id="1", target_user_ids=("bob",)
            )
            app.publish(like)
            # The stream may begin after the event: then its first frame has the new count, and the item follows.
            while (shown := line()) != "1 unread: alice: like · m 1":
                assert shown in ("nothing unread", "1 unread")
            app.read_all(user="bob")
            assert line() == "nothing unread"
            bell.kill()
