"""The hierarchy of errors. Each class is one stable problem type (RFC 9457) and one HTTP status."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import msgspec

PROBLEM_TYPE = "urn:tidings:problem:"
"""Every problem type begins with it; the code follows. It is a name, not a URL: it stays valid when sites move."""
_encode = msgspec.json.Encoder().encode


class FieldError(NamedTuple):
    """One item of a problem's ``errors``: the error of one field. ``pointer`` is a JSON Pointer (RFC 6901) or, for a
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
    """The server could not process the request, for a reason outside of the request."""

    # The base of all errors that a caller can get: ``detail`` is for people, programs read ``code`` and ``status``. The
    # first paragraph of each docstring is printed in the reference of problems, for users.

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
    """A query parameter, path segment, header or cursor is missing, unknown, malformed, or excluded by others; or the query
    string has over 16 KiB or 64 parameters."""

    status, code, title = 400, "bad-parameter", "A parameter is not accepted"


class Malformed(TidingsError):
    """The body is not JSON at all."""

    status, code, title = 400, "malformed-body", "The body could not be read"


class Unauthenticated(TidingsError):
    """There is no credential, or it is invalid."""

    status, code, title = 401, "unauthenticated", "A valid credential is needed"


class Forbidden(TidingsError):
    """The credential is valid, but not for this request: another user's data, a missing scope, or a page of another
    origin."""

    status, code, title = 403, "forbidden", "This request is not allowed"


class NotFound(TidingsError):
    """The resource does not exist, or belongs to another user: the response does not distinguish the two."""

    status, code, title = 404, "not-found", "The resource does not exist"


class UnknownPath(TidingsError):
    """The server has no such path, for any method and id."""

    status, code, title = 404, "unknown-path", "There is nothing at this address"


class MethodNotAllowed(TidingsError):
    """The path exists, the method does not."""

    status, code, title = 405, "method-not-allowed", "The path does not support the method"


class KeyInFlight(TidingsError):
    """The first request with this idempotency key is still in progress."""

    status, code, title = 409, "idempotency-key-in-flight", "The first request with this key is in progress"


class EndpointDisabled(TidingsError):
    """Nothing is sent to the endpoint of this delivery: it is disabled, or its address is not confirmed."""

    status, code, title = 409, "endpoint-disabled", "The endpoint gets no deliveries"


class ActedOtherwise(TidingsError):
    """Another action was taken on the notification before: only one is."""

    status, code, title = 409, "acted-otherwise", "Another action was taken before"


class MergeUnderWay(TidingsError):
    """Another merge of one of the two users is in progress, and must end first."""

    status, code, title = 409, "merge-under-way", "Another merge of the user is in progress"


class Expired(TidingsError):
    """The resource existed, or the action was possible, and its time is over."""

    status, code, title = 410, "expired", "The time for the request is over"


class TooLarge(TidingsError):
    """The body, or the batch, is over its cap."""

    status, code, title = 413, "too-large", "The request exceeds a limit of this server"


class UnsupportedMedia(TidingsError):
    """The content type is not one that the endpoint reads."""

    status, code, title = 415, "unsupported-media-type", "The content type is not supported"


class InvalidFields(TidingsError):
    """A field does not match the schema, or it breaks another rule, such as a limit of this server.

    ``fitting`` is the JSON of an object with the valid members of the body.
    """

    status, code, title = 422, "invalid-fields", "A field of the request is not accepted"

    def __init__(self, detail: str = "", errors: tuple[FieldError, ...] = (), fitting: bytes = b"{}") -> None:
        super().__init__(detail, errors)
        self.fitting = fitting


class KeyReused(TidingsError):
    """The idempotency key was used before, with another body."""

    status, code, title = 422, "idempotency-key-reused", "The key was used with another body"

    def __init__(self, index: int = 0, errors: tuple[FieldError, ...] = ()) -> None:
        """``index``: the event of the command that has the key."""
        super().__init__(errors=errors)
        self.index = index

    def at(self, pointer: str) -> "KeyReused":
        """The same error for the key at this pointer."""
        return KeyReused(self.index, (FieldError(pointer, "expected a new key, got that of another body"),))


class TooManyRequests(TidingsError):
    """A bound on rate or on open streams was reached."""

    status, code, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, detail: str = "", retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class RateLimited(TooManyRequests):
    """Too many requests in a period: ``quota`` of the ``policy`` in ``window_s`` seconds."""

    def __init__(self, detail: str, retry_after: int, policy: str, quota: int, window_s: int) -> None:
        super().__init__(detail, retry_after)
        self.policy = policy
        self.quota = quota
        self.window_s = window_s


class Unavailable(TidingsError):
    """The store is unavailable, the server is stopping, or the write queue is full: the same request may succeed later."""

    # Every client reads the detail, those without a credential too. ``for_log`` is the text for operators, who need to know
    # the file.

    status, code, title = 503, "unavailable", "The server is temporarily unavailable"

    def __init__(self, detail: str = "", retry_after: int = 1, *, for_log: str = "") -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.for_log = for_log or self.detail


class ForeignCommit(Unavailable):
    """Another program made a commit in the store while it was open: nothing is read or written until a restart."""


class Deferred(Unavailable):
    """Too many streams are being opened at once: the client may retry after ``retry_after`` seconds."""


class InUse(Unavailable):
    """Another process has the store open."""


class UpgradeRequired(TidingsError):
    """The route speaks WebSocket only."""

    status, code, title = 426, "upgrade-required", "The route needs a WebSocket"
