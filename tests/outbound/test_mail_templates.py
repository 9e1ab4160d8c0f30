"""Templates of mails: the default form, those of an operator, and what no template may do."""

from pathlib import Path

import msgspec
import pytest

from tests.outbound.test_email import Tags
from tidings.config import ConfigError, Settings
from tidings.outbound.channel import OutboundMessage
from tidings.outbound.channel_registry import ChannelRegistry
from tidings.outbound.mail_templates import MAX_TEMPLATE_BYTES, MailTemplates
from tidings.testing import START_MS, FakeClock

PAGE = "https://market.example/inbox"
MARKUP = '<img src=x onerror=alert(1)>&"'
ITEM = {
    "actor_name": "Bob",
    "actor_image": "https://cdn.example/bob.png",
    "object_image": "https://cdn.example/42.png",
    "metadata": {"city": "Berlin", "items": [1, 2], "deep": {"a": {"b": "c"}}},
}
NOTE = OutboundMessage(
    "msg_1", "n1-1", "reply", "Bob: reply", msgspec.json.encode(ITEM), START_MS, locale="en"
)


def folder(path: Path, **files: str) -> MailTemplates:
    """The templates of a folder with these files; "__" in a name is a dot."""
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return MailTemplates(str(path))


def html(templates: MailTemplates, *notes: OutboundMessage) -> str:
    return templates.render(notes, PAGE, "Market").html


@pytest.mark.need("NO13")
def test_the_default_form_has_images_a_link_and_the_end_of_mails() -> None:
    """In HTML that mail programs show: inline styles, tables, and a dark form for those that know it."""
    note = NOTE._replace(url="https://market.example/42", unsubscribe="https://market.example/u?token=a&b")
    mail = MailTemplates().render([note], PAGE, "Market")
    for address in ("https://cdn.example/bob.png", "https://cdn.example/42.png", note.url):
        assert f'"{address}"' in mail.html
    assert 'href="https://market.example/u?token=a&amp;b"' in mail.html
    assert "prefers-color-scheme: dark" in mail.html
    known = "html head meta title style body table tr td img p a br"
    assert set(Tags(mail.html).tags) <= set(known.split())
    assert mail.text.splitlines() == [
        *("Bob: reply", note.url, "", PAGE),
        f"Unsubscribe: {note.unsubscribe}",
    ]


def test_the_links_are_in_the_language_of_the_recipient() -> None:
    german = NOTE._replace(url=PAGE, unsubscribe=PAGE, locale="de-AT")
    assert ">Ansehen</a>" in html(MailTemplates(), german)
    assert ">Abbestellen</a>" in html(MailTemplates(), german)
    assert 'dir="rtl"' in html(MailTemplates(), NOTE._replace(locale="ar"))


@pytest.mark.parametrize("field", ["actor_name", "object_title", "object_type", "object_id"])
def test_what_users_say_is_text_in_any_template(tmp_path: Path, field: str) -> None:
    """Escaped in HTML, and on one line without characters that steer; in metadata as well."""
    item = {field: f"{MARKUP}\r\n\u202e", "metadata": {"a": MARKUP, MARKUP: [MARKUP]}}
    templates = folder(
        tmp_path, reply__html=f"{{{{ note.{field} }}}}{{{{ note.metadata.a }}}}{{{{ note.metadata }}}}"
    )
    shown = html(templates, NOTE._replace(item=msgspec.json.encode(item)))
    assert "<" not in shown
    assert "\u202e" not in shown
    assert "\n" not in shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//x", "vbscript:x"])
def test_an_image_or_a_link_of_another_scheme_is_left_out(url: str) -> None:
    item = msgspec.json.encode({"actor_image": url, "object_image": url})
    assert url not in html(MailTemplates(), NOTE._replace(item=item, url=url))


def test_a_type_a_language_and_a_digest_have_templates_of_their_own(tmp_path: Path) -> None:
    """The nearest one is taken: the type in the language, the type, all mails in the language, all mails."""
    names = ("reply", "reply.de", "_digest", "_mail", "_mail.pt-BR")
    templates = folder(tmp_path, **{f"{name}.html".replace(".", "__"): name for name in names})
    like = NOTE._replace(type="like")
    assert html(templates, NOTE) == "reply"
    assert html(templates, NOTE._replace(locale="de_AT")) == "reply.de"
    assert html(templates, like) == "_mail"
    assert html(templates, like._replace(locale="pt-br")) == "_mail.pt-BR"
    assert html(templates, like._replace(locale="pt")) == "_mail"
    assert html(templates, NOTE, like) == "_digest"
    assert templates.render([NOTE], PAGE, "Market").text.startswith("Bob: reply\n")


def test_a_template_replaces_a_part_of_the_default_one(tmp_path: Path) -> None:
    templates = folder(
        tmp_path,
        reply__html='{% extends "default/mail.html" %}\n{% block content %}<b>{{ note.metadata.items|join("+") }}'
        "{{ note.metadata.none.such }} {{ note.metadata.deep.a.b }}</b>{{ super() }}{% endblock %}",
    )
    assert "<b>1+2 c</b>" in html(templates, NOTE)
    assert "Bob: reply" in Tags(html(templates, NOTE)).text
    assert "Market" in Tags(html(templates, NOTE)).text


BROKEN = {
    "no end": ("{% if note.url %}\n", "Unexpected end of template"),
    "an unknown tag": ("\n{% nonsense %}", "unknown tag"),
    "an unknown filter": ("\n{{ note.url|safe }}", "No filter named 'safe'"),
    "a power in a filter": ("\n{{ 1|round(999999999, 'ceil') }}", "No filter named 'round'"),
    "an unknown name": ("\n{{ notse }}", "there is no notse"),
    "an unknown member": ("\n{{ note.mesage }}", "a note has no mesage"),
    "an unknown member in a list": ("\n{% for one in notes %}{{ one.mesage }}{% endfor %}", "no mesage"),
    "a call": ("\n{{ note.message.upper() }}", "calls are not available"),
    "a way out": ("\n{{ note.__class__.__mro__ }}", "begins with _"),
    "another way out": ('\n{{ site["__class__"] }}', "begins with _"),
    "no escape": ("\n{% autoescape false %}{{ note.message }}{% endautoescape %}", "autoescape"),
    "an include": ('\n{% include "a.html" %}', "include"),
    "a macro": ("\n{% macro a() %}{% endmacro %}", "macro"),
    "a recursion": ("\n{% for a in notes recursive %}{% endfor %}", "recursive"),
    "a missing parent": ('\n{% extends "mail.html" %}', "extends takes"),
    "itself as its parent": ('\n{% extends "reply.html" %}', "it extends itself"),
    "a multiplication": ("\n{{ site * 99999999 }}", "* is not available"),
    "an assignment that grows": ("\n{% set a = site ~ site %}", "set takes a constant"),
    "a deep expression": ("\n{{ " + "-" * 20_000 + "1 }}", "it is nested too deeply"),
    "deep loops": ("\n" + "{% for a in notes %}" * 25 + "{% endfor %}" * 25, "it is nested too deeply"),
    "a fault of an expression": ("\n{{ note.count / 0 }}", "ZeroDivisionError"),
    "too many passes": (
        "\n" + "{% for a in notes %}" * 12 + "x" + "{% endfor %}" * 12,
        "over 10,000 steps",
    ),
    "thousands of texts": ("\n{% if " + "~".join(["1"] * 20_000) + " %}{% endif %}", "over 10,000 steps"),
    "many long texts": (
        "\n{{ " + "~".join([f"'{'x' * 900}'"] * 20) + " }}",
        "a text has over 16,384 characters",
    ),
    "a long sum": ("\n{{ " + "+".join([f"'{'x' * 900}'"] * 20) + " }}", "a text has over 16,384 characters"),
    "a long join": (
        "\n{{ [" + ",".join(["''"] * 50) + f"]|join('{'x' * 900}') }}}}",
        "a text has over 16,384 characters",
    ),
    "filters of long texts": (
        "\n{% set a = '" + "x" * 900 + "' %}{{ a" + "|urlencode" * 100 + " }}",
        "over 10,000 steps",
    ),
    "a long constant": (f"\n{{{{ '{'x' * 1_001}' }}}}", "at most 1,000 characters"),
    "a filter of a block": ("\n{% filter upper %}a{% endfilter %}", "filter blocks are not available"),
    "a test that formats": ("\n{{ '%9999999d' is divisibleby 2 }}", "No test named 'divisibleby'"),
    "passes over letters": ("\n{% for a in site %}{% endfor %}", "for takes a list"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_template_stops_the_server_with_its_file_and_line(tmp_path: Path, fault: str) -> None:
    """In one line, before the first mail, also without a mail server."""
    text, why = BROKEN[fault]
    with pytest.raises(ConfigError) as error:
        folder(tmp_path, reply__html=text)
    said = str(error.value)
    whole = ("no end", "a deep expression", "deep loops", "thousands of texts")
    line = 1 if fault in whole else 2
    assert said.startswith(f"mail_templates: {tmp_path}/reply.html:{line}: ")
    assert why in said
    assert len(said.splitlines()) == 1
    with pytest.raises(ConfigError, match=r"reply\.html:"):
        ChannelRegistry(Settings(mail_templates=str(tmp_path)), FakeClock())


def test_a_circle_of_parents_is_named(tmp_path: Path) -> None:
    """The fault: RecursionError in an expression."""
    circle = {"a": "b", "b": "c", "c": "a"}
    with pytest.raises(ConfigError, match=r"/c\.html:2: it extends itself by a\.html, b\.html$"):
        folder(tmp_path, **{f"{one}__html": f'\n{{% extends "{of}.html" %}}' for one, of in circle.items()})


def test_two_files_for_one_language_are_refused(tmp_path: Path) -> None:
    """One of them would never be used."""
    with pytest.raises(ConfigError, match=r"reply\.pt_br\.html: .*reply\.pt-BR\.html is for the same"):
        folder(tmp_path, **{"reply__pt-BR__html": "a", "reply__pt_br__html": "b"})


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("reply.xx-nowhere-9.html", b"", "no language"),
        ("reply.html", b"\xff", "not UTF-8"),
        ("reply.txt", b"x" * (MAX_TEMPLATE_BYTES + 1), "bytes"),
    ],
)
def test_a_file_that_is_no_template_is_refused(tmp_path: Path, name: str, text: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(ConfigError, match=why):
        MailTemplates(str(tmp_path))


def test_other_files_do_not_count_as_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: a template that the system listed after many images was not read, without a word."""
    monkeypatch.setattr("tidings.outbound.mail_templates.MAX_FILES", 1)
    folder(tmp_path, reply__html="ours", logo__png="", photo__png="")
    listed = sorted(tmp_path.iterdir(), key=lambda path: path.name == "reply.html")
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(listed))
    assert html(MailTemplates(str(tmp_path)), NOTE) == "ours"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        MailTemplates(str(tmp_path / "none"))


def test_a_template_that_fails_later_sends_the_default_form(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The samples have no such value. The mail goes, and the log says it once, without what users said."""
    templates = folder(
        tmp_path,
        reply__html="{% if note.metadata.secret %}{{ note.metadata.secret / 2 }}{% endif %}",
        _mail__html="{% for a in notes %}{% for b in notes %}{% for c in notes %}x{% endfor %}{% endfor %}{% endfor %}",
    )
    item = msgspec.json.encode({"metadata": {"secret": "hunter2"}})
    for _ in range(2):
        assert "Bob: reply" in html(templates, NOTE._replace(item=item))
    assert "Bob: reply" in html(templates, *[NOTE] * 50)
    assert [record.getMessage() for record in caplog.records] == [
        "the template reply.html fails, so the default one is used: TypeError in an expression",
        "the template _mail.html fails, so the default one is used: it takes over 10,000 steps",
    ]


def test_parents_that_repeat_a_block_take_steps(tmp_path: Path) -> None:
    """The fault: a template that has the block of its parent twice, and so on for thirty parents, took a day."""
    twice = '{{% extends "{}.html" %}}{{% block content %}}{{{{ super() }}}}{{{{ super() }}}}{{% endblock %}}'
    files = {f"t{n}__html": twice.format(f"t{n - 1}") for n in range(1, 31)}
    with pytest.raises(ConfigError, match=r"it takes over 10,000 steps"):
        folder(tmp_path, t0__html="{% block content %}x{% endblock %}", **files)


@pytest.mark.parametrize(
    "body",
    [
        "{% if " + "~".join(["n.type"] * 300) + " %}{% endif %}",
        "{% if " + " or ".join(["n.metadata == note.metadata"] * 5) + " %}{% endif %}",
        "{% if n.description" + "|urlencode" * 40 + " %}{% endif %}",
        "{% if n.metadata|upper %}{% endif %}" * 10,
    ],
)
def test_a_template_takes_a_bounded_number_of_steps(tmp_path: Path, body: str) -> None:
    """The fault: thousands of ~ in a loop held the event loop for minutes. A mail with fewer values than it can have is not
    refused at the start, and then has the default form."""
    templates = folder(tmp_path, _digest__html="{% for n in notes %}" + body + "{% endfor %}own")
    metadata = {str(number): {"a": "x" * 100, "b": number} for number in range(50)}
    item = msgspec.json.encode({"metadata": metadata})
    notes = [NOTE._replace(text=f"n{number}", description="é" * 200, item=item) for number in range(50)]
    assert html(templates, *notes).startswith("<!doctype html>")


def test_metadata_of_any_size_makes_a_small_mail(tmp_path: Path) -> None:
    """At most fifty members and items at each level."""
    templates = folder(tmp_path, reply__html="{{ note.metadata.a|length }} {{ note.metadata.b|length }}")
    metadata = {"a": list(range(5_000)), "b": {str(n): n for n in range(5_000)}}
    assert html(templates, NOTE._replace(item=msgspec.json.encode({"metadata": metadata}))) == "50 50"


@pytest.mark.need("NO13")
@pytest.mark.parametrize("character", ["x", "<", '"', "漢", "\U0001f600"])
def test_fifty_long_messages_make_a_mail_that_mail_programs_show_whole(character: str) -> None:
    """The fault: what fifty comments with angle brackets became in HTML was over the limit of the default form too, so the
    mail was a dead letter; and mail programs cut a mail at 100 KB."""
    long = NOTE._replace(text=character * 600, title=f"T{character * 600}", description=character * 3_000)
    mail = MailTemplates().render([NOTE, *[long] * 49], PAGE, "Market")
    listed = mail.text.count("\n• ") - 1
    assert 2 <= listed < 50
    assert f"… (+{50 - listed})" in mail.text
    assert f"… (+{50 - listed})" in mail.html
    assert max(len(part.encode()) for part in mail) < 100_000


def test_the_first_message_of_a_mail_is_always_listed() -> None:
    long = NOTE._replace(text="<" * 600, title=f"T{'<' * 600}", description="<" * 3_000, url=PAGE)
    mail = MailTemplates().render([long] * 50, PAGE, "Market")
    assert "&lt;" * 400 in mail.html
    assert "&lt;" * 400 in MailTemplates().render([long], PAGE, "Market").html
