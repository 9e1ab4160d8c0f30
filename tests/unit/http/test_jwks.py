"""A key set is fetched rarely, replaced safely, and never more than it should be."""

import asyncio
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpcore
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.attack.issuer import BROKEN_KEYS, MISBEHAVIOURS, document, issuing
from tests.attack.issuer import jwk as entry
from tests.outbound.receivers import HOST, WAIT_S, Web
from tidings.config import ConfigError, Settings
from tidings.errors import Unauthenticated, Unavailable
from tidings.http.auth import Authenticator
from tidings.http.jwks import MAX_KEYS, MAX_SET_BYTES, KeySet, Load, loader, parse_set
from tidings.http.jwks_download import download
from tidings.testing import START_MS, FakeClock

DEADLINE_S = 0.3
"""Seconds for a fetch here; what ends a misbehaviour, and no bound on how fast anything is."""
OTHER_EC = ec.generate_private_key(ec.SECP256R1())
NEW, OLD = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)


class Issuer:
    """Serves a document that can be changed, or fails, and counts how often it was asked."""

    def __init__(self, served: bytes | Exception) -> None:
        self.served = served
        self.asked = 0

    async def load(self) -> bytes:
        self.asked += 1
        if isinstance(self.served, Exception):
            raise self.served
        return self.served


def test_unknown_names_fetch_once_a_minute() -> None:
    """A flood of tokens with random key names causes one fetch in 60 seconds, and none of them holds."""

    async def scenario() -> None:
        issuer, clock = Issuer(document(entry("a", OLD))), FakeClock()
        keys = KeySet(issuer.load, clock)
        await keys.refresh()
        for number in range(100):
            with pytest.raises(Unauthenticated):
                await keys.key(f"random-{number}", "RS256")
        assert issuer.asked == 1
        clock.advance(60_000)
        issuer.served = document(entry("a", OLD), entry("b", NEW))
        assert (await keys.key("b", "RS256")).algorithm == "ES256"
        assert issuer.asked == 2

    asyncio.run(scenario())


def test_stale_keys_outlive_a_dead_issuer() -> None:
    """When the issuer fails or serves nonsense, the keys at hand go on verifying."""

    async def scenario() -> None:
        issuer, clock = Issuer(document(entry("a", OLD))), FakeClock()
        keys = KeySet(issuer.load, clock)
        await keys.refresh()
        for broken in (OSError("down"), b"<html>", b'{"keys": 7}', b"x" * (MAX_SET_BYTES + 1)):
            issuer.served = broken
            clock.advance(300_000)
            keys.keep_fresh()
            await keys.refresh()
            assert (await keys.key("a", "RS256")).algorithm == "RS256"
        assert issuer.asked == 5

    asyncio.run(scenario())


def test_without_any_keys_the_server_says_so() -> None:
    """While no set could ever be fetched, a token is neither good nor bad: 503."""

    async def scenario() -> None:
        issuer, clock = Issuer(OSError("down")), FakeClock()
        keys = KeySet(issuer.load, clock)
        with pytest.raises(Unavailable):
            await keys.key("a", "RS256")
        issuer.served = document(entry("a", OLD))
        with pytest.raises(Unavailable):
            await keys.key("a", "RS256")
        clock.advance(60_000)
        assert (await keys.key("a", "RS256")).algorithm == "RS256"

    asyncio.run(scenario())


def test_withdrawn_key_ends_its_tokens(tmp_path: Path) -> None:
    """Once a refresh brings a set without the key, tokens that were verified before are refused as well."""

    async def scenario() -> None:
        place, clock = tmp_path / "keys.json", FakeClock()
        place.write_bytes(document(entry("a", OLD)))
        authenticator = Authenticator(Settings(jwks=str(place)), clock)
        await authenticator.start()
        token = jwt.encode({"sub": "a", "exp": START_MS // 1000 + 9999}, OLD, "RS256", {"kid": "a"})
        header = b"Bearer " + token.encode()
        assert (await authenticator.principal(header)).user_id == "a"
        place.write_bytes(document(entry("b", NEW)))
        clock.advance(300_000)
        assert (await authenticator.principal(header)).user_id == "a"
        assert isinstance(authenticator._source, KeySet)
        await authenticator._source.refresh()
        with pytest.raises(Unauthenticated):
            await authenticator.principal(header)

    asyncio.run(scenario())


@pytest.mark.parametrize("what", MISBEHAVIOURS)
def test_no_misbehaviour_of_an_issuer_is_a_fault_of_a_request(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage, endless and dripped replies, bad chunks, deep JSON and redirects end within the deadline; they are named in
    the log on one printable line, the old keys go on, and a server without any says 503."""

    async def scenario(url: str) -> None:
        clock = FakeClock()
        empty = KeySet(loader(url), clock, DEADLINE_S)
        with pytest.raises(Unavailable):
            await empty.key("a", "RS256")
        source = Issuer(document(entry("a", OLD)))
        keys = KeySet(lambda: source.load() if source.asked == 0 else loader(url)(), clock, DEADLINE_S)
        await keys.refresh()
        await keys.refresh()
        assert (await keys.key("a", "RS256")).algorithm == "RS256"
        assert keys.generation == 1

    with issuing(what) as issuer:
        asyncio.run(scenario(issuer.url))
    said = [record.getMessage() for record in caplog.records if record.name == "tidings.auth"]
    assert len(said) == 2
    assert all(line.startswith("the key set could not be fetched: ") and line.isprintable() for line in said)


@pytest.mark.parametrize("what", ["interim replies", "small chunks", "endless head"])
def test_a_download_reads_no_further_than_its_limit(what: str) -> None:
    """Interim replies were not counted, and of small chunks only their content: both took the event loop, in turns of 90 ms,
    until the deadline."""

    async def scenario(url: str) -> None:
        async with asyncio.timeout(WAIT_S):
            with pytest.raises(httpcore.RemoteProtocolError):
                await loader(url)()

    with issuing(what) as issuer:
        asyncio.run(scenario(issuer.url))


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_download_uses_the_proxy_of_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the credentials of both in their URLs."""

    async def scenario() -> None:
        proxy = Web()
        port = await proxy.start()
        for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.setenv(variable, f"http://pat:p%40t@{HOST}:{port}")
        proxy.answers += [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"] * 2
        url = "http://iss:uer@keys.example:81/a;b?c=d"
        assert await download(url, MAX_SET_BYTES, use_proxy=True) == b"{}"
        (asked,) = proxy.requests
        assert asked.line == "GET http://keys.example:81/a;b?c=d HTTP/1.1"
        assert asked.headers["host"] == "keys.example:81"
        assert b64decode(asked.headers["authorization"].split()[1]) == b"iss:uer"
        assert b64decode(asked.headers["proxy-authorization"].split()[1]) == b"pat:p@t"
        monkeypatch.setenv("NO_PROXY", HOST)
        assert await download(f"http://{HOST}:{port}/", MAX_SET_BYTES, use_proxy=True) == b"{}"
        assert proxy.requests[1].path == "/"
        await proxy.stop()

    asyncio.run(scenario())


def test_a_token_waits_for_the_fetch_under_way() -> None:
    """A server begins to serve before its set has come: the first token gets an answer with the set, not 503."""

    async def scenario() -> None:
        arrived = asyncio.Event()

        async def load() -> bytes:
            await arrived.wait()
            return document(entry("a", OLD))

        keys = KeySet(load, FakeClock())
        keys.begin()
        asked = asyncio.ensure_future(keys.key("a", "RS256"))
        arrived.set()
        assert (await asked).algorithm == "RS256"

    asyncio.run(scenario())


@pytest.mark.parametrize(("api_keys", "waits"), [("", True), ("k" * 16 + "0123456789abcdef", False)])
def test_readiness_waits_for_the_set_only_where_nothing_else_lets_anybody_in(
    api_keys: str, waits: bool
) -> None:
    """A dripping issuer kept the server unready. With API keys it does not even wait for the deadline."""

    async def scenario(url: str) -> None:
        authenticator = Authenticator(Settings(api_keys=api_keys, jwks=url), FakeClock())
        source = authenticator._source
        assert isinstance(source, KeySet)
        source._deadline_s = DEADLINE_S
        await authenticator.start()
        assert source._is_fetching() is not waits
        await authenticator.close()

    with issuing("drips a head") as issuer:
        asyncio.run(scenario(issuer.url))


@pytest.mark.parametrize("broken", BROKEN_KEYS.values(), ids=BROKEN_KEYS.keys())
def test_a_broken_key_costs_no_other(broken: Any) -> None:
    """It is passed over, whatever the types of its members; alone it leaves no set that could replace the old one."""
    assert set(parse_set(document(broken, entry("good", NEW), broken))) == {"good"}
    with pytest.raises(ValueError, match="none of the keys"):
        parse_set(document(broken))


def test_keys_of_one_name_are_told_apart_by_algorithm() -> None:
    """RFC 7517, 4.5 allows one kid for keys of different types. Of two with one algorithm the first holds."""

    async def scenario() -> None:
        served = document(entry("a", OLD), entry("a", NEW), entry("a", OTHER_EC))
        keys = KeySet(Issuer(served).load, FakeClock())
        assert (await keys.key("a", "RS256")).algorithm == "RS256"
        found = await keys.key("a", "ES256")
        assert found.material == NEW.public_key()
        odd: list[object] = ["HS256", None, ["ES256"], {}]
        for algorithm in odd:
            with pytest.raises(Unauthenticated):
                await keys.key("a", algorithm)

    asyncio.run(scenario())


def test_an_empty_list_withdraws_every_key() -> None:
    """A list without any key is what an issuer publishes to withdraw all; it is no mistake."""
    assert parse_set(document()) == {}


def test_a_file_is_read_as_far_as_the_cap(tmp_path: Path) -> None:
    """A set from a file has the same bounds as one from an issuer."""
    path = tmp_path / "keys.json"
    path.write_bytes(b" " * (MAX_SET_BYTES * 4))
    raw = asyncio.run(read(loader(str(path))))
    assert len(raw) == MAX_SET_BYTES + 1
    path.write_bytes(document(entry("a", OLD)))
    assert set(parse_set(asyncio.run(read(loader(str(path)))))) == {"a"}


async def read(load: Load) -> bytes:
    """What a loader loads."""
    return await load()


def test_only_signature_keys_of_public_kinds_are_taken() -> None:
    """Symmetric keys, encryption keys, keys for a foreign algorithm and broken ones are passed over."""
    keys = parse_set(
        document(
            entry("good", NEW),
            entry("encryption", OLD, use="enc"),
            entry("foreign", OLD, alg="HS256"),
            {"kid": "shared", "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
            {"kid": "broken", "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kid": 7, "kty": "RSA"},
        )
    )
    assert set(keys) == {"good"}


def test_a_set_is_bounded() -> None:
    """A set of too many keys is refused as a whole."""
    with pytest.raises(ValueError, match="at most"):
        parse_set(document(*[{"kty": "EC"}] * (MAX_KEYS + 1)))


def test_tokens_need_no_name_when_there_is_one_key() -> None:
    """A token without a key name is checked with the only key there is, and with none when there are two."""

    async def scenario() -> None:
        one, two = document(entry("a", OLD)), document(entry("a", OLD), entry("b", NEW))
        alone, both = KeySet(Issuer(one).load, FakeClock()), KeySet(Issuer(two).load, FakeClock())
        assert (await alone.key(None, "RS256")).algorithm == "RS256"
        with pytest.raises(Unauthenticated):
            await both.key(None, "RS256")

    asyncio.run(scenario())


@pytest.mark.parametrize("place", ["http://example.com/keys", "ftp://127.0.0.1/keys", "file:///etc/keys"])
def test_keys_come_over_a_safe_way(place: str) -> None:
    """A key set over plain http from elsewhere, or over any other scheme, is refused at start."""
    with pytest.raises(ConfigError):
        loader(place)
