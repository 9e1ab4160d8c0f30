"""What a server says at start of what it cannot send."""

from pathlib import Path

from tests.attack.probe import attacked_server

TYPES = '[types.reply]\nchannels = ["email", "webhook"]\n'


def test_a_type_that_cannot_be_sent_is_named_at_start(tmp_path: Path) -> None:
    """A type with the channel email and no smtp_url started silently."""
    (tmp_path / "tidings.toml").write_text(TYPES)
    with attacked_server(tmp_path) as server:
        assert (
            server.log().count("'reply' has the channel email, by which nothing is sent: smtp_url is not set")
            == 1
        )
        assert "webhook" not in server.log()
