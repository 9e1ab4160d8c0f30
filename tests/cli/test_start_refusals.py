"""What ``tidings serve`` refuses, ``tidings doctor`` finds."""

import ast
import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

from tests.cli.conftest import Run
from tidings import config
from tidings.model import SetNotificationType
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore
from tidings.testing import FakeClock

KEY = "0123456789abcdef" * 2
SOURCES = Path(config.__file__).parent
MAIL = {"TIDINGS_MAIL_FROM": "a@b.example"}
KEYS = {"TIDINGS_API_KEYS": KEY}
DEV = {"TIDINGS_DEV": "true"}

Environ = dict[str, str]


def pem(public: ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) -> str:
    """A public key as text."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode()


def private_pem() -> str:
    """A private key of another curve than web pushes need."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


PUBLIC = pem(ed25519.Ed25519PrivateKey.generate().public_key())
TEMPLATES = {
    "no language": ("like.xx-bogus.html", b""),
    "no text": ("like.txt", b"\xff"),
    "no template": ("like.txt", b"{% for %}"),
}
"""Folders of mail templates, each with a file that none can be."""
REFUSED: dict[str, Environ] = {
    "dev mode for others": DEV | {"TIDINGS_HOST": "0.0.0.0"},
    "nobody let in": {},
    "weak key": {"TIDINGS_API_KEYS": f"{KEY},short"},
    "weak secret": {"TIDINGS_JWT_SECRET": "short"},
    "secret and public key": {"TIDINGS_JWT_SECRET": KEY, "TIDINGS_JWT_PUBLIC_KEY": PUBLIC},
    "secret and key set, with API keys": KEYS
    | {"TIDINGS_JWT_SECRET": KEY, "TIDINGS_JWKS": "https://a.example"},
    "secret and public key, in dev mode": DEV | {"TIDINGS_JWT_SECRET": KEY, "TIDINGS_JWT_PUBLIC_KEY": PUBLIC},
    "no public key": {"TIDINGS_JWT_PUBLIC_KEY": "-----BEGIN nothing"},
    "public key of another kind": {
        "TIDINGS_JWT_PUBLIC_KEY": pem(ed448.Ed448PrivateKey.generate().public_key())
    },
    "public key in no file": {"TIDINGS_JWT_PUBLIC_KEY": "absent.pem"},
    "key set in no file": {"TIDINGS_JWKS": "absent.json"},
    "key set in a folder": {"TIDINGS_JWKS": "."},
    "key set that can be changed on its way": {"TIDINGS_JWKS": "http://a.example/jwks"},
    "unknown language": KEYS | {"TIDINGS_LOCALE": "xx-bogus"},
    "unknown language in dev mode": DEV | {"TIDINGS_LOCALE": "tlh"},
    "mail server without a scheme": KEYS | MAIL | {"TIDINGS_SMTP_URL": "localhost:25"},
    "mail password in the clear": KEYS | MAIL | {"TIDINGS_SMTP_URL": "smtp://u:p@localhost"},
    "no sender": KEYS | {"TIDINGS_SMTP_URL": "smtp://localhost"},
    "no subject": KEYS | {"TIDINGS_VAPID_PRIVATE_KEY": private_pem()},
    "no push key": KEYS
    | {"TIDINGS_VAPID_SUBJECT": "mailto:a@b.example", "TIDINGS_VAPID_PRIVATE_KEY": "absent.pem"},
    "push key of another curve": KEYS
    | {"TIDINGS_VAPID_SUBJECT": "mailto:a@b.example", "TIDINGS_VAPID_PRIVATE_KEY": private_pem()},
    "store of another kind": KEYS | {"TIDINGS_STORE": "postgres://u:hunter2@h/d"},
    "host that is no name": KEYS | {"TIDINGS_HOST": "host.invalid"},
    "host of another machine": KEYS | {"TIDINGS_HOST": "192.0.2.1"},
    "verb of two types": KEYS | {"TIDINGS_STORE": "sqlite:///types.db", "TIDINGS_CONFIG": "types.toml"},
    "unknown variable": KEYS | {"TIDINGS_PROT": "1"},
    "wrong network": KEYS | {"TIDINGS_TRUSTED_PROXIES": "10.0.0.1/8"},
    **{
        f"mail templates: {folder}": KEYS | {"TIDINGS_MAIL_TEMPLATES": folder}
        for folder in ("absent", *TEMPLATES)
    },
}


@pytest.fixture
def prepared(tmp_path: Path) -> None:
    """A store that has a type, a file of settings whose type claims the same verb, and the folders of templates."""

    async def declare() -> None:
        store = await SqliteStore.open(tmp_path / "types.db", FakeClock(), config.Settings())
        await store.write([SetNotificationType("other", Rule(verbs=("settle",)))])
        await store.close()

    asyncio.run(declare())
    (tmp_path / "types.toml").write_text('[types.settled]\nverbs = ["settle"]\n')
    for folder, (name, content) in TEMPLATES.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(content)


@pytest.mark.parametrize("case", sorted(REFUSED))
@pytest.mark.usefixtures("prepared")
def test_doctor_fails_where_serve_refuses(run: Run, case: str) -> None:
    """The fault: doctor passed settings with which the server did not start, such as two keys for tokens or an unknown
    language. It says what the server says."""
    environ = {"TIDINGS_PORT": "0"} | REFUSED[case]
    served, examined = run("serve", **environ), run("doctor", **environ)
    assert (served.exit_code, examined.exit_code in (1, 2)) == (2, True), (served.output, examined.output)
    said = served.output.removeprefix("Error: ").strip()
    why = said.removeprefix("the environment: ").removeprefix("types.toml: ")
    assert why, "serve gave no reason"
    assert why in examined.output
    assert "hunter2" not in served.output + examined.output


@pytest.mark.usefixtures("prepared")
def test_every_refusal_of_a_setting_is_tried(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases above reach each place that refuses settings, so none can be added that doctor does not know. The table of
    settings itself is read by both commands alike."""
    reached: set[tuple[str, str]] = set()
    raised = config.ConfigError.__init__

    def note(self: config.ConfigError, *given: Any) -> None:
        caller = sys._getframe(1).f_code
        reached.add((Path(caller.co_filename).name, caller.co_name))
        raised(self, *given)

    monkeypatch.setattr(config.ConfigError, "__init__", note)
    for environ in REFUSED.values():
        run("doctor", **{"TIDINGS_PORT": "0"} | environ)
    assert refusing() - reached == set()


def refusing() -> set[tuple[str, str]]:
    """The file and the name of each function, besides those of the table, that makes a ConfigError."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and path.name != "config.py":
                calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
                if any(isinstance(name, ast.Name) and name.id == "ConfigError" for name in calls):
                    found.add((path.name, function.name))
    return found


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_the_key_of_a_client_is_told_from_those_of_the_server(run: Run, command: str) -> None:
    """The fault: with TIDINGS_API_KEY alone, "no keys are configured" did not name the difference of one letter."""
    result = run(command, TIDINGS_API_KEY=KEY)
    assert (result.exit_code != 0, "(TIDINGS_API_KEY is the key of a client" in result.output) == (True, True)
