"""A store that cannot be opened is told in a line, not in a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import START_S, environ


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("sqlite:///text.db", "text.db cannot be opened"),
        ("sqlite:///missing/t.db", "cannot be opened"),
        ("mysql://somewhere", "neither sqlite:///FILE nor memory://"),
    ],
)
def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path, store: str, said: str) -> None:
    """The server ends with 1 and one line that says what is wrong."""
    (tmp_path / "text.db").write_text("This is no database, but a text of some length. " * 20)
    command = [sys.executable, "-m", "tidings", "serve", "--dev", "--port", "0", "--store", store]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environ(), capture_output=True, text=True, timeout=START_S
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
