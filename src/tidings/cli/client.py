"""The Python client for the commands: a failure is an error of the command line, and calls wait for a busy server."""

import os
import time
from http import HTTPStatus
from typing import TypeVar

import click

from tidings.client import Client, ProblemError, Unreachable
from tidings.client.errors import UNKNOWN_PATH
from tidings.client.request import Call

DEFAULT_URL = "http://127.0.0.1:8787"
URL_ENV = "TIDINGS_URL"
url_option = click.option(
    "--url",
    envvar=URL_ENV,
    default=DEFAULT_URL,
    show_default=True,
    show_envvar=True,
    help="The running server.",
)
"""Not of ``bench``, which writes its own events: a variable that is forgotten in a shell must not direct them."""
KEY_ENV = "TIDINGS_API_KEY"
"""The variable of the key; every user of the machine can read arguments."""
key_env_option = click.option(
    "--key-env", default=KEY_ENV, show_default=True, help="Environment variable that holds the key."
)

TIMEOUT_S = 90.0
"""Longer than the slowest import of one batch."""

BUSY_TRIES = 30
"""Responses with 429 and 503 before the command gives up; each says itself how long to wait."""

BUSY = (429, 503)
RETRY_S = 1.0
"""Seconds until the next attempt, if a busy server does not name any, and after a lost connection."""

MAX_RETRY_S = 60.0
"""The longest wait that a busy server can request."""

NO_PROBLEM = "about:blank"
"""The type of a failure whose response is no problem document of Tidings."""

T = TypeVar("T")


class ServerUnreachable(click.ClickException):
    """There is no server, or the connection to it was lost."""


class Foreign(click.ClickException):
    """Another program than Tidings responded, or not at this address."""


class Refused(click.ClickException):
    """The server responded, but not with success."""


class CommandClient(Client):
    """The client of a command; closed at the end of a ``with``. Calls raise Refused, Foreign and ServerUnreachable."""

    def __init__(self, url: str, key: str | None, key_env: str = KEY_ENV) -> None:
        """``url`` with its prefix, if any; ``key`` an API key or a token, and ``key_env`` its variable, for advice. Raises
        click.BadParameter."""
        try:
            # A lost connection is reported at once, since the address may be wrong; the wait for a busy server is below.
            super().__init__(url, api_key=key, timeout=TIMEOUT_S, retries=0)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        self.url = url
        self._key = key
        self._key_env = key_env

    def carry_out(self, call: Call[T]) -> T:
        """Perform a call, and wait while the server is busy."""
        tries = BUSY_TRIES
        while True:
            try:
                return super().carry_out(call)
            except ProblemError as error:
                if error.status not in BUSY or not tries:
                    raise self.failure(error) from None
                wait_s = wait_of(error)
            except Unreachable as error:
                raise ServerUnreachable(f"{self.url} cannot be reached: {error}") from None
            tries -= 1
            time.sleep(wait_s)

    def failure(self, error: ProblemError) -> click.ClickException:
        """The command-line error of a failure."""
        if error.type == NO_PROBLEM and error.status not in BUSY:
            what = f"{error.status} {_phrase(error.status)}".strip()
            return Foreign(
                f"{self.url} answered {what}, which is no response of Tidings: is the address right, with its prefix?"
            )
        if error.type == UNKNOWN_PATH:
            return Refused(f"{self.url} answered {error}")
        return Refused(f"the server answered {error}{self._advice(error.status)}")

    def _advice(self, status: int) -> str:
        if status == 401 and not self._key:
            return f"\n  put an API key or a token into {self._key_env}"
        if status in (401, 403) and self._key:
            return f"\n  the key was taken from {self._key_env}"
        return ""


def wait_of(error: ProblemError) -> float:
    """The seconds after which to try a busy server again."""
    return RETRY_S if error.retry_after is None else min(error.retry_after, MAX_RETRY_S)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def connect(url: str, key_env: str = KEY_ENV) -> CommandClient:
    """A client whose key is in the environment variable ``key_env``; without one it sends no credential.

    Raises click.UsageError if the variable was named and is not set, or has an invalid key.
    """
    key = os.environ.get(key_env, "").strip()
    if not key and key_env != KEY_ENV:
        raise click.UsageError(
            f"the environment variable {key_env}, which --key-env names, is empty or not set"
        )
    if not (key.isascii() and key.isprintable()):
        raise click.UsageError(f"{key_env} has characters that no key or token has")
    return CommandClient(url, key or None, key_env)
