"""The use of httpx by both drivers: the server's address, the credential, timeouts and limits."""

import base64
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import httpx
import msgspec

from tidings.client.effects import Answer, ClientRequest, TransportError
from tidings.client.request import OWN_USER, address, part
from tidings.hosts import is_loopback

MAX_REPLY_BYTES = 64 * 1024 * 1024
"""Bytes of a response: ten times a page of a hundred of the largest events that a server accepts by default."""
IDLE_S = 2.0
"""Seconds after which an idle connection is not used again: servers close them (uvicorn after 5 s), and a request that
was sent into a closing connection is lost."""
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=IDLE_S)
"""Any number of connections, since every subscription holds one."""


class TooMuch(httpx.HTTPError):
    """A response has more than MAX_REPLY_BYTES."""


class Body:
    """A response's body as it grows, up to its bound."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """The next bytes. Raises TooMuch."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_REPLY_BYTES:
            raise TooMuch(f"the reply has more than {MAX_REPLY_BYTES} bytes")

    def whole(self) -> bytes:
        """The whole body."""
        return b"".join(self._chunks)


def checked(base_url: str) -> str:
    """The address of a server, with its prefix if it has one. Raises ValueError."""
    what = f"{base_url!r} is not an http:// or https:// address"
    try:
        parts = urlsplit(base_url)
        (parts.hostname or "").encode("idna")
        port = _port(parts)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    if port == 0:
        raise ValueError(f"{what}: expected a port from 1 to 65535, got 0")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(what)
    return base_url.rstrip("/")


def _port(parts: SplitResult) -> int | None:
    """The port of an address, None without one. Raises ValueError that names the range."""
    try:
        return parts.port
    except ValueError:
        got = parts.netloc.rpartition(":")[2]
        raise ValueError(f"expected a port from 1 to 65535, got {got}") from None


def is_direct(base_url: str) -> bool:
    """Whether requests bypass the proxy of the environment: those to this machine, which the proxy could not reach."""
    return is_loopback(urlsplit(base_url).hostname or "")


def trusted(base_url: str) -> ssl.SSLContext | bool:
    """The certificates that a direct connection trusts, as httpx takes them: none for ``http://``, since loading those of
    the environment takes 30 ms."""
    encrypted = urlsplit(base_url).scheme == "https"
    return True if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def check_credentials(api_key: str | None, token: object) -> None:
    """Raises ValueError for two at once, and for one that no header can hold."""
    if api_key and token:
        raise ValueError("give either an api_key or a token")
    for credential in (api_key, token):
        if isinstance(credential, str):
            _bearer(credential)


def _bearer(credential: str) -> str:
    """The Authorization header. Raises ValueError, without the credential in it, which is a secret."""
    if not (credential.isascii() and credential.isprintable() and credential == credential.strip()):
        raise ValueError(
            "the api_key or token has characters that no header can hold, or blanks around it; was it read "
            "from a file with the line feed at its end?"
        )
    return f"Bearer {credential}"


class _TokenClaims(msgspec.Struct):
    sub: str


def _subject(token: str | None) -> str:
    """The user that a token names; only the server verifies it. Raises ValueError."""
    try:
        payload = (token or "").split(".")[1]
        claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(claims, type=_TokenClaims).sub
    except (IndexError, ValueError, msgspec.DecodeError):
        raise ValueError(
            "missing user; expected user=…, or user_id=… of the client; its token has no sub that can be read"
        ) from None


def prepared(
    base_url: str, credential: str | None, request: ClientRequest, timeout_s: float
) -> httpx.Request:
    """The request for httpx. Raises ValueError when it is about the user of a token that names none."""
    if OWN_USER in request.path:
        request = request._replace(path=request.path.replace(OWN_USER, part(_subject(credential))))
    headers = {"User-Agent": "tidings-client", **dict(request.headers)}
    if credential:
        headers["Authorization"] = _bearer(credential)
    timeout = httpx.Timeout(timeout_s).as_dict()
    url = base_url + address(request)
    return httpx.Request(
        request.method, url, headers=headers, content=request.body, extensions={"timeout": timeout}
    )


def answer(status: int, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    """The response for a machine."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Answer(status, body, headers.get("retry-after", ""), media)


def failed(error: Exception) -> TransportError:
    """A failure as an outcome; some of httpx have no text."""
    connected = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    return TransportError(str(error) or type(error).__name__, connected)
