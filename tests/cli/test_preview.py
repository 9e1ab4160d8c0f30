"""``tidings preview`` shows what the server would send."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

SETTINGS = """
public_url = "https://market.example/inbox"
server_url = "https://market.example/api"
mail_from = "Market <market@example.org>"
mail_templates = "mail"

[types.reply]
verbs = ["answer"]
messages = {en = {other = "{actors} answered about {object} in {metadata.city}"}, de = {other = "Antwort von {actors}"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The settings of a server, with a template of the type."""
    (tmp_path / "tidings.toml").write_text(SETTINGS)
    (tmp_path / "mail").mkdir()
    template = '{% extends "default/mail.html" %}{% block header %}<tr><td>OURS</td></tr>{% endblock %}'
    (tmp_path / "mail" / "reply.html").write_text(template)
    return tmp_path


def test_a_preview_has_the_text_and_the_form_of_the_settings(run: Run, folder: Path) -> None:
    """The type's message, the mail of its template, and what leaves by push and webhook."""
    result = run("preview", "reply", "--html", "mail.html")
    assert result.exit_code == 0, result.output
    said = "Alice answered about Will it rain tomorrow? in Berlin"
    assert f"--- message ---\n{said}\n" in result.output
    assert f"Subject: {said}\n" in result.output
    assert "Unsubscribe: https://market.example/api/v1/unsubscribe?token=sample" in result.output
    push = json.loads(result.output.partition("--- push ---")[2].partition("--- webhook ---")[0])
    assert (push["message"], push["notification"]["type"]) == (said, "reply")
    html = (folder / "mail.html").read_text()
    assert "OURS" in html
    assert said in html


def test_a_preview_takes_data_a_language_and_a_form(run: Run, folder: Path) -> None:
    """Members that the data lacks are those of the sample; the verb of the data finds the type."""
    (folder / "event.json").write_text('{"verb": "answer", "actor_name": "Ann"}')
    result = run("preview", "--data", "event.json", "--as", "message", "--locale", "de")
    assert result.output == "--- message ---\nAntwort von Ann\n"
    digest = run("preview", "reply", "--several", "3", "--as", "mail")
    assert "(+2)" in digest.output
    assert "reply 3\n" in digest.output


def test_a_preview_skips_a_byte_order_mark(run: Run, folder: Path) -> None:
    """As the server and ``replay`` do."""
    (folder / "event.json").write_text('{"verb": "answer", "actor_name": "Ann"}', encoding="utf-8-sig")
    result = run("preview", "--data", "event.json", "--as", "message", "--locale", "de")
    assert result.output == "--- message ---\nAntwort von Ann\n"


@pytest.mark.usefixtures("folder")
def test_several_notifications_take_data_from_standard_input(run: Run) -> None:
    """The fault: each of them read the input again, and the second one found it empty."""
    command = ("preview", "reply", "--several", "3", "--data", "-", "--as", "mail")
    result = run(*command, input='{"actor_name": "Ann"}')
    assert result.exit_code == 0, result.output
    assert "Ann answered" in result.output
    assert "(+2)" in result.output


def test_a_preview_writes_nothing_that_steers_a_terminal(run: Run, folder: Path) -> None:
    (folder / "event.json").write_text(
        json.dumps({"actor_name": "A\x1b[31m\u202e", "metadata": {"a": "\u202e"}})
    )
    result = run("preview", "reply", "--data", "event.json")
    assert result.exit_code == 0, result.output
    assert not {"\x1b", "\u202e"} & set(result.output)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("[1]", "event.json: expected an event as a JSON object"),
        ("{", "event.json: expected an event as a JSON object"),
        ('{"actor_id": 1, "colour": "red"}', "/actor_id: expected"),
        ('{"url": "javascript:alert(1)"}', "/url: expected"),
    ],
)
def test_bad_data_is_refused_by_its_field(run: Run, folder: Path, data: str, named: str) -> None:
    (folder / "event.json").write_text(data)
    result = run("preview", "reply", "--data", "event.json")
    assert result.exit_code == 1
    assert named in result.output
    assert "Traceback" not in result.output


def test_a_broken_template_is_refused_with_its_line(run: Run, folder: Path) -> None:
    """By preview, by doctor and by serve alike."""
    (folder / "mail" / "reply.txt").write_text("\n{{ note.mesage }}")
    refusal = "reply.txt:2: a note has no mesage"
    assert refusal in run("preview", "reply").output
    assert refusal in run("doctor", "--dev").output
    result = run("serve", "--dev", "--port", "0")
    assert result.exit_code == 2
    assert refusal in result.output
    assert len(result.output.strip().splitlines()) == 1
