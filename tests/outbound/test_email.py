"""What a mail says, and that nobody can make it say more; how it is handed to a relay."""

import asyncio
from collections.abc import Sequence
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.outbound.certificates import certified
from tests.outbound.receivers import HOST, Relay
from tidings.config import ConfigError, Settings
from tidings.outbound.channel import SENT, OutboundMessage, SendResult
from tidings.outbound.email import Email, question, relay, sender
from tidings.outbound.email import compose as compose_with
from tidings.outbound.mail_content import LISTED, MAX_SUBJECT
from tidings.outbound.mail_templates import MailTemplates
from tidings.outbound.payload import one_line
from tidings.personal_data import Endpoint
from tidings.testing import START_MS, FakeClock

TEMPLATES = MailTemplates()
SENDER = Address("Market", addr_spec="market@example.org")
NOTE = OutboundMessage("msg_1", "n1-1", "like", "bob: like · item 1", b"{}", START_MS)
PAGE = "https://market.example/inbox?a=1&b=2"
MARKUP = '<img src=x onerror=alert(1)>&"'
INJECTIONS = (
    "a\r\nBcc: eve@example.org",
    "a\nBcc: eve@example.org\n\nbody",
    "a\rBcc: eve@example.org",
    "a\r\n\r\n<script>",
    "a\x0bBcc: eve@example.org",
    "a\x85Bcc: eve@example.org",
    "a\u2028Bcc: eve@example.org",
    "=?utf-8?q?a=0D=0ABcc:_eve@example.org?=",
    "=?utf-8?b?YQ0KQmNjOiBldmVAZXhhbXBsZS5vcmc=?=",
    "=?utf-8?q?a?= =?utf-8?q?=0ABcc:_eve@example.org?=",
    "=\x00?utf-8?q?a=0ABcc:_eve@example.org?=",
)


def compose(
    sender: Address, recipient: str, notes: Sequence[OutboundMessage], page: str, now_s: int
) -> EmailMessage:
    """A mail in the default form."""
    return compose_with(sender, recipient, notes, page, now_s, TEMPLATES)


def read(letter: EmailMessage) -> EmailMessage:
    """The mail as its recipient's program reads it, from the bytes on the wire."""
    message = message_from_bytes(letter.as_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def parts(letter: EmailMessage) -> tuple[str, str]:
    """The plain text and the HTML of a mail."""
    plain, html = (read(letter).get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


class Tags(HTMLParser):
    """The tags of a document, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = self.shown = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note a tag."""
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        """Note text, and what is shown of it: the style and the title are not."""
        self.text += data
        if self.tags[-1:] not in (["style"], ["title"]):
            self.shown += data


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a digest"])
def test_the_address_of_an_event_is_a_link(count: int) -> None:
    """In the text as it is, in the HTML as a link that it cannot leave."""
    address = "https://market.example/42?a=1&b='2"
    notes = [NOTE._replace(url=address)] * count
    mail = TEMPLATES.render(notes, PAGE, "Market")
    assert mail.text.count(address) == count
    assert mail.html.count('href="https://market.example/42?a=1&amp;b=&#39;2"') == count


@pytest.mark.need("NO10")
def test_a_mail_has_what_mail_programs_look_for() -> None:
    letter = read(compose(SENDER, "alice@example.org", [NOTE], PAGE, START_MS // 1000))
    assert {name.lower(): str(value) for name, value in letter.items()} == {
        "from": "Market <market@example.org>",
        "to": "alice@example.org",
        "subject": "bob: like · item 1",
        "date": "Tue, 14 Nov 2023 22:13:20 +0000",
        "message-id": "<msg_1@example.org>",
        "auto-submitted": "auto-generated",
        "list-unsubscribe": f"<{PAGE}>",
        "mime-version": "1.0",
        "content-type": letter["content-type"],
    }


def test_text_and_html_say_the_same() -> None:
    plain, html = parts(compose(SENDER, "alice@example.org", [NOTE], PAGE, 0))
    assert plain.split() == ["bob:", "like", "·", "item", "1", PAGE]
    assert Tags(html).shown.split() == ["Market", *plain.split()]


def test_without_a_page_nothing_leads_there() -> None:
    letter = compose(SENDER, "alice@example.org", [NOTE], "", 0)
    assert "list-unsubscribe" not in letter
    assert "href" not in parts(letter)[1]


def test_the_language_of_the_reader_is_told_to_programs() -> None:
    assert (
        '<html lang="pt-BR" dir="ltr">'
        in parts(compose(SENDER, "a@b.org", [NOTE._replace(locale="pt_BR")], "", 0))[1]
    )


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_that_is_said_becomes_a_header(text: str) -> None:
    """Not by line ends, nor by an encoded word that holds some."""
    names = set(compose(SENDER, "alice@example.org", [NOTE], PAGE, 0).keys())
    letter = compose(SENDER, "alice@example.org", [NOTE._replace(text=text, type=text)] * 2, PAGE, 0)
    assert set(read(letter).keys()) == names
    assert "eve@example.org" not in str(read(letter)["to"]) + str(read(letter)["bcc"])
    assert len(str(letter["subject"]).splitlines()) == 1


@given(st.text(max_size=300))
def test_no_text_at_all_becomes_a_header(text: str) -> None:
    letter = read(compose(SENDER, "alice@example.org", [NOTE._replace(text=text)], PAGE, 0))
    usual = read(compose(SENDER, "alice@example.org", [NOTE], PAGE, 0))
    assert letter.keys() == usual.keys()
    assert len(str(letter["subject"])) <= MAX_SUBJECT + 10


@pytest.mark.parametrize(
    "address",
    [
        "alice@example.org\r\nBcc: eve@example.org",
        "alice@example.org, eve@example.org",
        "alice@example.org\n",
        "Alice <alice@example.org>",
        "<alice@example.org>",
        "=?utf-8?q?a=0D=0ABcc:_eve?=@example.org",
        "alice",
        "@example.org",
        "",
    ],
)
def test_an_address_that_is_none_is_a_dead_letter(loop: asyncio.Runner, address: str) -> None:
    answer = loop.run(
        Email(Settings(smtp_url="smtp://x", mail_from="a@b.org"), FakeClock()).send(to(address), [NOTE])
    )
    assert answer == SendResult("dead", "the address is not one of e-mail")


def to(address: str = "alice@example.org") -> Endpoint:
    """A mailbox."""
    return Endpoint("e1", "alice", "email", address)


def test_markup_is_only_text() -> None:
    """In one note and in a list of them, in messages and in types."""
    for notes in ([NOTE._replace(text=MARKUP)], [NOTE._replace(text=MARKUP, type=MARKUP)] * 2):
        html = Tags(parts(compose(SENDER, "a@b.org", notes, PAGE, 0))[1])
        assert "img" not in html.tags
        assert MARKUP in html.text


def test_a_page_cannot_end_its_link() -> None:
    html = Tags(parts(compose(SENDER, "a@b.org", [NOTE], 'https://x/"><img src=y>', 0))[1])
    assert "img" not in html.tags


def test_a_long_list_is_cut_and_says_so() -> None:
    notes = [NOTE._replace(id=f"msg_{n}", text=f"message {n}") for n in range(LISTED + 7)]
    letter = compose(SENDER, "a@b.org", notes, "", 0)
    plain, html = parts(letter)
    assert str(letter["subject"]) == f"message 0 (+{LISTED + 6})"
    assert plain.splitlines()[0] == f"like {LISTED + 7}"
    assert plain.splitlines()[-2:] == [f"• message {LISTED - 1}", "• … (+7)"]
    assert html.count('class="row') == LISTED + 1


def test_a_long_message_is_cut() -> None:
    letter = compose(SENDER, "a@b.org", [NOTE._replace(text="x" * 100_000)] * LISTED, PAGE, 0)
    assert len(str(letter["subject"])) == MAX_SUBJECT
    assert len(letter.as_bytes()) < 140_000


def test_a_digest_of_groups_counts_their_items() -> None:
    plain, _ = parts(
        compose(SENDER, "a@b.org", [NOTE._replace(size=5), NOTE._replace(type="new_reply")], "", 0)
    )
    assert plain.splitlines()[0] == "like 5 · new reply 1"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\x00b\x1b[31mc\x7f", "a b [31mc"),
        ("a\r\n\t b", "a b"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("=?utf-8?q?a?=", "= ?utf-8?q?a?="),
        ("x" * 11, "x" * 9 + "…"),
        ("مرحبا", "مرحبا"),
        ("", ""),
    ],
)
def test_a_line_has_nothing_in_it_that_anything_obeys(text: str, line: str) -> None:
    assert one_line(text, 14 if "?" in text else 10) == line


# --- settings ---------------------------------------------------------------------------------------------


def test_a_relay_is_read_from_its_url() -> None:
    assert relay("smtp://mail.example") == ("mail.example", 25, False, False, None, None)
    assert relay("smtp://mail.example:587?starttls") == ("mail.example", 587, False, True, None, None)
    assert relay("smtps://me%40x.org:p%2Fw@mail.example") == (
        "mail.example",
        465,
        True,
        False,
        "me@x.org",
        "p/w",
    )


@pytest.mark.parametrize(
    "url",
    [
        "mail.example:25",
        "http://mail.example",
        "smtp://",
        "smtp://mail.example:99999",
        "smtp://mail.example/path",
        "smtp://mail.example?tls",
        "smtp://me:hunter2@mail.example:587",
        "smtp://[::1",
    ],
)
def test_a_relay_that_is_none_stops_the_server_without_telling_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="smtp_url") as failure:
        relay(url)
    assert "hunter2" not in str(failure.value)


@pytest.mark.parametrize("text", ["", "Market", "market@", "a@b.org\r\nBcc: eve@example.org", "<>"])
def test_a_sender_that_is_none_stops_the_server(text: str) -> None:
    with pytest.raises(ConfigError, match="mail_from"):
        sender(text)


def test_a_sender_that_is_missing_is_said_to_be() -> None:
    """The fault: without ``mail_from`` the refusal read as if it were malformed."""
    with pytest.raises(ConfigError, match=r"^smtp_url needs mail_from, the sender of mails"):
        sender("")


# --- handing over -----------------------------------------------------------------------------------------


async def handed_over(server: Relay, port: int, url: str = "smtp://{}:{}", host: str = HOST) -> SendResult:
    """Send a mail through this relay, then stop it."""
    settings = Settings(smtp_url=url.format(host, port), mail_from="Märkt <market@example.org>")
    try:
        return await Email(settings, FakeClock()).send(to(), [NOTE])
    finally:
        await server.stop()


def test_a_mail_arrives_as_it_was_written(loop: asyncio.Runner) -> None:
    async def sending() -> None:
        server = Relay()
        assert await handed_over(server, await server.start()) == SENT
        (mail,) = server.mails
        assert mail.recipients == ["alice@example.org"]
        assert str(mail.content["from"]) == "Märkt <market@example.org>"
        assert str(mail.content["subject"]) == NOTE.text
        assert mail.raw.split(b"\r\n\r\n")[0].isascii()

    loop.run(sending())


def test_the_addresses_in_headers_are_written_as_they_are(loop: asyncio.Runner) -> None:
    """The fault: a long one was written in encoded words, in which no mail program looks for an address."""
    link = f"https://market.example/v1/unsubscribe?token={'x' * 200}"
    page = f"https://märkt.example/{'a' * 100}/ü?a=1&b=%20"
    domain = f"{'d' * 60}.{'e' * 60}.example"

    async def sending() -> None:
        server = Relay()
        place = f"smtp://{HOST}:{await server.start()}"
        settings = Settings(smtp_url=place, mail_from=f"Market <market@{domain}>", public_url=page)
        email = Email(settings, FakeClock())
        try:
            await email.send(to(), [NOTE._replace(unsubscribe=link)])
            await email.send(to(), [NOTE])
        finally:
            await server.stop()
        lines = [mail.raw.split(b"\r\n\r\n")[0].split(b"\r\n") for mail in server.mails]
        assert f"List-Unsubscribe: <{link}>".encode() in lines[0]
        assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines[0]
        assert f"Message-ID: <msg_1@{domain}>".encode() in lines[0]
        assert f"From: Market <market@{domain}>".encode() in lines[0]
        assert (
            b"List-Unsubscribe: <" + (b"https://m%C3%A4rkt.example/" + b"a" * 100 + b"/%C3%BC?a=1&b=%20>")
            in lines[1]
        )

    loop.run(sending())


@pytest.mark.parametrize(("url", "starttls"), [("smtps://{}:{}", False), ("smtp://{}:{}?starttls", True)])
def test_tls_is_verified(
    loop: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, starttls: bool
) -> None:
    """From the first byte or by STARTTLS: a certificate that is trusted passes, the same one untrusted does not."""

    async def sending() -> None:
        context, file = certified(tmp_path, "localhost")
        untrusted = Relay()
        port = await untrusted.start(context, starttls=starttls)
        answer = await handed_over(untrusted, port, url, "localhost")
        assert answer == SendResult("failed", "no connection to the mail server", down=True)
        assert untrusted.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        trusted = Relay()
        port = await trusted.start(context, starttls=starttls)
        assert await handed_over(trusted, port, url, "localhost") == SENT
        assert len(trusted.mails) == 1

    loop.run(sending())


def test_without_the_starttls_that_was_asked_for_nothing_is_sent(loop: asyncio.Runner) -> None:
    async def sending() -> None:
        server = Relay()
        answer = await handed_over(server, await server.start(), "smtp://{}:{}?starttls")
        assert (answer.state, server.mails) == ("failed", [])

    loop.run(sending())


def test_a_mail_has_title_and_description() -> None:
    """The fault: neither left the application. Both are text; a title in the message is not repeated."""
    note = NOTE._replace(title=MARKUP, description=f"First.\r\n{MARKUP}")
    for notes in ([note], [note, NOTE]):
        mail = compose(SENDER, "bob@example.org", notes, "", 0)
        plain, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
        assert plain is not None
        assert html is not None
        assert f"{MARKUP}\n" in plain.get_content()
        assert f"First. {MARKUP}" in plain.get_content()
        assert "First. &lt;img" in html.get_content()
        assert "<img" not in html.get_content()
    said = compose(SENDER, "bob@example.org", [NOTE._replace(text="Out now", title="Out now")], "", 0)
    body = said.get_body(("plain",))
    assert body is not None
    assert body.get_content().count("Out now") == 1


def test_a_confirmation_mail_has_the_name_of_its_sender() -> None:
    """The fault: its subject began with the host of public_url, such as 127.0.0.1, although mail_from has a name."""
    letter = question(SENDER, "alice@example.org", "https://127.0.0.1/c", "https://127.0.0.1/", 0)
    assert letter["Subject"] == "Market: confirm your e-mail address"
