"""The one tree of failures. Each class is one stable problem type (RFC 9457) and one HTTP status."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import msgspec

PROBLEM_TYPE = "urn:tidings:problem:"
"""Every problem type begins with it; the code follows. A name, not an address: it stays when sites move."""
_encode = msgspec.json.Encoder().encode


class FieldError(NamedTuple):
    """One item of a problem's ``errors``: what is wrong with one field. ``pointer`` is a JSON Pointer (RFC 6901) or, for a
    parameter, its name."""

    pointer: str
    detail: str


def problem_document(
    code: str, title: str, status: int, detail: str, errors: Iterable[FieldError] | None = None
) -> bytes:
    """The JSON of a problem document (RFC 9457); without ``errors`` if that is None."""
    document: dict[str, object] = {
        "type": PROBLEM_TYPE + code,
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors is not None:
        document["errors"] = [error._asdict() for error in errors]
    return _encode(document)


class TidingsError(Exception):
    """The server could not do what was asked, and the request has no part in it."""

    # The root of all that a caller can be told about: ``detail`` is for people, programs read ``code`` and ``status``.
    # The first paragraph of each docstring is printed in the reference of problems, for users.

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "The server failed"

    def __init__(self, detail: str = "", errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = errors

    def problem(self) -> bytes:
        """Its problem document, with ``errors`` if there are any."""
        return problem_document(self.code, self.title, self.status, self.detail, self.errors or None)


class BadParameter(TidingsError):
    """A query parameter, path segment, header or cursor is missing, unknown, malformed, or does not go with others; or the
    query string has over 16 KiB or 64 parameters."""

    status, code, title = 400, "bad-parameter", "A parameter is not accepted"


class Malformed(TidingsError):
    """The body is not JSON at all."""

    status, code, title = 400, "malformed-body", "The body could not be read"


class Unauthenticated(TidingsError):
    """No credential, or one that does not hold."""

    status, code, title = 401, "unauthenticated", "A valid credential is needed"


class Forbidden(TidingsError):
    """The credential is good, but not for this: another user's data, a scope it lacks, or a page of another origin."""

    status, code, title = 403, "forbidden", "This request is not allowed"


class NotFound(TidingsError):
    """No such thing, or it belongs to somebody else: the two are not told apart."""

    status, code, title = 404, "not-found", "There is no such thing here"


class MethodNotAllowed(TidingsError):
    """The path exists, the method does not."""

    status, code, title = 405, "method-not-allowed", "This path has no such method"


class KeyInFlight(TidingsError):
    """The first request with this idempotency key has not ended yet."""

    status, code, title = 409, "idempotency-key-in-flight", "A request with this key is still being answered"


class Gone(TidingsError):
    """What was meant could once be had; its time is over."""

    status, code, title = 410, "gone", "It is too late for this"


class TooLarge(TidingsError):
    """The body, or the batch, is over its cap."""

    status, code, title = 413, "too-large", "The request is larger than this server takes"


class UnsupportedMedia(TidingsError):
    """The content type is not one that the endpoint reads."""

    status, code, title = 415, "unsupported-media-type", "This content type is not understood here"


class InvalidFields(TidingsError):
    """A field does not fit the schema, or fits and breaks another rule, such as a limit of this server.

    ``fitting`` is the JSON of an object with those members of the body that do fit.
    """

    status, code, title = 422, "invalid-fields", "A field of the request is not accepted"

    def __init__(self, detail: str = "", errors: tuple[FieldError, ...] = (), fitting: bytes = b"{}") -> None:
        super().__init__(detail, errors)
        self.fitting = fitting


class KeyReused(TidingsError):
    """The idempotency key was used before, with another body."""

    status, code, title = 422, "idempotency-key-reused", "This key belongs to a request with another body"

    def __init__(self, index: int = 0, errors: tuple[FieldError, ...] = ()) -> None:
        """``index``: which event of its command has the key."""
        super().__init__(errors=errors)
        self.index = index

    def at(self, pointer: str) -> "KeyReused":
        """The same, said of the key that stands there."""
        return KeyReused(self.index, (FieldError(pointer, "expected a new key, got that of another body"),))


class TooManyRequests(TidingsError):
    """A bound on rate or on open streams was reached."""

    status, code, title = 429, "too-many-requests", "Slow down"

    def __init__(self, detail: str = "", retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(TidingsError):
    """The store is lost, the server is leaving, or the write queue is full: the same request may succeed later."""

    # Every caller reads the detail, those without a credential too. ``for_log`` says the same to operators, who need to know
    # which file it is.

    status, code, title = 503, "unavailable", "Try again shortly"

    def __init__(self, detail: str = "", retry_after: int = 1, *, for_log: str = "") -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.for_log = for_log or self.detail


class ForeignCommit(Unavailable):
    """Another program made a commit in the store while it was open: nothing is read or written until a restart."""


class Deferred(Unavailable):
    """Too many streams are being opened at once: this one may come back after ``retry_after`` seconds."""


class InUse(Unavailable):
    """Another process has the store open."""


class UpgradeRequired(TidingsError):
    """The route speaks WebSocket only."""

    status, code, title = 426, "upgrade-required", "This is a WebSocket"
