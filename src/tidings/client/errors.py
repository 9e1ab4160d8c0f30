"""The errors between a client and its server."""

import msgspec

from tidings.client.effects import Answer

UNKNOWN_PATH = "urn:tidings:problem:unknown-path"
"""The type of a 404 for a path that is none of the server's routes. A client requests routes only, so its base URL is wrong,
and ``detail`` states the prefix of the server."""


class FieldError(msgspec.Struct, frozen=True):
    """The error of one field: a JSON Pointer into the body, or a parameter's name."""

    pointer: str
    detail: str = ""


class _Document(msgspec.Struct):
    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


class TidingsClientError(Exception):
    """Any error of a call that the server or the connection to it causes."""


class Unreachable(TidingsClientError):
    """There is no server, or the connection to it was lost. The request may have been performed."""


class ProblemError(TidingsClientError):
    """The server responded, but not with success (RFC 9457). ``type`` is for programs, ``detail`` is for people;
    ``retry_after`` is the number of seconds after which to try again, None if the server names none."""

    def __init__(
        self,
        status: int,
        type: str,
        title: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        lines = (f"{error.pointer}: {error.detail}" for error in errors)
        wrong = "".join(f"\n  {line}" for line in lines if line not in detail)
        super().__init__(f"{status}: {detail or title or type}{wrong}")
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after


def problem(answer: Answer) -> ProblemError:
    """The error of a response; a body that is no problem document, as proxies send it, gives no detail."""
    try:
        said = msgspec.json.decode(answer.body, type=_Document)
    except msgspec.DecodeError:
        said = _Document(title="the response is not one of a Tidings server")
    return ProblemError(answer.status, said.type, said.title, said.detail, said.errors, seconds(answer))


def seconds(answer: Answer) -> float | None:
    """The seconds of Retry-After; a date, which needs two synchronised clocks, is ignored."""
    given = answer.retry_after
    return float(given) if given.isascii() and given.isdigit() and len(given) < 10 else None
