"""A key set is fetched rarely, replaced safely, and never more than it should be."""

import asyncio
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tidings.config import ConfigError, Settings
from tidings.errors import Unauthenticated, Unavailable
from tidings.http.auth import Authenticator
from tidings.http.jwks import MAX_KEYS, MAX_SET_BYTES, KeySet, loader, parse_set
from tidings.testing import START_MS, FakeClock

NEW, OLD = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)


def entry(kid: str | None, key: Any, **more: Any) -> dict[str, Any]:
    kind = (
        jwt.algorithms.ECAlgorithm
        if isinstance(key, ec.EllipticCurvePrivateKey)
        else jwt.algorithms.RSAAlgorithm
    )
    found: dict[str, Any] = json.loads(kind.to_jwk(key.public_key()))
    return found | ({"kid": kid} if kid else {}) | more


def document(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"keys": entries}).encode()


class Issuer:
    """Serves a document that can be changed, or fails, and counts how often it was asked."""

    def __init__(self, served: bytes | Exception) -> None:
        self.served = served
        self.asked = 0

    def load(self) -> bytes:
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
                await keys.key(f"random-{number}")
        assert issuer.asked == 1
        clock.advance(60_000)
        issuer.served = document(entry("a", OLD), entry("b", NEW))
        assert (await keys.key("b")).algorithm == "ES256"
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
            await keys.close()
            assert (await keys.key("a")).algorithm == "RS256"
        assert issuer.asked == 5

    asyncio.run(scenario())


def test_without_any_keys_the_server_says_so() -> None:
    """While no set could ever be fetched, a token is neither good nor bad: 503."""

    async def scenario() -> None:
        issuer, clock = Issuer(OSError("down")), FakeClock()
        keys = KeySet(issuer.load, clock)
        with pytest.raises(Unavailable):
            await keys.key("a")
        issuer.served = document(entry("a", OLD))
        with pytest.raises(Unavailable):
            await keys.key("a")
        clock.advance(60_000)
        assert (await keys.key("a")).algorithm == "RS256"

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
        await authenticator.close()
        with pytest.raises(Unauthenticated):
            await authenticator.principal(header)

    asyncio.run(scenario())


class Keys(BaseHTTPRequestHandler):
    """Serves a key set at /keys and points to it from everywhere else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/keys" else 302)
        self.send_header("Location", "/keys")
        self.end_headers()
        self.wfile.write(document(entry("a", OLD)) if self.path == "/keys" else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


def test_keys_come_over_http_from_this_machine_and_are_not_followed_elsewhere() -> None:
    """A set is downloaded from the configured address only: a redirect is a failure."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            assert set(parse_set(loader(f"{address}/keys")())) == {"a"}
            with pytest.raises(OSError, match="redirects"):
                loader(f"{address}/moved")()
        finally:
            server.shutdown()
            thread.join()


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
        assert (await alone.key(None)).algorithm == "RS256"
        with pytest.raises(Unauthenticated):
            await both.key(None)

    asyncio.run(scenario())


@pytest.mark.parametrize("place", ["http://example.com/keys", "ftp://127.0.0.1/keys", "file:///etc/keys"])
def test_keys_come_over_a_safe_way(place: str) -> None:
    """A key set over plain http from elsewhere, or over any other scheme, is refused at start."""
    with pytest.raises(ConfigError):
        loader(place)
