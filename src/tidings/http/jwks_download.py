"""The download of a key set from the issuer's URL: one attempt, uncompressed, without redirects. The caller bounds the
time."""

import asyncio
import ssl
from base64 import b64encode
from importlib import import_module
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from tidings.reply_limit import MAX_REPLY_BYTES, LimitedBackend

_HEADERS = {
    b"accept": b"application/jwk-set+json, application/json",
    b"accept-encoding": b"identity",  # the cap applies to the received bytes
    b"user-agent": b"Tidings",
}


async def download(url: str, most: int, *, use_proxy: bool) -> bytes:
    """The content at a URL, at most the first ``most`` bytes and the chunk in which they end. ``use_proxy``: through the
    proxy that the environment names, if any.

    A redirect is a failure: the configured URL is trusted, the target of a redirect is not. Raises errors of httpcore
    (ReplyTooLong if interim responses, headers or framing do not end), OSError, and ValueError for any status but 200.
    """
    trust = await asyncio.to_thread(_prepared)
    place = httpx.URL(url)
    async with (
        httpcore.AsyncConnectionPool(
            ssl_context=trust,
            proxy=_proxy(place) if use_proxy else None,
            network_backend=LimitedBackend(httpcore.AnyIOBackend(), most + MAX_REPLY_BYTES),
        ) as pool,
        pool.stream("GET", _raw(place), headers=[*_headers(place).items()]) as reply,
    ):
        if reply.status != httpx.codes.OK:
            raise ValueError(f"the issuer answered {reply.status}")
        found = bytearray()
        async for chunk in reply.aiter_stream():
            found += chunk
            if len(found) > most:
                break
        return bytes(found)


def _raw(place: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=place.raw_scheme, host=place.raw_host, port=place.port, target=place.raw_path)


def _headers(place: httpx.URL) -> dict[bytes, bytes]:
    """The headers of the request; with the user and password of the URL, if it has any."""
    headers = {b"host": place.netloc, **_HEADERS}
    if place.userinfo:
        headers[b"authorization"] = b"Basic " + b64encode(f"{place.username}:{place.password}".encode())
    return headers


def _proxy(place: httpx.URL) -> httpcore.Proxy | None:
    """The proxy of the environment for a URL."""
    proxies = getproxies()
    named = proxies.get(place.scheme) or proxies.get("all")
    if not named or proxy_bypass(place.host):
        return None
    proxy = httpx.Proxy(named if "://" in named else f"http://{named}")
    return httpcore.Proxy(_raw(proxy.url), proxy.raw_auth)


def _prepared() -> ssl.SSLContext:
    """The system's certificates, loaded here: they would be loaded on the event loop at the first connection."""
    import_module("anyio._backends._asyncio")
    return ssl.create_default_context()
