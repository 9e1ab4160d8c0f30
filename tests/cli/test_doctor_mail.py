"""What doctor says of the mail server of ``smtp_url``, tried on real ones. The fault: it was not tried at all."""

import asyncio
import socket
import ssl
import threading
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.cli.conftest import Run
from tests.outbound.certificates import certified
from tests.outbound.receivers import HOST, WAIT_S, Connection, Relay
from tidings.cli.doctor import RELAY_S, checks, mail
from tidings.config import Settings
from tidings.outbound import email

MAILS = "a@b.example"


def settings(url: str) -> Settings:
    return Settings(dev=True, store="memory://", port=0, smtp_url=url, mail_from=MAILS)


def told(url: str) -> tuple[str, str]:
    """The level and the line."""
    (check,) = mail(settings(url))
    assert check.name == "mail"
    return check.level, check.detail


class Guarded(Relay):
    """A relay that lets a single user in."""

    def _protocol(self) -> SMTP:
        def judge(
            server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
        ) -> AuthResult:
            right = isinstance(given, LoginPassword) and given == LoginPassword(b"me", b"right")
            return AuthResult(success=right, handled=False)

        return Connection(self, hostname="relay.example", tls_context=self._upgrade, authenticator=judge)


def against(
    relay: Relay, url: str, tls: ssl.SSLContext | None = None, *, starttls: bool = False
) -> tuple[str, str]:
    """What is told of a relay that runs meanwhile."""

    async def during() -> tuple[str, str]:
        port = await relay.start(tls, starttls=starttls)
        try:
            return await asyncio.to_thread(told, url.format(port))
        finally:
            await relay.stop()

    return asyncio.run(during())


def test_a_mail_server_that_answers_is_well_and_gets_no_mail() -> None:
    relay = Relay()
    level, detail = against(relay, "smtp://127.0.0.1:{}")
    assert (level, detail.endswith(" answers")) == ("ok", True)
    assert relay.mails == []


def test_nothing_is_said_without_one() -> None:
    assert list(mail(Settings())) == []


@pytest.mark.parametrize(("password", "level"), [("right", "ok"), ("wr0ng", "warn")])
def test_the_password_is_tried_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, level: str
) -> None:
    context, file = certified(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    found, detail = against(
        Guarded(), f"smtp://me:{password}@localhost:{{}}?starttls", context, starttls=True
    )
    assert found == level
    assert ("accepts the password" in detail) is (level == "ok")
    assert ("refuses the user and password of smtp_url: 535" in detail) is (level == "warn")
    assert password not in detail


def never_ends_tls(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Serve one connection as a relay that refuses each password and does not answer the end of TLS, until the connection is
    closed."""
    connection, _ = listener.accept()
    with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True) as tls:
        tls.sendall(b"220 relay.example\r\n")
        while asked := tls.recv(512):
            if asked.startswith(b"QUIT"):
                tls.sendall(b"221 bye\r\n")
                break
            tls.sendall(ANSWERS.get(asked[:4], b"250 relay.example\r\n"))
        with socket.socket(fileno=tls.detach()) as raw:
            while raw.recv(512):
                pass


ANSWERS = {b"EHLO": b"250-relay.example\r\n250 AUTH PLAIN\r\n", b"AUTH": b"535 no\r\n"}


@pytest.mark.parametrize(("who", "found"), [("", "ok"), ("me:wr0ng@", "warn")])
def test_the_connection_ends_with_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str, found: str
) -> None:
    """It waited for the relay's end of TLS, and the loop of the check ended before: its socket stayed open."""
    context, file = certified(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with socket.create_server((HOST, 0)) as listener:
        relay = threading.Thread(target=never_ends_tls, args=(listener, context))
        relay.start()
        level, _ = told(f"smtps://{who}localhost:{listener.getsockname()[1]}")
        relay.join(WAIT_S)
    assert (level, relay.is_alive()) == (found, False)


def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    context, _ = certified(tmp_path, "localhost")
    level, detail = against(Relay(), "smtp://localhost:{}?starttls", context, starttls=True)
    assert (level, "certificate" in detail, detail.isprintable()) == ("warn", True, True)


def test_a_server_without_the_starttls_that_is_asked_for_is_named() -> None:
    level, detail = against(Relay(), "smtp://localhost:{}?starttls")
    assert (level, "STARTTLS" in detail) == ("warn", True)


def test_nobody_there_is_a_warning() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    level, detail = told(f"smtp://{HOST}:{port}")
    assert (level, f"no connection to {HOST}:{port}" in detail) == ("warn", True)


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        fault = asyncio.run(email.relay_fault(email.relay(f"smtp://{HOST}:{port}"), 0.05))
    assert fault == f"{HOST}:{port} does not answer within 0.05 s"
    assert RELAY_S <= 10


def test_what_is_no_address_of_a_mail_server_is_said_once(run: Run) -> None:
    """By the check of the settings, as a start says it; nothing is connected to."""
    lines = [check for check in checks(settings("localhost")) if "smtp_url" in check.detail]
    assert [check.name for check in lines] == ["outside"]


def test_the_command_tries_it_and_its_help_says_so(run: Run) -> None:
    values = {"TIDINGS_SMTP_URL": f"smtp://{HOST}:1", "TIDINGS_MAIL_FROM": MAILS, "TIDINGS_PORT": "0"}
    assert "mail        smtp_url: no connection" in run("doctor", "--dev", **values).output
    assert "sends no mail" in run("doctor", "--help").output
