"""API keys, what the settings allow, and for whom a principal may act."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tidings.config import ConfigError, Settings
from tidings.errors import BadParameter, Forbidden, Unauthenticated
from tidings.http.api_keys import ApiKeys, split_keys, visible_name
from tidings.http.auth import DEVELOPER, Authenticator, Principal, acting_for
from tidings.testing import FakeClock

KEY = "tk_live_0123456789abcdefghijklmn"
SECOND = "second-0123456789abcdefghijklmnop"


def ask(header: bytes | None, settings: Settings) -> Principal:
    return asyncio.run(Authenticator(settings, FakeClock()).principal(header))


def test_configured_keys_are_known() -> None:
    """Every key of the comma-separated setting is a server's, blanks around it ignored."""
    settings = Settings(api_keys=f" {KEY} , {SECOND},")
    assert ask(f"Bearer {KEY}".encode(), settings) == Principal("key", key_id="key:tk_liv…")
    assert ask(f"bearer  {SECOND} ".encode(), settings) == Principal("key", key_id="key:second…")


@pytest.mark.parametrize(
    "header",
    [None, b"", b"Bearer", b"Bearer ", b"Basic abc", b"Bearer tk_live_", b"Bearer \xff\xfe", b"Bearer a.b.c"],
)
def test_anything_else_is_nobody(header: bytes | None) -> None:
    """No header, another scheme, and part of a key are refused."""
    with pytest.raises(Unauthenticated):
        ask(header, Settings(api_keys=KEY))


def test_keys_are_not_kept() -> None:
    """What is held of a key is a hash that differs from process to process."""
    first, second = ApiKeys([KEY]), ApiKeys([KEY])
    assert KEY not in repr(vars(first))
    assert KEY.encode() not in b"".join(first._names)
    assert set(first._names) != set(second._names)


def test_short_keys_show_nothing() -> None:
    """The name of a key in logs is never a real part of a short key."""
    assert visible_name("secret") == "key:…"
    assert split_keys(" , ,") == []


def test_development_asks_nobody() -> None:
    """With --dev there are no credentials, and a wrong one does no harm."""
    assert ask(None, Settings(dev=True)) == DEVELOPER
    assert ask(b"Bearer nonsense", Settings(dev=True)) == DEVELOPER


def test_server_without_any_key_does_not_start() -> None:
    """Outside development some way to authenticate must be configured, and tokens have one kind of key."""
    with pytest.raises(ConfigError, match="--dev"):
        Authenticator(Settings(), FakeClock())
    with pytest.raises(ConfigError, match="exclude"):
        Authenticator(Settings(jwt_secret=KEY, jwks="keys.json"), FakeClock())


def test_missing_key_file_is_told(tmp_path: Path) -> None:
    """A public key file that cannot be read is named at start."""
    with pytest.raises(ConfigError, match=r"jwt_public_key: .*nowhere\.pem"):
        Authenticator(Settings(jwt_public_key=str(tmp_path / "nowhere.pem")), FakeClock())


USER = Principal("user", "alice")
ADMIN = Principal("user", "root", frozenset({"admin"}))
SERVER = Principal("key")


def test_user_acts_for_nobody_else() -> None:
    """A user's token stands for its own user, named or not; another name is forbidden."""
    assert acting_for(USER, None) == acting_for(USER, "alice") == "alice"
    with pytest.raises(Forbidden):
        acting_for(USER, "bob")
    with pytest.raises(Forbidden):
        acting_for(USER, "bob", admin_for_all=True)


def test_admin_acts_for_others_only_where_allowed() -> None:
    """The scope admin opens other users' data only where the route says so."""
    assert acting_for(ADMIN, "bob", admin_for_all=True) == "bob"
    with pytest.raises(Forbidden):
        acting_for(ADMIN, "bob")


@pytest.mark.parametrize("principal", [SERVER, DEVELOPER])
def test_server_says_for_whom(principal: Principal) -> None:
    """A server may act for anybody, and must say for whom."""
    assert acting_for(principal, "bob") == "bob"
    for missing in (None, ""):
        with pytest.raises(BadParameter) as caught:
            acting_for(principal, missing)
        assert [error.pointer for error in caught.value.errors] == ["user_id"]


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("api_keys", "12345", "key 1 of 1 has 5 characters, at least 32"),
        ("api_keys", f"{KEY},{SECOND},{'a' * 31}", "key 3 of 3 has 31 characters"),
        ("api_keys", f"{KEY};{SECOND}", "key 1 of 1 has ';' in it: expected keys separated by commas"),
        ("api_keys", f"{KEY} {SECOND}", "key 1 of 1 has ' ' in it"),
        ("api_keys", f'"{KEY}"', "key 1 of 1 has '\"' in it"),
        ("api_keys", f"{KEY},Bearer {SECOND}", "key 2 of 2 has ' ' in it"),
        ("api_keys", "a" * 64, "consists of 1 different characters"),
        ("api_keys", "abcabcabc" * 8, "consists of 3 different characters"),
        ("jwt_secret", "hunter2", "jwt_secret has 7 characters"),
        ("jwt_secret", "x" * 32, "jwt_secret consists of 1 different"),
    ],
)
def test_what_could_be_guessed_stops_the_server(setting: str, value: str, said: str) -> None:
    """A five-character key was accepted. The message says which key, why, and how to make one, and repeats none."""
    with pytest.raises(ConfigError, match="openssl rand -hex 32") as refused:
        Authenticator(msgspec.convert({setting: value}, Settings), FakeClock())
    assert said in str(refused.value)
    assert value not in str(refused.value)


def test_development_needs_no_strong_keys() -> None:
    """It asks for none."""
    assert ask(None, Settings(dev=True, api_keys="12345", jwt_secret="x")) == DEVELOPER


def test_a_key_set_that_is_not_there_is_refused_at_start(tmp_path: Path) -> None:
    """The fault: a misspelt path of ``jwks`` started a server that answered 503 to every token. A URL may come back."""
    for name in ("missing.json", "", "x" * 300):
        with pytest.raises(ConfigError, match=r"^jwks"):
            Authenticator(Settings(jwks=str(tmp_path / name)), FakeClock())
    Authenticator(Settings(jwks="https://127.0.0.1:9/jwks.json"), FakeClock())
