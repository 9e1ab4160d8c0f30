"""Attacks by the issuer of tokens, whose key set the server fetches."""

import time
from pathlib import Path

import httpx
import jwt
import pytest

from tests.attack.issuer import BROKEN_KEYS, MISBEHAVIOURS, SIGNER, document, issuing, jwk
from tests.attack.probe import LONG, attacked_server

KEY = "tk_attack_0123456789abcdefghijklmnop"
TIMEOUT_S = 60
QUICK = ("drips a body", "interim replies", "huge body", "deep objects")
MEMORY_MIB = 16
"""What fetching, and refusing, a set may cost: the largest is 256 KiB."""


def token(kid: str) -> str:
    """A token that the signer of the good set made."""
    return jwt.encode({"sub": "alice", "exp": time.time() + 600}, SIGNER, "ES256", {"kid": kid})


def status(client: httpx.Client, credential: str) -> int:
    """How a request with this credential is answered."""
    headers = {"authorization": f"Bearer {credential}"}
    params = {"user_id": "alice"}
    return client.get("/v1/notifications", params=params, headers=headers).status_code


@pytest.mark.parametrize("what", [*(MISBEHAVIOURS if LONG else QUICK)])
def test_an_issuer_that_misbehaves_harms_tokens_alone(tmp_path: Path, what: str) -> None:
    """The server is ready without its set, API keys are served, tokens get 503, and nobody a 500."""
    with (
        issuing(what) as issuer,
        attacked_server(tmp_path, TIDINGS_API_KEYS=KEY, TIDINGS_JWKS=issuer.url) as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client,
    ):
        assert client.get("/readyz").status_code == 200
        assert status(client, KEY) == 200
        assert {status(client, token(kid)) for kid in ("a", "b", "\ud800", "")} == {503}
        assert status(client, KEY) == 200
        server.assert_bounds(memory_mib=MEMORY_MIB)
        assert "the key set could not be fetched: " in server.log()
        assert "\x1b" not in server.log()


def test_a_good_key_among_broken_ones_is_used(tmp_path: Path) -> None:
    """Whatever else the set holds: one key with ``"alg": ["RS256"]`` discarded the whole set."""
    with issuing("hangs up") as issuer:
        issuer.served = document(*BROKEN_KEYS.values(), jwk("good"))
        settings = {"TIDINGS_JWKS": issuer.url}
        with (
            attacked_server(tmp_path, **settings) as server,
            httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client,
        ):
            assert status(client, token("good")) == 200
            assert {status(client, token(kid)) for kid in ("x", "unknown")} == {401}
            server.assert_bounds(memory_mib=MEMORY_MIB)
