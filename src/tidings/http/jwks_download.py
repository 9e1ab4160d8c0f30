"""The download of a key set from the issuer's URL: one attempt, uncompressed, without redirects. The caller bounds the
time."""

import asyncio
import ssl
from importlib import import_module

import httpx

_HEADERS = {"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"}
"""Not compressed: the cap applies to the received bytes."""


async def download(url: str, most: int, *, use_proxy: bool) -> bytes:
    """The content at a URL, at most the first ``most`` bytes and the chunk in which they end. ``use_proxy``: through the
    proxy that the environment names, if any.

    A redirect is a failure: the configured URL is trusted, the target of a redirect is not. Raises httpx.HTTPError, OSError,
    and ValueError for any status but 200.
    """
    trust = await asyncio.to_thread(_prepared)
    async with (
        httpx.AsyncClient(verify=trust, timeout=None, trust_env=use_proxy) as client,
        client.stream("GET", url, headers=_HEADERS) as reply,
    ):
        if reply.status_code != httpx.codes.OK:
            raise ValueError(f"the issuer answered {reply.status_code}")
        found = bytearray()
        async for chunk in reply.aiter_raw():
            found += chunk
            if len(found) > most:
                break
        return bytes(found)


def _prepared() -> ssl.SSLContext:
    """The system's certificates, loaded here: httpx would load them on the event loop at its first connection."""
    import_module("anyio._backends._asyncio")
    return ssl.create_default_context()
